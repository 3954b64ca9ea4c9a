"""A run to the disk while it goes on, and after it was interrupted: what it has done.

Beside the file ``NAME`` that it will be, the folder ``NAME.unfinished`` holds the mask
so far and what tells whether another run may go on with it. Nothing in it is taken for
a result. Rows of the mask count as done only where their bytes are those that were
written, so that a crash of the machine costs time, and nothing else.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.disk.claims import claimed
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.running.drawing import Place
from napari_dmoe.progress import Pulse, no_pulse

UNFINISHED = ".unfinished"
"""Stands behind the name of the file that a run is to make."""

_STATE, MASK, _EARLIER = "run.json", "mask", "earlier"
PART = "map-"
"""Names of files that are made with the mask's own begin with it."""
_MOST_BYTES = 2**24

RowDone = tuple[int, int, int]
"""First and one-past-last plane of a row that is written, and a sum of its bytes."""


class MaskStore(Protocol):
    """A volume's mask on a disk, 0 where nothing is written; along z, y and x."""

    def write(self, place: Place, labels: NDArray[np.uint8]) -> None:
        """Write the labels (d, h, w) of a part."""
        ...

    def read(self, place: Place) -> NDArray[np.uint8]:
        """Return the labels (d, h, w) of a part."""
        ...

    def rows(self, axis: int) -> int:
        """Return how many planes across an axis are best written together."""
        ...

    def finish(self, pulse: Pulse) -> None:
        """Do what is left to be done when all parts are written."""
        ...


class RunState(BaseModel, frozen=True, extra="forbid"):
    """What a run has done so far, and what it is the run of."""

    schema_version: Literal[1] = 1
    run: dict[str, Any]
    """What decides its mask, by what a person calls it: model, settings, image..."""
    pixels: str = ""
    """What tells the image's pixels from others."""
    axis: int = 0
    """Axis of the mask that rows lie across."""
    rows: tuple[RowDone, ...] = ()
    """Rows that are done, in the order in which they were; with the maps on the mask's
    voxels where there are any."""
    stages: tuple[tuple[RowDone, ...], ...] = ()
    """The same of the routing of each stage, where it is written."""
    is_kept: bool = False
    """Whether somebody wants it back when it is interrupted."""


