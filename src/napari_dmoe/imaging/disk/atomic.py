"""Files that appear whole or not at all, and what is left of those that did not.

While it is written a file has a name that only this package gives. Whatever else stands
in a folder, links and other programs' partial files among it, is neither followed nor
touched.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_dmoe.imaging.disk.owners import OWNER, is_gone, owner_tag

_BEGIN = ".napari-dmoe-partial-"
_PARTIAL = re.compile(rf"{re.escape(_BEGIN)}(?P<owner>{OWNER.pattern})-\d+-.+", re.S)
_LONGEST = 255
"""Bytes that a file's name may have."""

_MODE = 0o666
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
_counter = itertools.count()
_being_written: set[str] = set()
_lock = threading.Lock()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Lend a path beside `path` that takes its place if the block ends well.

    A file that was there before is replaced only then, and nothing half-written stays.
    The file is there already, empty and this process's own; it reaches the disk before
    it takes the place. A link at `path` is replaced, not followed.
    """
    partial = _made(path)
    try:
        yield partial
        _to_disk(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        with _lock:
            _being_written.discard(partial.name)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Lend the path of a folder to be made; if the block ends well it takes its place.

    A folder that was there before goes only then, and nothing half-written stays.

    Raises
    ------
    OSError
        When it cannot be written, or a file is there.
    """
    begin = f"{_BEGIN}{owner_tag()}-{next(_counter)}-"
    holder = path.with_name(begin + _end_of(path.name, _LONGEST - len(begin)))
    try:
        holder.mkdir()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    partial, earlier = holder / "whole", holder / "earlier"
    try:
        yield partial
        for each in partial.rglob("*"):
            if each.is_file():
                _to_disk(each)
        if path.is_dir() and not path.is_symlink():
            path.rename(earlier)
        try:
            partial.rename(path)
        except OSError:
            if earlier.exists():
                earlier.rename(path)
            raise
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text, whole or not at all.

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left behind.
    """
    with atomic_path(Path(path)) as partial:
        # Line ends stay as they are: a table has its own, on every system.
        partial.write_text(
            text, encoding="utf-8", errors="backslashreplace", newline=""
        )


def remove_leftovers(folder: Path) -> int:
    """Delete what killed processes of this machine left half-written in a folder.

    Only regular files of the names that :func:`atomic_path` gives, whose process is
    over. What cannot be deleted stays.

    Returns
    -------
    int
        How many were deleted.
    """
    count = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _PARTIAL.fullmatch(entry.name)
            if found is None or not entry.is_file(follow_symlinks=False):
                continue
            if _is_left(entry.name, found["owner"]):
                with suppress(OSError):
                    Path(entry.path).unlink()
                    count += 1
    return count


def _is_left(name: str, owner: str) -> bool:
    if owner != owner_tag():
        return is_gone(owner)
    with _lock:  # containers give the same number to one process after the other
        return name not in _being_written


def _made(path: Path) -> Path:
    """Make an empty file of a new name, ours alone."""
    while True:
        begin = f"{_BEGIN}{owner_tag()}-{next(_counter)}-"
        partial = path.with_name(begin + _end_of(path.name, _LONGEST - len(begin)))
        with _lock:
            _being_written.add(partial.name)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS
            os.close(os.open(partial, flags, _MODE))
        except FileExistsError:
            continue  # somebody else's, or a link: it stays as it is
        except OSError as error:
            with _lock:
                _being_written.discard(partial.name)
            # Said of the file that was wanted: nobody knows the other name.
            raise OSError(error.errno, error.strerror, str(path)) from error
        return partial


def _end_of(name: str, n_bytes: int) -> str:
    """Return as much of a name's end, where its suffix is, as has room."""
    while len(os.fsencode(name)) > n_bytes:
        name = name[1:]
    return name


def _to_disk(partial: Path) -> None:
    """Wait until a file is on the disk, which may turn out to be full.

    Raises
    ------
    OSError
        When it does not get there, or is no file any more.
    """
    file = os.open(partial, os.O_RDWR | _NO_LINKS)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EEXIST, "is no file any more", str(partial))
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(file)
