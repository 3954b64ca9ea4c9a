"""A volume's mask and maps on their way to the disk: rows of them, finished files.

Rows are written by a thread of their own, in their order, while the network goes on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.running.drawing import Place
from napari_dmoe.inference.running.empty_windows import LOAD_NOT_COMPARED
from napari_dmoe.inference.running.file_maps import NO_MAPS, FileMaps, TokenGrid
from napari_dmoe.inference.running.sheets import Sheets
from napari_dmoe.inference.running.unfinished import (
    MaskStore,
    RowDone,
    Unfinished,
    across,
)
from napari_dmoe.progress import Pulse, no_pulse

Written = Callable[[Place, NDArray[np.uint8]], None]
"""Takes a part of a mask that is on the disk, and its labels (d, h, w)."""

_PLANES_AT_ONCE, _VOXELS_AT_ONCE = 64, 2**27
"""Planes that are read at a time for a mask's hash, and voxels at most."""


@dataclass(frozen=True)
class Begun:
    """What is done already of a mask and of its maps."""

    planes: slice
    """Planes of the mask across the axis, and of the maps on its voxels."""
    tokens: tuple[slice, ...] = ()
    """The same of the routing of each stage, in its tokens."""


class Destination(Protocol):
    """Where the mask of one volume goes that is not held in memory, and its maps."""

    @property
    def maps(self) -> FileMaps:
        """Which maps go with it."""
        ...

    def begin(
        self,
        axis: int,
        pixels: str,
        stages: Sequence[TokenGrid],
        pulse: Pulse = no_pulse,
    ) -> Begun:
        """Begin with a volume; return what is done already.

        Parameters
        ----------
        axis : int
            Axis across which slabs come.
        pixels : str
            What tells the volume's pixels from others.
        stages : sequence of TokenGrid
            Where the tokens of each stage lie whose routing is written.
        pulse : callable
            Called while what is done is read, and may end it.
        """
        ...

    def write(self, place: Place, sheets: NDArray[np.uint8]) -> None:
        """Take a part of a slab of the mask and its maps, (n, d, h, w)."""
        ...

    def write_gates(self, stage: int, place: Place, gates: NDArray[np.uint8]) -> None:
        """Take the gates (E, d, h, w) of a part of a slab of a stage's tokens."""
        ...

    def end(self, pulse: Pulse) -> str:
        """Write what is left, and return the SHA-256 of all labels, plane by plane."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know."""
        ...


class Places(Protocol):
    """Where the mask and the maps are written until they are whole."""

    def stores(self) -> Sequence[MaskStore]:
        """Return what the mask is written into, and the maps on its voxels."""
        ...

    def stage_stores(self, stage: int, grid: TokenGrid) -> Sequence[MaskStore]:
        """Return what the routing of a stage is written into: one for each expert."""
        ...


class MaskFile:
    """A mask that is written row by row, and of which an interrupted part is known.

    Parameters
    ----------
    places : Places
        What it is written into.
    shape : (D, H, W)
        Its shape along z, y and x.
    unfinished : Unfinished
        What is known of it.
    maps : FileMaps
        Which maps are written with it.
    written : callable, optional
        Takes each row once it is on the disk, also those of an earlier run.
    """

    def __init__(
        self,
        places: Places,
        shape: tuple[int, ...],
        unfinished: Unfinished,
        *,
        maps: FileMaps = NO_MAPS,
        written: Written | None = None,
    ) -> None:
        self._places, self._shape, self._unfinished = places, shape, unfinished
        self.maps = maps
        """Which maps go with it."""
        self._stages: list[Sheets] = []
        self._stores = places.stores()

        def tell(place: Place, sheets: NDArray[np.uint8]) -> None:
            if written is not None:
                written(place, sheets[0])

        def note(rows: tuple[RowDone, ...]) -> None:
            unfinished.note(rows=rows)

        self._sheets = Sheets(self._stores, shape, note, tell if written else None)

    @property
    def notices(self) -> Sequence[str]:
        """What a person should know."""
        return self._unfinished.notices

    def begin(
        self,
        axis: int,
        pixels: str,
        stages: Sequence[TokenGrid],
        pulse: Pulse = no_pulse,
    ) -> Begun:
        """Begin with a volume; return what is done already.

        Raises
        ------
        ExistingFileError
            When what is done is of other pixels.
        """
        unfinished = self._unfinished
        unfinished.refuse_other_pixels(pixels)
        found = unfinished.state
        done = self._sheets.begin(axis, found.rows, pulse)
        rows, tokens = self._sheets.done, []
        for stage, grid in enumerate(stages):
            sheets = self._stage(stage, grid)
            noted = found.stages[stage] if stage < len(found.stages) else ()
            tokens.append(sheets.begin(axis, noted, pulse))
            self._stages.append(sheets)
        unfinished.note(
            pixels=pixels, axis=axis, rows=rows, stages=self._rows_of_stages()
        )
        if done.stop > done.start:
            n, of = done.stop - done.start, self._shape[axis]
            unfinished.notices.append(
                f"{n:,} of {of:,} planes are those of a run that was interrupted"
            )
            unfinished.notices.append(LOAD_NOT_COMPARED)
        self._sheets.tell_done(pulse)
        return Begun(done, tuple(tokens))

    def write(self, place: Place, sheets: NDArray[np.uint8]) -> None:
        """Take a part of a slab of the mask and its maps, (n, d, h, w)."""
        self._sheets.add(place, sheets)

    def write_gates(self, stage: int, place: Place, gates: NDArray[np.uint8]) -> None:
        """Take the gates (E, d, h, w) of a part of a slab of a stage's tokens."""
        self._stages[stage].add(place, gates)

    def end(self, pulse: Pulse = no_pulse) -> str:
        """Finish the files, and return the SHA-256 of all labels, plane by plane."""
        digest = hashlib.sha256()
        depth, *plane = self._shape
        step = max(1, min(_PLANES_AT_ONCE, _VOXELS_AT_ONCE // math.prod(plane)))
        for begin in range(0, depth, step):
            pulse()
            planes = slice(begin, min(begin + step, depth))
            labels = self._stores[0].read(across(self._shape, 0, planes))
            digest.update(np.ascontiguousarray(labels).data)
        for each in (self._sheets, *self._stages):
            each.finish(pulse)
        return digest.hexdigest()

    def _stage(self, stage: int, grid: TokenGrid) -> Sheets:
        def note(_: tuple[RowDone, ...]) -> None:
            self._unfinished.note(stages=self._rows_of_stages())

        stores = self._places.stage_stores(stage, grid)
        return Sheets(stores, grid.grid.shape, note)

    def _rows_of_stages(self) -> tuple[tuple[RowDone, ...], ...]:
        return tuple(sheets.done for sheets in self._stages)
