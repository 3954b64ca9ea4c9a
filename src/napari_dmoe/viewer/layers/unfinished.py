"""Masks of runs that are under way, as layers that nobody takes for results.

Their records say so: they are no truth, nothing is trained on them, none is measured or
saved as a mask. What comes of the run takes their place. Knows no Qt.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES, Grid
from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.maps import map_layer
from napari_dmoe.viewer.layers.names import layer_name
from napari_dmoe.viewer.layers.placement import LayerData, axis_names

Place = tuple[slice, ...]
"""A part of a mask: a slice for each of its axes."""


class GrowingMask:
    """The slabs of a mask that are finished so far; 0 where none is.

    Slabs are taken in the thread of a run, and shown in that of the window.

    Parameters
    ----------
    axes : sequence of str
        Names of the mask's axes.
    shape : sequence of int
        Its size along them.
    """

    def __init__(self, axes: Sequence[str], shape: Sequence[int]) -> None:
        self.axes = tuple(axes)
        self.labels: NDArray[np.uint8] = np.zeros(tuple(shape), np.uint8)
        """What is finished. Background takes no memory: it is never written."""
        self._new: deque[Place] = deque()

    def take(self, place: Place, labels: NDArray[np.uint8]) -> None:
        """Take a slab that is finished; called in the run's thread."""
        where: list[slice] = []
        for axis, part in enumerate(place):
            others = tuple(i for i in range(labels.ndim) if i != axis)
            found = np.flatnonzero(labels.any(axis=others))
            if not len(found):
                break
            first, last = int(found[0]), int(found[-1]) + 1
            labels = labels[(*(slice(None),) * axis, slice(first, last))]
            where.append(slice(part.start + first, part.start + last))
        else:
            self.labels[tuple(where)] = labels
        self._new.append(place)

    def becomes(self, labels: NDArray[np.uint8]) -> bool:
        """Become a copy of the whole mask; say whether that is so.

        Called in the run's thread. Slabs that were taken are there by now.
        """
        if labels.shape != self.labels.shape or labels.dtype != self.labels.dtype:
            return False
        for own, part in zip(self.labels, labels, strict=True):
            if not np.array_equal(own, part):
                own[...] = part
        return True

    def news(self) -> list[Place]:
        """Return where slabs were taken since the last time; each is told once."""
        found = []
        while self._new:
            found.append(self._new.popleft())
        return found


def growing_layer(
    source: Image, growing: GrowingMask, classes: Sequence[str]
) -> LayerData:
    """Return the finished slabs as a layer on their image; it is not a copy."""
    sizes = dict(zip(growing.axes, growing.labels.shape, strict=True))
    frame = Grid.identity([sizes[axis] for axis in SPATIAL_AXES])
    return _layer(
        source,
        growing.labels,
        classes,
        axes=growing.axes,
        grid=frame,
        what=names.UNFINISHED,
    )


def preview_layer(
    source: Image,
    labels: NDArray[np.uint8],
    classes: Sequence[str],
    *,
    axes: Sequence[str],
    at: tuple[str, int],
) -> LayerData:
    """Return a preview of one slice as a layer that is as thick as that slice.

    The labels have one sample along the axis that `at` names, with the slice's number
    there.
    """
    axis, number = at
    along = [labels.shape[axes.index(each)] for each in SPATIAL_AXES]
    start = [float(number) if each == axis else 0.0 for each in SPATIAL_AXES]
    grid = Grid(tuple(along), tuple(start), (1.0,) * len(along))
    what = names.preview_of(axis, number)
    return _layer(source, labels, classes, axes=axes, grid=grid, what=what)


def _layer(
    source: Image,
    labels: NDArray[np.uint8],
    classes: Sequence[str],
    *,
    axes: Sequence[str],
    grid: Grid,
    what: str,
) -> LayerData:
    name = layer_name(source.name, what)
    look: Mapping[str, Any] = mask_look(classes)
    data, arguments, kind = map_layer(
        source, labels, look, axes=axes, grid=grid, name=name
    )
    metadata = {METADATA_KEY: {"shows": f"{what}: no result"}}
    return data, arguments | {"metadata": metadata}, kind


def is_seen(
    viewer: ViewerModel, layer: Labels, source: Image, mask: GrowingMask, place: Place
) -> bool:
    """Say whether the slice that is shown cuts a part of a mask; in 3D all of it is."""
    if not layer.visible:
        return False
    offset = viewer.dims.ndim - layer.ndim
    sliced = [axis - offset for axis in viewer.dims.not_displayed if axis >= offset]
    at = np.asarray(layer.world_to_data(viewer.dims.point[offset:]), float)
    along = dict(zip(mask.axes, place, strict=True))
    of_layer = axis_names(source, len(SPATIAL_AXES))
    for axis in sliced:
        part = along.get(of_layer[axis])
        if part is not None and not part.start <= round(at[axis]) < part.stop:
            return False
    return True
