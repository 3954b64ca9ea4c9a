"""A volume's mask on its way to the disk: rows of it, and its finished file.

Rows are written by a thread of their own, in their order, while the network goes on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.disk.rows import Rows
from napari_dmoe.inference.running.drawing import Place
from napari_dmoe.inference.running.unfinished import (
    MaskStore,
    Unfinished,
    across,
    checksum,
)
from napari_dmoe.progress import Pulse, no_pulse

Written = Callable[[Place, NDArray[np.uint8]], None]
"""Takes a part of a mask that is on the disk, and its labels (d, h, w)."""

_PLANES_AT_ONCE, _VOXELS_AT_ONCE = 64, 2**27
"""Planes that are read at a time for a mask's hash, and voxels at most."""


class Destination(Protocol):
    """Where the mask of one volume goes that is not held in memory."""

    def begin(self, axis: int, pixels: str) -> slice:
        """Begin with a volume; return which planes of its mask are done already.

        Parameters
        ----------
        axis : int
            Axis across which slabs come.
        pixels : str
            What tells the volume's pixels from others.
        """
        ...

    def write(self, place: Place, labels: NDArray[np.uint8]) -> None:
        """Take the labels (d, h, w) of a part of a slab."""
        ...

    def end(self, pulse: Pulse) -> str:
        """Write what is left, and return the SHA-256 of all labels, plane by plane."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know."""
        ...


class MaskFile:
    """A mask that is written row by row, and of which an interrupted part is known.

    Parameters
    ----------
    store : MaskStore
        What it is written into.
    shape : (D, H, W)
        Its shape along z, y and x.
    unfinished : Unfinished
        What is known of it.
    written : callable, optional
        Takes each row once it is on the disk, also those of an earlier run.
    """

    def __init__(
        self,
        store: MaskStore,
        shape: tuple[int, ...],
        unfinished: Unfinished,
        *,
        written: Written | None = None,
    ) -> None:
        self._store, self._shape, self._unfinished = store, shape, unfinished
        self._written, self._axis = written, 0
        self._rows: Rows | None = None

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know."""
        return self._unfinished.notices

    def begin(self, axis: int, pixels: str) -> slice:
        """Begin with a volume; return which planes of its mask are done already.

        Raises
        ------
        ExistingFileError
            When what is done is of other pixels.
        """
        self._axis, unfinished = axis, self._unfinished
        unfinished.refuse_other_pixels(pixels)
        done = unfinished.verified(self._store, self._shape)
        unfinished.note(pixels=pixels, axis=axis)
        if done.stop > done.start:
            n, of = done.stop - done.start, self._shape[axis]
            unfinished.notices.append(
                f"{n:,} of {of:,} planes are those of a run that was interrupted; so "
                "the experts' load was not compared with that of the training"
            )
        for begin, stop, _ in unfinished.state.rows if self._written else ():
            self._tell(slice(begin, stop))
        n_planes = self._store.rows(axis)
        self._rows = Rows(self._shape, axis, n_planes, done, self._write)
        return done

    def write(self, place: Place, labels: NDArray[np.uint8]) -> None:
        """Take the labels (d, h, w) of a part of a slab."""
        if self._rows is None:
            raise ValueError("begin with a volume before its mask is written")
        self._rows.add(place, labels)

    def end(self, pulse: Pulse = no_pulse) -> str:
        """Finish the file, and return the SHA-256 of all labels, plane by plane."""
        digest = hashlib.sha256()
        depth, *plane = self._shape
        step = max(1, min(_PLANES_AT_ONCE, _VOXELS_AT_ONCE // math.prod(plane)))
        for begin in range(0, depth, step):
            pulse()
            planes = slice(begin, min(begin + step, depth))
            labels = self._store.read(across(self._shape, 0, planes))
            digest.update(np.ascontiguousarray(labels).data)
        self._store.finish(pulse)
        return digest.hexdigest()

    def _write(self, planes: slice, labels: NDArray[np.uint8]) -> None:
        """Write a row, and then that it is done."""
        place = across(self._shape, self._axis, planes)
        self._store.write(place, labels)
        unfinished = self._unfinished
        row = planes.start, planes.stop, checksum(labels)
        unfinished.note(rows=(*unfinished.state.rows, row))
        if self._written is not None:
            self._written(place, labels)

    def _tell(self, planes: slice) -> None:
        place = across(self._shape, self._axis, planes)
        if self._written is not None:
            self._written(place, self._store.read(place))
