"""Parts of a volume that come in any thickness, written in whole rows of chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = Callable[[slice, NDArray[np.uint8]], None]
"""Takes the planes of a row, and what is in them."""


class Rows:
    """Puts parts together until a row of planes is whole.

    Slabs follow one another along an axis, from its beginning or from its end, and each
    may come in parts, so that no more than a slab and a row are waiting at any time.

    Parameters
    ----------
    shape : (D, H, W)
        Shape of the volume.
    axis : int
        Axis that the slabs lie across.
    n_planes : int
        Planes of a row; the last one may have fewer.
    done : slice
        Planes that are written already; what comes of them is passed over.
    write : callable
        Takes each row when it is whole.
    """

    def __init__(
        self, shape: Sequence[int], axis: int, n_planes: int, done: slice, write: Row
    ) -> None:
        self._shape, self._axis, self._n = tuple(shape), axis, n_planes
        self._done, self._write = done, write
        self._waiting: dict[int, tuple[NDArray[np.uint8], int]] = {}
        """By their first planes: rows, and how many voxels of them are there."""

    def add(self, place: Sequence[slice], labels: NDArray[np.uint8]) -> None:
        """Take a part (d, h, w), each voxel once."""
        planes = place[self._axis]
        begin = planes.start
        while begin < planes.stop:
            row = begin // self._n * self._n
            stop = min(row + self._n, planes.stop)
            part = labels[self._across(begin - planes.start, stop - planes.start)]
            if not self._done.start <= begin < self._done.stop:
                where: list[Any] = list(place)
                where[self._axis] = slice(begin - row, stop - row)
                self._fill(row, tuple(where), part)
            begin = stop

    def _fill(
        self, row: int, where: tuple[slice, ...], part: NDArray[np.uint8]
    ) -> None:
        size = list(self._shape)
        size[self._axis] = min(self._n, self._shape[self._axis] - row)
        whole, n_held = part, part.size
        if n_held < math.prod(size):
            if row not in self._waiting:
                self._waiting[row] = np.empty(size, np.uint8), 0
            whole, before = self._waiting.pop(row)
            whole[where] = part
            n_held += before
        if n_held < math.prod(size):
            self._waiting[row] = whole, n_held
        else:
            self._write(slice(row, row + size[self._axis]), whole)

    def _across(self, begin: int, stop: int) -> tuple[Any, ...]:
        return (*(slice(None),) * self._axis, slice(begin, stop))