class Unfinished:
    """The folder of a run that has not ended well yet.

    Parameters
    ----------
    target : Path
        The file, or the folder, that the mask will be.
    run : mapping
        What decides the mask, by what a person calls it.
    keep : bool
        Whether it stays when the run is interrupted.
    parts : mapping of str to Path
        Files beside the mask's own that are made with it: what they are called in the
        folder, behind :data:`PART`, and where they go.
    """

    def __init__(
        self,
        target: Path,
        run: Mapping[str, Any],
        *,
        keep: bool,
        parts: Mapping[str, Path] | None = None,
    ) -> None:
        self.target = target
        self.folder = target.with_name(target.name + UNFINISHED)
        self._parts = {self.part(name): path for name, path in (parts or {}).items()}
        self.mask = self.folder / MASK
        """Where the mask is until it is whole."""
        self.state = RunState(run=dict(run), is_kept=keep)
        self._is_ours = False
        self.notices: list[str] = []
        """What a person should know."""

    def part(self, name: str) -> Path:
        """Return where a file is that is made with the mask's own."""
        return self.folder / f"{PART}{name}"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the only run that makes this file; tidy up when the block ends.

        Raises
        ------
        FolderError
            When another run makes it, or nothing can be written there.
        """
        try:
            with claimed(self.folder):
                self._put_back()
                try:
                    yield
                finally:
                    is_left = self.state.is_kept and bool(self.state.rows)
                    if self._is_ours and not is_left:
                        self._empty()
        finally:
            with suppress(OSError):  # a part of a mask is in it
                self.folder.rmdir()

    def begin(self, *, resume: bool, overwrite: bool) -> bool:
        """Say whether what an interrupted run has left is gone on with.

        Raises
        ------
        ExistingFileError
            When it is another run's, or nobody has said what shall become of it.
        """
        found = self._found()
        if found is None:
            return self._anew()
        own = self.state.run
        other = [name for name in own if found.run.get(name) != own[name]]
        if resume and not other:
            self.state = found.model_copy(update={"is_kept": self.state.is_kept})
            self._is_ours = True
            return True
        if found.is_kept and not overwrite:
            raise ExistingFileError(self._refused(found, other))
        if found.is_kept:
            self.notices.append("what an interrupted run had done was begun again")
        return self._anew()

    def _anew(self) -> bool:
        self._is_ours = True
        self._empty()
        return False

    def refuse_other_pixels(self, pixels: str) -> None:
        """Refuse to go on with a run of other pixels, which are known once read.

        Raises
        ------
        ExistingFileError
            For those.
        """
        if self.state.rows and self.state.pixels != pixels:
            raise ExistingFileError(self._refused(self.state, ["pixels"]))

    def note(self, **facts: Any) -> None:
        """Write down how far the run is, whole or not at all."""
        self.state = self.state.model_copy(update=facts)
        write_text(self.folder / _STATE, self.state.model_dump_json() + "\n")

    def wait_for_disk(self, pulse: Pulse = no_pulse) -> None:
        """Wait until all of it is on the disk, which may turn out to be full."""
        for path in [self.mask, *self.mask.rglob("*"), *self._parts]:
            pulse()
            _to_disk(path)

    def put_in_place(self) -> None:
        """Let the mask take its place; what was there goes only then.

        Its parts do before it, so that a mask that is there is whole. All of it is on
        the disk: see :meth:`wait_for_disk`.
        """
        for path, target in self._parts.items():
            path.replace(target)
        earlier = self.folder / _EARLIER
        if self.target.is_dir():
            self.target.rename(earlier)
        self.mask.replace(self.target)
        self._empty()

    def _put_back(self) -> None:
        """Undo what a process did that was killed while it put a mask in place."""
        earlier = self.folder / _EARLIER
        if earlier.exists() and not self.target.exists():
            earlier.rename(self.target)

    def _found(self) -> RunState | None:
        """Return what an interrupted run has left here, if it can be gone on with."""
        path = self.folder / _STATE
        if not self.mask.exists() or not path.is_file():
            return None
        with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
            found = RunState.model_validate_json(file.read(_MOST_BYTES))
            is_whole = found.run != self.state.run or self._has_parts()
            return found if found.rows and is_whole else None
        return None

    def _has_parts(self) -> bool:
        """Say whether all parts are there, as they are but for a crash at the end."""
        return all(path.exists() for path in self._parts)

    def _refused(self, found: RunState, other: list[str]) -> str:
        n = sum(stop - begin for begin, stop, _ in found.rows)
        whose = f", with other {', '.join(other)}" if other else ""
        go_on = "" if other else "go on with it (--resume), "
        where = "choose another name" if other else "or choose another name"
        return (
            f"{self.folder} holds a run that was interrupted after {n:,} planes"
            f"{whose}: {go_on}{where} (--overwrite would begin again)"
        )

    def _empty(self) -> None:
        own = (self.folder / name for name in (MASK, _EARLIER, _STATE))
        for path in (*own, *self.folder.glob(f"{PART}*")):  # of runs with others, too
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def across(shape: tuple[int, ...], axis: int, planes: slice) -> Place:
    """Return where some planes across an axis lie in a volume."""
    return tuple(planes if i == axis else slice(0, n) for i, n in enumerate(shape))


def checksum(labels: NDArray[np.uint8]) -> int:
    """Return a sum of labels' bytes, in which no torn row is like a whole one."""
    return zlib.crc32(np.ascontiguousarray(labels).data)


def _to_disk(path: Path) -> None:
    """Wait until a file is on the disk."""
    if path.is_file():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
