"""Maps of the routing as layer data, exactly on the image, token by token."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.maps.measures import pair_names
from napari_dmoe.inference.pictures.colours import Rgb, expert_colours
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.layers.look import (
    MAP_OPACITY,
    SEEN_THROUGH,
    colours_of_labels,
    fading_in,
    features_of,
)
from napari_dmoe.viewer.layers.placement import LayerData, on_layer, placement
from napari_dmoe.viewer.routing.extras import Extras, map_input
from napari_dmoe.viewer.routing.overlay import Overlay, limits_of

MEASURE_COLORMAP = "viridis"
_EXPERTS_OPACITY = 0.4
_LIGHTNESS = (0.42, 0.72, 0.57)
_GOLDEN = 0.618034


@dataclass(frozen=True)
class ShownMap:
    """A map of the routing, ready for a viewer and for the cursor.

    Parameters
    ----------
    layer_data : tuple
        Data, arguments and kind of the layer.
    gates : (*S, E) float32 array
        Gates of the block, in the order of the layer's axes.
    unit : str
        What a block is called.
    look : tuple
        Equal for maps that look alike: their colours need not be set again.
    """

    layer_data: LayerData
    gates: NDArray[np.float32]
    unit: str
    look: tuple[str | int, ...] = ()


def gates_on_layer(
    source: Image, routing: RoutingMaps, block: int, extras: Extras | None = None
) -> tuple[NDArray[np.float32], Grid]:
    """Return a block's mean gates (*S, E), in the order of the layer's axes.

    Raises
    ------
    ValueError
        When the network has no such block.
    """
    if not 0 <= block < routing.n_blocks:
        raise ValueError(f"there is no routing of block {block}")
    axes = (*routing.axes, *routing.token_axes)
    gates = (extras or Extras()).mean(routing, block)
    return on_layer(source, gates, axes=axes, grid=routing.grids[block])


def overlay_layer(
    source: Image,
    result: Segmentation,
    overlay: Overlay,
    extras: Extras | None = None,
) -> LayerData:
    """Return a map of the routing: a Labels layer of experts, or an Image layer.

    The label is the expert's number, counted from 0 as everywhere; 0 has a colour.

    Raises
    ------
    ValueError
        When the network has no MoE, no such block or no such expert, or when a run for
        the map is missing.
    """
    shown = shown_map(source, result, overlay, extras or Extras())
    if shown is None:
        raise ValueError(f"nothing is known yet of the {overlay.words}")
    return shown.layer_data


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
    gates, grid = gates_on_layer(source, routing, overlay.block, extras)
    entry = map_input(result, overlay, extras)
    if entry is None:
        return None
    axes = (*routing.axes, *routing.token_axes)
    values = overlay.kind.compute(entry, overlay.expert)
    data, _ = on_layer(source, values, axes=axes, grid=routing.grids[overlay.block])
    record = result.provenance.model_dump(mode="json")
    shows = f"{overlay.words}, {overlay.place(routing.unit)}"
    common = placement(source, grid) | {
        "name": f"{source.name} / {_name(overlay)}",
        "blending": SEEN_THROUGH,
        "metadata": {METADATA_KEY: record | {"shows": shows}},
    }
    if overlay.kind.limits is None:
        look = labels_look(overlay, routing.n_experts, routing.unit)
        kind = (overlay.name, routing.n_experts)
        layer_data: LayerData = (data, common | look, "labels")
        return ShownMap(layer_data, gates, routing.unit, kind)
    look = {
        "colormap": map_colours(overlay, routing.n_experts),
        "contrast_limits": limits_of(overlay, routing.n_experts),
        "opacity": MAP_OPACITY,
        "interpolation2d": "nearest",
        "interpolation3d": "nearest",
        "rgb": False,
    }
    alike = (overlay.name, routing.n_experts, overlay.expert)
    return ShownMap((data, common | look, "image"), gates, routing.unit, alike)


def _name(overlay: Overlay) -> str:
    if overlay.kind.needs == "gates":
        names = {"dominant": "experts", "pair": "expert pairs"}
        return names.get(overlay.name, "gates")
    if overlay.kind.needs == "two values":
        return overlay.words
    return overlay.kind.title.lower()


def labels_look(overlay: Overlay, n_experts: int, unit: str) -> dict[str, Any]:
    """Return the layer arguments that give experts, or pairs, colours and names."""
    if overlay.name == "pair":
        colours, listed, column = pair_colours(n_experts), pair_names(n_experts), "pair"
        texts = [f"experts {each}" for each in listed]
    else:
        colours, column = expert_colours(n_experts), "expert"
        texts = [f"{expert} (from 0)" for expert in range(n_experts)]
    return {
        "opacity": _EXPERTS_OPACITY,
        "colormap": colours_of_labels(dict(enumerate(colours))),
        "features": features_of(column, [f"{e}, {overlay.place(unit)}" for e in texts]),
    }


def pair_colours(n_experts: int) -> tuple[Rgb, ...]:
    """Return a colour of its own for each pair of experts, in the order of their names.

    Hues go on by the golden ratio, so that pairs which follow each other, and share an
    expert, look different; they differ in lightness, too.
    """
    n = len(pair_names(n_experts))
    found = []
    for place in range(n):
        lightness = _LIGHTNESS[place % len(_LIGHTNESS)]
        parts = colorsys.hls_to_rgb(place * _GOLDEN % 1, lightness, 0.75)
        red, green, blue = (round(255 * part) for part in parts)
        found.append((red, green, blue))
    return tuple(found)


def map_colours(overlay: Overlay, n_experts: int) -> Colormap:
    """Return the colours of a map of a measure."""
    if overlay.kind.is_of_one_expert:
        colour = expert_colours(n_experts)[overlay.expert]
        return fading_in(colour, f"dmoe expert {overlay.expert}")
    return ensure_colormap(MEASURE_COLORMAP)
