"""One folder, one writer: whoever writes into a folder claims it first.

A claim says before any work that the folder cannot be written or has no room, refuses
a second writer, and removes what killed ones have left. It is a lock of the system,
which a dead process does not keep; the file that carries it goes with the claim.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from napari_dmoe.imaging.disk.atomic import remove_leftovers

LOCK = ".napari-dmoe-lock"
"""Name of the file that a claim locks."""

_SECONDS = 0.2
"""How long a lock is tried for: one that is just given back is worth waiting for."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_NOTE_BYTES = 1000
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

_logger = logging.getLogger(__name__)
_held = threading.local()


class FolderError(ValueError):
    """A folder that cannot be written into; says why, and what to do."""


class FolderTaken(FolderError):
    """A folder that another run writes into.

    `process` is the number of its process, where that is known.
    """

    def __init__(self, message: str, process: int | None = None) -> None:
        super().__init__(message)
        self.process = process


@contextmanager
def claimed(
    folder: Path, *, needs_bytes: int = 0, patience: float = _SECONDS
) -> Iterator[Path]:
    """Be a folder's only writer within a block; give the folder.

    Within the thread that holds a claim, a claim on the same folder is part of it.

    Parameters
    ----------
    folder : Path
        The folder; made where it does not exist, and taken away again if nothing was
        written into it.
    needs_bytes : int
        Room that the work needs on the disk.
    patience : float
        Seconds to wait for another run that is just ending.

    Raises
    ------
    FolderTaken
        When another run writes into it.
    FolderError
        When nothing can be written there, or there is less room than is needed.
    """
    key = os.path.realpath(folder)
    held: set[str] = _held.__dict__.setdefault("folders", set())
    if key in held:
        refuse_beyond_disk(folder, needs_bytes)
        yield folder
        return
    is_new = not folder.is_dir()
    lock = _locked(folder, patience)
    held.add(key)
    try:
        remove_leftovers(folder)
        refuse_beyond_disk(folder, needs_bytes)
        yield folder
    finally:
        held.discard(key)
        _give_back(folder, lock)
        if is_new:
            with suppress(OSError):  # something was written
                folder.rmdir()


def refuse_beyond_disk(folder: Path, needs_bytes: int) -> None:
    """Refuse work that writes more than a folder's disk has room for.

    Raises
    ------
    FolderError
        When there is less room.
    """
    free = shutil.disk_usage(folder).free
    if needs_bytes > free:
        raise FolderError(
            f"{folder} has room for {free / 1e6:,.1f} MB, but "
            f"{needs_bytes / 1e6:,.1f} MB are needed: make room, or choose another "
            "folder"
        )


def _locked(folder: Path, patience: float) -> FileLock | None:
    """Return the lock of a folder that is made; None where the disk knows no locks."""
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(folder / LOCK)
        lock.acquire(timeout=patience, poll_interval=_SECONDS / 10)
        _note(folder / LOCK)
    except Timeout:
        process, who = _writer(folder)
        raise FolderTaken(
            f"another run ({who}) writes into {folder}: wait for it, or choose another "
            "folder",
            process,
        ) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            _logger.warning("%s: its disk knows no locks; run one at a time", folder)
            return None
        _give_back(folder, lock if lock.is_locked else None)
        why = error.strerror or str(error)
        if isinstance(error, FileExistsError | NotADirectoryError):
            why = "there is a file of that name"
        raise FolderError(
            f"nothing can be written to {folder}: {why}. Choose another folder"
        ) from error
    return lock


def _refuse_foreign(path: Path) -> None:
    """Refuse a link, and a file that is not ours, where the lock's file would be."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    is_plain = stat.S_ISREG(found.st_mode) and found.st_nlink <= 1
    if not is_plain or found.st_size > _NOTE_BYTES:
        raise OSError(errno.ELOOP, f"{path.name} is not a lock of napari-dmoe")


def _note(path: Path) -> None:
    """Write down for others who holds the lock and since when."""
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    said = json.dumps({"process": os.getpid(), "since": since}).encode()
    try:
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | _NO_LINKS)
        try:
            os.write(file, said)
        finally:
            os.close(file)
    except OSError:
        if os.name != "nt":  # there a locked file is closed to its own process, too
            raise


def _writer(folder: Path) -> tuple[int | None, str]:
    """Return number of who holds a folder's lock, and words for it, where known."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        with (folder / LOCK).open("rb") as file:
            said = json.loads(file.read(_NOTE_BYTES))
        process = int(said["process"])
        return process, f"process {process}, since {str(said['since'])[:16]}"
    return None, "of another program or window"


def _give_back(folder: Path, lock: FileLock | None) -> None:
    """Unlock a folder; the lock's file goes first, while nobody else can hold it."""
    if lock is None:
        return
    if os.name != "nt":  # filelock does not take an unlinked file for a lock
        with suppress(OSError):
            (folder / LOCK).unlink()
    with suppress(OSError):
        lock.release()
