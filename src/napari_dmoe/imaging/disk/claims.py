"""One folder, one writer: whoever writes into a folder claims it first.

A claim says before any work that the folder cannot be written or has no room, refuses
a second writer, and removes what killed ones have left. It is a lock of the system,
which a dead process does not keep; the file that carries it goes with the claim. On a
disk that knows no locks, as some of networks, the note in the file stands for one.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from napari_dmoe.imaging.disk.atomic import remove_leftovers
from napari_dmoe.imaging.disk.owners import is_gone, owner_tag
from napari_dmoe.purpose import reason

LOCK = ".napari-dmoe-lock"
"""Name of the file that a claim locks."""

_SECONDS = 0.2
"""How long a lock is tried for: one that is just given back is worth waiting for."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_NOTE_BYTES = 1000
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

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
    try:
        with _locked(folder, patience):
            held.add(key)
            remove_leftovers(folder)
            refuse_beyond_disk(folder, needs_bytes)
            yield folder
    finally:
        held.discard(key)
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


@contextmanager
def _locked(folder: Path, patience: float) -> Iterator[None]:
    """Hold the lock of a folder, which is made; the note alone where there are none."""
    path, lock = folder / LOCK, FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path)
        try:
            lock.acquire(timeout=patience, poll_interval=_SECONDS / 10)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _refuse_noted(folder)
        _note(path)
    except Timeout:
        raise _taken(folder, *_writer(path)) from None
    except OSError as error:
        _give_back(path, lock, is_ours=lock.is_locked or _is_empty(path))
        why = error.strerror or reason(error)
        if isinstance(error, FileExistsError | NotADirectoryError):
            why = "there is a file of that name"
        raise FolderError(
            f"nothing can be written to {folder}: {why}. Choose another folder"
        ) from error
    try:
        yield
    finally:
        _give_back(path, lock, is_ours=True)


def _taken(folder: Path, process: int | None, who: str, way_out: str = "") -> Exception:
    return FolderTaken(
        f"another run ({who}) writes into {folder}: wait for it, or choose another "
        f"folder{way_out}",
        process,
    )


def _refuse_noted(folder: Path) -> None:
    """Refuse a folder whose note is of a process that may be alive."""
    path = folder / LOCK
    owner = str(_noted(path).get("owner", ""))
    if owner and not is_gone(owner):
        way_out = f". Its disk knows no locks: if that run is over, delete {LOCK} there"
        raise _taken(folder, *_writer(path), way_out)


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
    facts = {"process": os.getpid(), "since": since, "owner": owner_tag()}
    try:
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | _NO_LINKS)
        try:
            os.write(file, json.dumps(facts).encode())
        finally:
            os.close(file)
    except OSError:
        if os.name != "nt":  # there a locked file is closed to its own process, too
            raise


def _noted(path: Path) -> dict[str, Any]:
    """Return what the holder of a lock has written down; nothing where unknown."""
    with suppress(OSError, ValueError, RecursionError), path.open("rb") as file:
        said = json.loads(file.read(_NOTE_BYTES))
        return said if isinstance(said, dict) else {}
    return {}


def _writer(path: Path) -> tuple[int | None, str]:
    """Return number of who holds a lock, and words for it, where known."""
    with suppress(ValueError, KeyError, TypeError):
        said = _noted(path)
        process = int(said["process"])
        return process, f"process {process}, since {str(said['since'])[:16]}"
    return None, "of another program or window"


def _is_empty(path: Path) -> bool:
    """Say whether there is a lock's file that nobody has written into."""
    try:
        return path.lstat().st_size == 0
    except OSError:
        return False


def _give_back(path: Path, lock: BaseFileLock, *, is_ours: bool) -> None:
    """Unlock; the lock's file goes first, while nobody else can hold it."""
    if is_ours and (os.name != "nt" or not lock.is_locked):
        with suppress(OSError):  # filelock does not take an unlinked file for a lock
            path.unlink()
    with suppress(OSError):
        lock.release()
