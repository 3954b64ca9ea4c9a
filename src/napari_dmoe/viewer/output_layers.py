"""Results as new layers on their source: masks, maps of the routing, differences.

Where they lie is the business of :mod:`napari_dmoe.viewer.layers`; what happens to
layers that are already in a viewer is that of :mod:`napari_dmoe.viewer.results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.colours import (
    DIFFERENCE_COLOURS,
    Rgb,
    class_colours,
    expert_colours,
)
from napari_dmoe.inference.comparison import DIFFERENCES
from napari_dmoe.inference.overlays import OVERLAYS, OverlayName
from napari_dmoe.inference.provenance import METADATA_KEY
from napari_dmoe.inference.routing import RoutingMaps
from napari_dmoe.inference.segmentation import Segmentation
from napari_dmoe.viewer.badges import mask_name
from napari_dmoe.viewer.layers import FILE_KEY, LayerData, on_layer, placement

_MASK_OPACITY = 0.5
_EXPERTS_OPACITY = 0.4
_MAP_OPACITY = 0.7
_SEEN_THROUGH = "translucent_no_depth"  # in 3D a mask shows through what is around it
ENTROPY_COLORMAP = "viridis"


@dataclass(frozen=True)
class Overlay:
    """Which map of the routing is shown.

    Parameters
    ----------
    name : str
        Key in :data:`napari_dmoe.inference.overlays.OVERLAYS`.
    block : int
        Block or stage, counted from 0; -1 is the last.
    expert : int
        Expert, counted from 0, where the map is of one expert.
    """

    name: OverlayName = "dominant"
    block: int = -1
    expert: int = 0

    def within(self, routing: RoutingMaps) -> Overlay:
        """Return the same with a block and an expert that a network has."""
        n = routing.n_blocks
        block = n - 1 if self.block < 0 else min(self.block, n - 1)
        return Overlay(self.name, block, min(self.expert, routing.n_experts - 1))


def mask_layer(source: Image, result: Segmentation) -> LayerData:
    """Return a result's mask as a Labels layer on its source."""
    data, grid = on_layer(source, result.labels, axes=result.axes, grid=result.grid)
    return (
        data.copy(),  # somebody may paint on it
        placement(source, grid)
        | mask_look(result.classes)
        | {
            "name": f"{source.name} / {mask_name(result.provenance)}",
            "metadata": {
                **{k: v for k, v in source.metadata.items() if k == FILE_KEY},
                METADATA_KEY: result.provenance.model_dump(mode="json"),
            },
        },
        "labels",
    )


def mask_look(classes: Sequence[str]) -> dict[str, Any]:
    """Return the layer arguments that give a mask its colours and class names."""
    return {
        "opacity": _MASK_OPACITY,
        "blending": _SEEN_THROUGH,
        "colormap": _colormap(class_colours(classes)),
        "features": _features("class", classes),
    }


def in_layer_order(
    source: Image, result: Segmentation, labels: NDArray[Any]
) -> NDArray[Any]:
    """Return labels of a result in the order of the source layer's axes."""
    return on_layer(source, labels, axes=result.axes, grid=result.grid)[0]


