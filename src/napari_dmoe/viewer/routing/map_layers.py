"""Maps of the routing as layer data, exactly on the image, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import pair_names
from napari_dmoe.inference.pictures import colours as pictures
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers import maps
from napari_dmoe.viewer.layers.names import layer_name, routing_of
from napari_dmoe.viewer.layers.placement import LayerData, on_layer
from napari_dmoe.viewer.routing.extras import Extras, map_input
from napari_dmoe.viewer.routing.overlay import Overlay

_COLORMAP = "viridis"
_EXPERTS_OPACITY = 0.5


@dataclass(frozen=True)
class ShownMap:
    """A map of the routing, ready for a viewer and for the cursor."""

    overlay: Overlay
    layer_data: LayerData
    """Labels of experts or pairs, whose numbers count from 0 as everywhere, or an Image
    of a measure."""
    gates: NDArray[np.float32]
    """Gates of the block, (*S, E), in the order of the layer's axes."""
    unit: str
    """What a block is called."""

    @property
    def look(self) -> tuple[str | int, ...]:
        """Equal for maps that look alike: their colours need not be set again."""
        of = (self.overlay.expert,) if self.overlay.kind.is_of_one_expert else ()
        return (self.overlay.name, self.gates.shape[-1], *of)


def shown_map(
    source: Image, result: Segmentation, overlay: Overlay, extras: Extras
) -> ShownMap | None:
    """Return a map of the routing with the gates below it; None where a run is missing.

    Raises
    ------
    ValueError
        When the network has no MoE, no such block or no such expert.
    """
    routing = result.routing
    if routing is None:
        raise ValueError("the network has no MoE, so there is no routing to show")
    if not 0 <= overlay.block < routing.n_blocks:
        raise ValueError(f"there is no routing of block {overlay.block}")
    entry = map_input(result, overlay, extras)
    if entry is None:
        return None
    axes, grid = (*routing.axes, *routing.token_axes), routing.grids[overlay.block]
    gates = extras.mean(routing, overlay.block)
    layer_data = maps.map_layer(
        source,
        overlay.kind.compute(entry, overlay.expert),
        _look(overlay, routing.n_experts, routing.unit),
        axes=axes,
        grid=grid,
        name=layer_name(source.name, _name(overlay, routing.unit)),
        record=result.provenance,
        shows=f"{overlay.words}, {overlay.place(routing.unit)}",
    )
    placed, _ = on_layer(source, gates, axes=axes, grid=grid)
    return ShownMap(overlay, layer_data, placed, routing.unit)


def colour_key(
    overlay: Overlay, n_experts: int, *, opacity: float = 1.0
) -> pictures.ColourKey | None:
    """Return what the colours of a measure mean; None for maps of expert numbers.

    They are those that are seen over grey, in a map of an opacity in [0, 1].
    """
    kind = overlay.kind
    if kind.limits is None:
        return None
    most = kind.limits[1]
    if kind.needs == "samples":  # votes can be spread over all experts
        most = max(np.log2(n_experts), 1)
    ramp = maps.ramp_of(_COLORMAP)
    if kind.is_of_one_expert:
        ramp = (pictures.GREY, pictures.expert_colours(n_experts)[overlay.expert])
    ramp = tuple(pictures.over_grey(colour, opacity) for colour in ramp)
    return pictures.ColourKey.from_0(overlay.words, ramp, most, kind.unit, digits=2)


def _look(overlay: Overlay, n_experts: int, unit: str) -> dict[str, Any]:
    key = colour_key(overlay, n_experts)
    if key is None:
        return _labels_look(overlay, n_experts, unit)
    look = maps.measure_look(_COLORMAP, key.limits) | {"interpolation3d": "nearest"}
    if overlay.kind.is_of_one_expert:
        of_expert = f"dmoe expert {overlay.expert}"
        look["colormap"] = maps.fading_in(key.ramp[-1], of_expert)
    return look


def _labels_look(overlay: Overlay, n_experts: int, unit: str) -> dict[str, Any]:
    """Return the layer arguments that give experts, or pairs, colours and names."""
    column, colours = "expert", pictures.expert_colours(n_experts)
    texts = [f"{expert} (from 0)" for expert in range(n_experts)]
    if overlay.name == "pair":
        texts = [f"experts {each}" for each in pair_names(n_experts)]
        column, colours = "pair", pictures.pair_colours(len(texts))
    names = [f"{text}, {overlay.place(unit)}" for text in texts]
    return maps.labels_look(column, names, dict(enumerate(colours)), _EXPERTS_OPACITY)


def _name(overlay: Overlay, unit: str) -> str:
    words = {"dominant": "", "pair": "expert pairs"}.get(overlay.name, overlay.words)
    if overlay.kind.needs == "samples":  # the record has their number and their seed
        words = overlay.kind.title.lower()
    return routing_of(words, overlay.place(unit))
