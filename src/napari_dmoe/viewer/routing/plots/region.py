"""What of a result the plots are of: the shown slice, a drawn region, a painted mask.

Reads napari's slider, Shapes and Labels layers, and lets a person draw regions; what is
computed in them is the business of :mod:`napari_dmoe.viewer.routing.plots.loads`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import CHANNEL_AXIS
from napari_dmoe.viewer.layers import placement
from napari_dmoe.viewer.layers.slot import LayerSlot
from napari_dmoe.viewer.layers.stage import stage_of
from napari_dmoe.viewer.session.results import Result

REGION = "region"
"""How a person calls a Shapes layer of their own, so that its shapes always count."""

_EDGE_COLOUR = "#ff3df2"  # unlike any map's colours, and unlike bone and skin
_EDGE_SHARE = 0.006
"""Width of an outline as a share of the shorter displayed side."""

_ELLIPSE_CORNERS = 64
_WITHIN_A_SLICE = 0.5
_AREAS = ("polygon", "rectangle", "ellipse")

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Part:
    """A part of an image, in its pixels."""

    at: tuple[tuple[str, float], ...] = ()
    """Axes that are not displayed, and where on them."""
    region: tuple[Outline, ...] = ()
    """Corners of each drawn shape, along the axes of `plane`."""
    plane: tuple[str, ...] = ("y", "x")
    """The displayed axes."""
    words: str = "the whole image"


def shown_part(
    viewer: ViewerModel, image: Image, dims: int, drawn: LayerSlot | None = None
) -> Part:
    """Return the part that a viewer shows of an image for a model in 2D or 3D.

    In the slot is the layer that :func:`draw_region` made, whatever it is called now.
    """
    names = placement.axis_names(image, dims)
    before = viewer.dims.ndim - image.ndim
    shown = {axis - before for axis in viewer.dims.displayed}
    where = np.asarray(image.world_to_data(viewer.dims.point), float)
    at = tuple(
        (name, float(np.round(where[axis])))
        for axis, name in enumerate(names)
        if axis not in shown and name != CHANNEL_AXIS
    )
    plane = tuple(name for axis, name in enumerate(names) if axis in shown)
    words = ", ".join(f"{name} {place:.0f}" for name, place in at)
    words = f"the slice {words}" if words else "the whole image"
    region: tuple[Outline, ...] = ()
    layer = _region_layer(viewer, image, drawn)
    if layer is not None and len(plane) == 2:
        region = _outlines(layer, image, where, sorted(shown))
        if region:
            words = f"the region “{layer.name}”" + (f" of {words}" if at else "")
    return Part(at, region, plane, words)


def draw_region(viewer: ViewerModel, image: Image, drawn: LayerSlot) -> Shapes:
    """Let a person draw rectangles on an image, in the region layer or a new one.

    A new layer lies where the image does, in its units, so that napari need not ignore
    either's, and its outlines are thin whatever the size of a pixel. The layer that is
    returned is selected, with the tool for rectangles.
    """
    layer = _region_layer(viewer, image, drawn)
    if layer is None:
        shown = placement.samples_of(image).shape[: image.ndim][-2:]
        layer = Shapes(
            ndim=image.ndim,
            name=REGION,
            face_color="transparent",
            edge_color=_EDGE_COLOUR,
            edge_width=max(_EDGE_SHARE * min(shown), 0.2),
            **{name: getattr(image, name) for name in placement.PLACE},
        )
        with stage_of(viewer).adding(image):
            viewer.add_layer(layer)
        drawn.take(layer)
    viewer.layers.selection.active = layer
    layer.mode = "add_rectangle"
    return layer


def painted_labels(source: Image, result: Result) -> NDArray[Any] | None:
    """Return a mask that was painted on, along the axes of its result, not copied.

    None where it is as the run made it, and where it was given another shape.
    """
    mask, made = result.mask(), result.segmentation
    if mask is None or not result.looks_edited:
        return None
    if mask.data.shape != result.original.shape:
        return None
    labels = np.asarray(mask.data)
    names = placement.axis_names(source, len(made.grid.shape))
    return placement.from_layer(names, labels, axes=made.axes)


def _region_layer(
    viewer: ViewerModel, image: Image, drawn: LayerSlot | None
) -> Shapes | None:
    """Return the Shapes layer that is selected; else ours, or a person's own region.

    Those that were drawn on another image do not count.
    """
    stage, own = stage_of(viewer), placement.plain(image)
    found = [
        layer
        for layer in viewer.layers
        if isinstance(layer, Shapes)
        and (not stage.is_bound(layer) or stage.image_of(layer) is own)
    ]
    active = viewer.layers.selection.active
    ours = None if drawn is None else drawn.within(viewer)
    for each in (active, ours):
        if isinstance(each, Shapes) and each in found:
            return each
    return next((layer for layer in found if layer.name == REGION), None)


def _outlines(
    layer: Shapes, image: Image, where: NDArray[np.float64], shown: list[int]
) -> tuple[Outline, ...]:
    """Return the shapes of a slice that have an area, in the image's pixels."""
    found = []
    for kind, corners in zip(layer.shape_type, layer.data, strict=True):
        if kind not in _AREAS:
            continue
        corners = _round(corners) if kind == "ellipse" else corners
        points = np.array([layer.data_to_world(point) for point in corners], float)
        lacking = image.ndim - points.shape[1]
        world = np.array(image.data_to_world(where))
        if lacking > 0:  # a shape without a place on the sliders is in every slice
            lacked = np.tile(world[:lacking], (len(points), 1))
            points = np.column_stack([lacked, points])
        pixels = np.array([image.world_to_data(point) for point in points], float)
        hidden = [axis for axis in range(image.ndim) if axis not in shown]
        off = np.abs(pixels[:, hidden] - where[hidden])
        if (off <= _WITHIN_A_SLICE).all():
            found.append(tuple((float(a), float(b)) for a, b in pixels[:, shown]))
    return tuple(found)


def _round(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points on an ellipse, from the corners of the box around it."""
    box = np.asarray(corners, float)
    centre, first, second = box.mean(0), box[1] - box[0], box[2] - box[1]
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)[:, np.newaxis]
    ring = centre + np.cos(angles) * first / 2 + np.sin(angles) * second / 2
    return np.asarray(ring, float)