def gates_on_layer(
    source: Image, routing: RoutingMaps, block: int
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
    return on_layer(source, routing.mean(block), axes=axes, grid=routing.grids[block])


def overlay_layer(source: Image, result: Segmentation, overlay: Overlay) -> LayerData:
    """Return a map of the routing: a Labels layer of experts, or an Image layer.

    The label is the expert's number, counted from 0 as everywhere; 0 has a colour.

    Raises
    ------
    ValueError
        When the network has no MoE, no such block or no such expert.
    """
    routing = result.routing
    if routing is None:
        raise ValueError("the network has no MoE, so there is no routing to show")
    gates, grid = gates_on_layer(source, routing, overlay.block)
    kind = OVERLAYS[overlay.name]
    shown = kind.compute(gates, overlay.expert)
    title = kind.title.lower()
    title += f" {overlay.expert}" if kind.is_of_one_expert else ""
    record = result.provenance.model_dump(mode="json")
    shows = f"{title}, block {overlay.block}"
    common = placement(source, grid) | {
        "blending": _SEEN_THROUGH,
        "metadata": {METADATA_KEY: record | {"shows": shows}},
    }
    if kind.limits is None:
        return shown, common | _experts_look(source, routing, overlay.block), "labels"
    look = {
        "name": f"{source.name} / gates",
        "colormap": _map_colours(routing, overlay),
        "contrast_limits": kind.limits,
        "opacity": _MAP_OPACITY,
        "interpolation2d": "nearest",
        "interpolation3d": "nearest",
        "rgb": False,
    }
    return shown, common | look, "image"


def probability_layers(source: Image, result: Segmentation) -> list[LayerData]:
    """Return each class's probability as an Image layer; none where none were kept."""
    maps = [] if result.probabilities is None else list(result.probabilities)
    layers: list[LayerData] = []
    colours = class_colours(result.classes)
    record = result.provenance.model_dump(mode="json")
    for label, (name, values) in enumerate(zip(result.classes, maps, strict=False)):
        if label == 0:
            continue
        data, grid = on_layer(source, values, axes=result.axes, grid=result.grid)
        look = {
            "name": f"{source.name} / probability of {name}",
            "colormap": _fading_in(colours[label], f"dmoe class {label}"),
            "contrast_limits": (0.0, 1.0),
            "opacity": _MAP_OPACITY,
            "blending": _SEEN_THROUGH,
            "rgb": False,
            "metadata": {METADATA_KEY: record | {"shows": f"probability of {name}"}},
        }
        layers.append((data, placement(source, grid) | look, "image"))
    return layers


def difference_layer(source: Image, difference: NDArray[np.uint8]) -> LayerData:
    """Return where two masks differ as a Labels layer on their source."""
    colours = dict(enumerate(DIFFERENCE_COLOURS, start=1))
    return (
        difference,
        placement(source, Grid.identity(difference.shape))
        | {
            "name": f"{source.name} / difference",
            "opacity": _MASK_OPACITY,
            "blending": _SEEN_THROUGH,
            "colormap": _colormap(colours),
            "features": _features("difference", DIFFERENCES),
        },
        "labels",
    )


def _experts_look(source: Image, routing: RoutingMaps, block: int) -> dict[str, Any]:
    experts = range(routing.n_experts)
    colours = dict(enumerate(expert_colours(routing.n_experts)))
    return {
        "name": f"{source.name} / experts",
        "opacity": _EXPERTS_OPACITY,
        "colormap": _colormap(colours),
        "features": _features(
            "expert", [f"{expert} (from 0), block {block}" for expert in experts]
        ),
    }


def _features(name: str, texts: Iterable[str]) -> dict[str, list[Any]]:
    listed = list(texts)
    return {"index": list(range(len(listed))), name: listed}


def _map_colours(routing: RoutingMaps, overlay: Overlay) -> Colormap:
    if OVERLAYS[overlay.name].is_of_one_expert:
        colour = expert_colours(routing.n_experts)[overlay.expert]
        return _fading_in(colour, f"dmoe expert {overlay.expert}")
    return ensure_colormap(ENTROPY_COLORMAP)


def _fading_in(colour: Rgb, name: str) -> Colormap:
    """Return a colormap from nothing to a colour, so that the image shows through."""
    red, green, blue = (part / 255 for part in colour)
    return Colormap([[red, green, blue, 0.0], [red, green, blue, 1.0]], name=name)


def _colormap(colours: dict[int, Rgb]) -> DirectLabelColormap:
    nothing = np.zeros(4, np.float32)
    rgba = {
        label: np.array([*colour, 255], np.float32) / 255
        for label, colour in colours.items()
    }
    # napari takes label 0 for background, unless it has a colour of its own.
    return DirectLabelColormap(color_dict={None: nothing, 0: nothing} | rgba)
