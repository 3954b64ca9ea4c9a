"""From parts of scores on a network's grid to parts of masks and maps on an image.

They come slab by slab along one axis of the grid, and band by band in each. Where the
grid is the image's own they are drawn as they come. Elsewhere slabs are whole, and what
lies between two of them is drawn with the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.imaging.restoration import best_class, restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.progress import ProgressHook, silent

Place = tuple[slice, ...]


@dataclass(frozen=True)
class DrawnSlab:
    """A part of an image that can be drawn now."""

    place: Place
    """Its place in the image."""
    scores: Tensor
    """(*leading, d, h, w) tensor: what is said of it, on the network's grid."""
    grid: Grid | None
    """Where the scores lie in the slab; None where they are its own pixels."""
    flips: tuple[int, ...]
    """Spatial axes, from the end, that run the other way in the image then."""
    finished: Place | None
    """Whole planes of the image that nothing is missing of once it is drawn, if any."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape in the image."""
        return tuple(part.stop - part.start for part in self.place)

    def labels(
        self, scores: Tensor, *, progress: ProgressHook = silent
    ) -> NDArray[np.uint8]:
        """Return the best class of each pixel, by scores (K, d, h, w) like its own."""
        if self.grid is None:
            return np.flip(best_class(scores), self.flips)
        return restore_labels(scores, self.grid, self.shape, progress=progress)

    def maps(
        self, scores: Tensor, *, progress: ProgressHook = silent
    ) -> NDArray[np.float32]:
        """Return maps (K, *shape) of scores (K, d, h, w) like its own."""
        if self.grid is None:
            return np.flip(scores.numpy(), self.flips)
        restored = restore_maps(scores, self.grid, self.shape, progress=progress)
        return np.asarray(restored.numpy())


def of_itself(grid: Grid) -> Grid:
    """Return where a grid's samples lie among themselves, turned upright."""
    ends = zip(grid.shape, grid.step, strict=True)
    start = tuple(n - 1.0 if d < 0 else 0.0 for n, d in ends)
    return Grid(grid.shape, start, tuple(1.0 if d > 0 else -1.0 for d in grid.step))


class Drawing:
    """Tells which pixels of an image the slabs so far decide.

    Parameters
    ----------
    grid : Grid
        Where the network's samples lie in the image.
    shape : (D, H, W)
        Shape of the image.
    axis : int
        Axis of the grid along which slabs come.
    second : int, optional
        Axis along which bands of them do; by default slabs are whole.
    """

    def __init__(
        self, grid: Grid, shape: Sequence[int], axis: int, second: int | None = None
    ) -> None:
        self._grid, self._shape, self._axis = grid, tuple(shape), axis
        self._second = second
        self.is_same = grid.shape == self._shape and grid == of_itself(grid)
        """Whether the samples are the image's own, which are drawn as they come."""
        self._flips = tuple(i - 3 for i, d in enumerate(grid.step) if d < 0)
        self._last: Tensor | None = None
        n = grid.shape[axis]
        where = np.clip(grid.samples_at_source(shape)[axis], 0, n - 1)
        self._behind = np.floor(where).astype(int)
        """The first of the samples that each pixel along the axis lies between."""
        self._needs = np.minimum(self._behind + 1, n - 1)
        """The last of them."""

    def first_needed(self, done: slice) -> int:
        """Return the first plane of the grid that is needed for what is not done.

        `done` are planes of the image along the axis; the number of the grid's planes
        where all of them are.
        """
        left = np.delete(self._behind, done)
        return int(left.min()) if len(left) else self._grid.shape[self._axis]

    def part(self, place: Place, scores: Tensor) -> DrawnSlab | None:
        """Return what can be drawn with the next part of the grid, (*leading, d, h, w).

        `place` is where it lies: a band of some planes, but whole planes where samples
        lie between those of the image. None where that is nothing yet.
        """
        if self.is_same:
            return self._as_it_is(place, scores)
        return self._slab(place[self._axis].start, scores)

    def _ends_slab(self, place: Place) -> bool:
        """Say whether no band of some planes comes after a place."""
        at = self._second
        return at is None or place[at].stop == self._grid.shape[at]

    def _as_it_is(self, place: Place, scores: Tensor) -> DrawnSlab:
        own = list(place)
        for axis in self._flips:
            n = self._shape[axis]
            own[axis] = slice(n - place[axis].stop, n - place[axis].start)
        planes = own[self._axis]
        finished = None
        if self._ends_slab(place):
            finished = self._place(planes.start, planes.stop)
        return DrawnSlab(tuple(own), scores, None, self._flips, finished)

    def _slab(self, first: int, scores: Tensor) -> DrawnSlab | None:
        along = self._axis - 3
        end = first + scores.shape[along]
        new = first
        if self._last is not None:
            scores, first = torch.cat([self._last, scores], along), first - 1
        self._last = scores.narrow(along, end - first - 1, 1).clone()
        ready = np.flatnonzero((self._needs >= new) & (self._needs < end))
        if not len(ready):
            return None
        place = self._place(int(ready[0]), int(ready[-1]) + 1)
        return DrawnSlab(place, scores, self._grid_of(first, scores, place), (), place)

    def _place(self, begin: int, stop: int) -> Place:
        part = slice(begin, stop)
        return tuple(
            part if axis == self._axis else slice(0, n)
            for axis, n in enumerate(self._shape)
        )

    def _grid_of(self, first: int, scores: Tensor, place: Place) -> Grid:
        """Return where the samples of a slab lie in a part of the image."""
        offset = [first if axis == self._axis else 0 for axis in range(3)]
        own = self._grid.crop(offset, scores.shape[-3:])
        start = (s - part.start for s, part in zip(own.start, place, strict=True))
        return Grid(own.shape, tuple(start), own.step)
