"""Masks and maps of one shape on their way to the disk, written row by row together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.disk.rows import Rows
from napari_dmoe.inference.running.drawing import Place
from napari_dmoe.inference.running.unfinished import (
    MaskStore,
    RowDone,
    across,
    checksum,
)
from napari_dmoe.progress import Pulse, no_pulse

Note = Callable[[tuple[RowDone, ...]], None]
"""Takes all rows that are done, once another one is."""


class Sheets:
    """Several masks or maps on one grid; a row of them is written, and then noted.

    Parameters
    ----------
    stores : sequence of MaskStore
        One for each.
    shape : (D, H, W)
        Shape of each along z, y and x.
    note : callable
        Told after each row.
    written : callable, optional
        Takes the place of each row and what is in it, (n, d, h, w).
    """

    def __init__(
        self,
        stores: Sequence[MaskStore],
        shape: tuple[int, ...],
        note: Note,
        written: Callable[[Place, NDArray[np.uint8]], None] | None = None,
    ) -> None:
        self._stores, self.shape = tuple(stores), shape
        self._note, self._written = note, written
        self._axis = 0
        self.done: tuple[RowDone, ...] = ()
        """Rows that are written."""
        self._rows: Rows | None = None

    def begin(
        self, axis: int, done: Sequence[RowDone], pulse: Pulse = no_pulse
    ) -> slice:
        """Begin, and return which planes are done already.

        Parameters
        ----------
        axis : int
            Axis across which slabs come.
        done : sequence of rows
            What an interrupted run has noted; rows whose bytes are others are not done.
        pulse : callable
            Called before each of them is read.
        """
        self._axis, good = axis, list[RowDone]()
        for begin, stop, total in done:
            pulse()
            if checksum(self.read(slice(begin, stop))) != total:
                break
            good.append((begin, stop, total))
        self.done = tuple(good)
        planes = slice(0, 0)
        if good:
            planes = slice(min(row[0] for row in good), max(row[1] for row in good))
        n_planes = self._stores[0].rows(axis)
        shape = len(self._stores), *self.shape
        self._rows = Rows(shape, axis + 1, n_planes, planes, self._write)
        return planes

    def tell_done(self, pulse: Pulse = no_pulse) -> None:
        """Tell the rows that were done when this run began."""
        if self._written is None:
            return
        for begin, stop, _ in self.done:
            pulse()
            planes = slice(begin, stop)
            self._written(self._place(planes), self.read(planes))

    def add(self, place: Place, sheets: NDArray[np.uint8]) -> None:
        """Take a part of a slab of all of them, (n, d, h, w)."""
        if self._rows is None:
            raise ValueError("begin with a volume before its mask is written")
        self._rows.add((slice(0, len(self._stores)), *place), sheets)

    def read(self, planes: slice) -> NDArray[np.uint8]:
        """Return some planes of all of them across the axis, (n, d, h, w)."""
        place = self._place(planes)
        return np.stack([store.read(place) for store in self._stores])

    def finish(self, pulse: Pulse = no_pulse) -> None:
        """Do what is left to be done when all rows are written."""
        for store in self._stores:
            store.finish(pulse)

    def _place(self, planes: slice) -> Place:
        return across(self.shape, self._axis, planes)

    def _write(self, planes: slice, sheets: NDArray[np.uint8]) -> None:
        """Write a row, and then that it is done."""
        place = self._place(planes)
        for store, sheet in zip(self._stores, sheets, strict=True):
            store.write(place, sheet)
        self.done = (*self.done, (planes.start, planes.stop, checksum(sheets)))
        self._note(self.done)
        if self._written is not None:
            self._written(place, sheets)
