"""Parts of a volume that come in any thickness, written in whole rows of chunks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = Callable[[slice, NDArray[np.uint8]], None]
"""Takes the planes of a row, and what is in them."""


class Rows:
    """Puts slabs together until a row of planes is whole.

    Slabs follow one another along an axis, from its beginning or from its end, so that
    no more than a row is waiting at any time.

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

    def add(self, planes: slice, labels: NDArray[np.uint8]) -> None:
        """Take a slab (d, h, w), which are some planes across the axis."""
        begin = planes.start
        while begin < planes.stop:
            row = begin // self._n * self._n
            stop = min(row + self._n, planes.stop)
            part = labels[self._across(begin - planes.start, stop - planes.start)]
            if not self._done.start <= begin < self._done.stop:
                self._fill(row, begin, part)
            begin = stop

    def _fill(self, row: int, begin: int, part: NDArray[np.uint8]) -> None:
        end = min(row + self._n, self._shape[self._axis])
        size = list(self._shape)
        size[self._axis] = end - row
        held = part.shape[self._axis]
        whole, n_held = part, 0
        if held < end - row:
            new = np.empty(size, np.uint8), 0
            whole, n_held = self._waiting.pop(row, new)
            whole[self._across(begin - row, begin - row + held)] = part
        if n_held + held < end - row:
            self._waiting[row] = whole, n_held + held
        else:
            self._write(slice(row, end), whole)

    def _across(self, begin: int, stop: int) -> tuple[Any, ...]:
        return (*(slice(None),) * self._axis, slice(begin, stop))
