"""The private folder that a child works on: made, left, and swept after the dead.

It may hold images of patients. Its name says which process made it; a child that works
on it claims it, so that a folder is known for abandoned when its maker is dead and no
child is at work.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.disk.claims import FolderError, FolderTaken, claimed
from napari_dmoe.imaging.disk.owners import OWNER, is_gone, owner_tag

FINISH, CHILD = "finish.json", "child.txt"
"""Of a folder: the farewell, and the number of the child that works on it."""

_NAME = re.compile(rf"napari-dmoe-[a-z]+-(?P<owner>{OWNER.pattern})-\w+")
_DIED = "the process that went on alone has ended"


class Farewell(BaseModel):
    """What becomes of the result when nobody waits for it any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    copies: Mapping[str, str]
    """Where to copy which of the folder's files."""
    failed: str
    """File to write why there is none."""


def private_folder(what: str) -> Path:
    """Make a folder among the temporary ones that only its owner can open.

    `what` is a word of small letters. Those that dead processes left are removed first.
    """
    remove_abandoned()
    return Path(tempfile.mkdtemp(prefix=f"napari-dmoe-{what}-{owner_tag()}-"))


def leave(folder: Path, *, failed: str = "") -> None:
    """Save the result where a farewell says, and take the folder away.

    Or save why there is none, in `failed`. Nothing is done where nobody said farewell,
    or the folder is gone already.
    """
    if not (folder / FINISH).exists():
        return
    farewell = Farewell.model_validate_json((folder / FINISH).read_text("utf-8"))
    if failed:
        write_text(farewell.failed, f"Not tuned: {failed}\n")
    else:
        for name, target in farewell.copies.items():
            with atomic_path(Path(target)) as partial:
                shutil.copyfile(folder / name, partial)
    shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> int:
    """Delete the private folders of dead processes of this machine and user.

    One whose child finishes alone stays. A child that is nobody's any more is woken, so
    that it notices, and takes its folder away itself.

    Returns
    -------
    int
        How many were deleted.
    """
    count = 0
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is None or not is_gone(found["owner"]):
                continue
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False) and _is_mine(entry):
                    count += _remove(Path(entry.path))
    return count


def _wake_child(folder: Path) -> None:
    """Let a child go on that was stopped before it could ask to be woken.

    Whatever has its number now, if it is not stopped, the signal means nothing to it.
    """
    if hasattr(signal, "SIGCONT"):
        with suppress(OSError, ValueError, OverflowError):
            number = int((folder / CHILD).read_text("utf-8"))
            if number > 1:
                os.kill(number, signal.SIGCONT)


def _is_mine(entry: os.DirEntry[str]) -> bool:
    if os.name == "nt":
        return True  # there everybody has temporary folders of his own
    return entry.stat(follow_symlinks=False).st_uid == os.getuid()


def _remove(folder: Path) -> bool:
    _wake_child(folder)
    try:
        with claimed(folder):
            pass  # no child is at work, and nobody is left to start one
    except FolderTaken as error:
        if error.process is not None and hasattr(signal, "SIGCONT"):
            os.kill(error.process, signal.SIGCONT)
        return False
    except FolderError:
        return False
    with suppress(OSError, ValueError):
        leave(folder, failed=_DIED)
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
