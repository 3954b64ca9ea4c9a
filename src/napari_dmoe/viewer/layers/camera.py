"""Moves the viewer's sliders and camera to what is to be seen, or leaves them alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.viewer.layers.placement import axis_names

_FILLED = 0.6
"""Share of the canvas that a region takes, along the side that is filled first."""

_WHOLE = 0.95
"""The same of a whole layer, as napari has it."""

_LEAST_PIXELS = 24
"""Sides of what is shown of the image around a small region."""


def reveal(viewer: ViewerModel, mask: Labels) -> bool:
    """Show the plane in which most of a mask lies, if the one shown has nothing of it.

    Tells whether the sliders were moved. They are not in 3D, nor for an empty mask.
    """
    displayed = viewer.dims.displayed
    offset = viewer.dims.ndim - mask.ndim
    hidden = [axis for axis in range(mask.ndim) if axis + offset not in displayed]
    # What is read from a disk chunk by chunk is not read whole for this.
    is_read = isinstance(mask.data, np.ndarray)
    if viewer.dims.ndisplay != 2 or not hidden or not is_read:
        return False
    planes = np.moveaxis(np.asarray(mask.data), hidden, range(len(hidden)))
    point = np.array(viewer.dims.point)[offset:]
    here = np.round(mask.world_to_data(point)).astype(int)
    counts = np.zeros(planes.shape[: len(hidden)], np.int64)
    if planes[tuple(np.clip(here[hidden], 0, np.array(counts.shape) - 1))].any():
        return False
    # Plane by plane: of all at once numpy would first make a copy.
    for index in np.ndindex(*counts.shape):
        counts[index] = np.count_nonzero(planes[index])
    if not counts.any():
        return False
    here[hidden] = np.unravel_index(int(counts.argmax()), counts.shape)
    _slide(viewer, mask, here)
    return True


def show_plane(viewer: ViewerModel, layer: Layer, step: int) -> None:
    """Show a plane of a layer, by its place along the layer's first axis."""
    middle = [n // 2 for n in layer.data.shape[1 : layer.ndim]]
    _slide(viewer, layer, (step, *middle))


def place_in(viewer: ViewerModel, layer: Layer) -> tuple[float, ...]:
    """Return where the sliders stand in the world, along the axes of a layer."""
    return tuple(map(float, viewer.dims.point[-layer.ndim :]))


def go_back(
    viewer: ViewerModel, layer: Layer, place: Sequence[float] | None = None
) -> None:
    """Let the sliders show a layer: at a place from before, or where they are.

    Where they show nothing of it, they go to its middle. `place` is what
    :func:`place_in` returned.
    """
    offset = viewer.dims.ndim - layer.ndim
    if offset < 0:  # napari does not know the layer's axes yet
        return
    low, high = layer.extent.world
    there = viewer.dims.point[offset:] if place is None else place
    for axis, at in enumerate(there):
        if axis + offset in viewer.dims.displayed:
            continue
        if not low[axis] <= at <= high[axis]:
            at = (low[axis] + high[axis]) / 2
        if at != viewer.dims.point[axis + offset]:
            viewer.dims.set_point(axis + offset, float(at))


def fit(viewer: ViewerModel, layer: Layer) -> None:
    """Let a layer fill the canvas, where this napari can do that for one layer."""
    if not hasattr(viewer, "fit_to_view"):
        return
    if layer.ndim == viewer.dims.ndim:
        viewer.fit_to_view(layers=[layer])
    else:  # napari's own looks for axes that only others have: a picture over a volume
        low, high = layer.extent.world
        _fill(viewer, layer, low, high, share=_WHOLE)


@contextmanager
def camera_kept(viewer: ViewerModel) -> Iterator[None]:
    """Leave the camera as it is, whatever is added; napari fits all for a new axis."""
    camera = camera_of(viewer)
    before = camera.center, camera.zoom, camera.angles
    yield
    camera.center, camera.zoom, camera.angles = before


@contextmanager
def view_kept(viewer: ViewerModel, image: Image) -> Iterator[None]:
    """Show the same part of an image, though its pixels become of another size."""
    camera, step = camera_of(viewer), viewer.dims.current_step
    centre, zoom, before = camera.center, camera.zoom, np.asarray(image.scale)
    yield
    viewer.dims.current_step = step
    factors = (np.asarray(image.scale) / before)[-3:]
    middle = np.asarray(centre, float)
    middle[-len(factors) :] *= factors
    camera.center, camera.zoom = tuple(middle.tolist()), zoom / float(factors[-1])


def look_at(
    viewer: ViewerModel,
    image: Layer,
    named: Mapping[str, float],
    ends: Mapping[str, tuple[float, float]],
) -> None:
    """Move the sliders and the camera to a region of an image, and fill the view.

    The sliders go where it is said by the axis' name, in the image's pixels; those of
    further axes of the image stay where they are. Likewise `ends` say where the region
    begins and ends.
    """
    offset = viewer.dims.ndim - image.ndim
    here = np.array(image.world_to_data(np.array(viewer.dims.point)[offset:]), float)
    names = axis_names(image, 3 if "z" in named else 2)
    target = [named.get(name, at) for name, at in zip(names, here, strict=True)]
    _slide(viewer, image, target)
    sides = [
        _widened(*ends[name]) if name in SPATIAL_AXES and name in ends else (at, at)
        for name, at in zip(names, target, strict=True)
    ]
    corners = [image.data_to_world(corner) for corner in itertools.product(*sides)]
    low, high = np.min(corners, 0), np.max(corners, 0)
    _fill(viewer, image, low, high, share=_FILLED)


def _fill(
    viewer: ViewerModel,
    layer: Layer,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    *,
    share: float,
) -> None:
    """Move the camera to a box in the world, along the axes of a layer."""
    offset = viewer.dims.ndim - layer.ndim
    shown = [axis - offset for axis in viewer.dims.displayed if axis >= offset]
    low, high = low[shown], high[shown]
    camera = camera_of(viewer)
    centre = ((low + high) / 2)[-3:].tolist()
    camera.center = (*(0.0,) * (3 - len(centre)), *centre)
    canvas = getattr(viewer, "canvas", None)  # napari 0.8 does not tell its size
    if canvas is not None:
        room = np.array(canvas.size, float)
        size = (high - low)[-2:] if len(centre) == 2 else (high - low).max()
        camera.zoom = float(share * (room / size).min())


def _slide(viewer: ViewerModel, layer: Layer, target: Sequence[float]) -> None:
    """Move the sliders of the axes that are not displayed to a pixel of a layer."""
    offset = viewer.dims.ndim - layer.ndim
    for axis, at in enumerate(layer.data_to_world(target), start=offset):
        if axis not in viewer.dims.displayed:
            viewer.dims.set_point(axis, float(at))


def _widened(low: float, high: float) -> tuple[float, float]:
    """Show some pixels around a region of a few."""
    middle, half = (low + high) / 2, max(high - low, _LEAST_PIXELS) / 2
    return middle - half, middle + half


def camera_of(viewer: ViewerModel) -> Any:
    """Return a viewer's camera, wherever this napari keeps it."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
