"""A child notices from its first moment that nobody waits for it any more.

It knows by the end of its input, which the system closes when whoever started it is
gone. Imports nothing that takes long, so that a window that is killed while its child
still imports torch leaves neither a process nor images of patients.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

ORPHANED = 130
"""Exit status of a child that nobody waits for."""

PATIENCE_SECONDS = 10.0
"""How long one that is at work may take to end by itself."""

_FAREWELL = "finish.json"  # as in private, which takes longer to import
_LINE_BYTES = 4096
_TRIES = 3

_at_work = threading.Event()


def watched_input(folder: Path) -> IO[str]:
    """Watch the input of this process from now on; return what to read instead of it.

    Where it ends and no farewell lies in the folder, the folder is removed and the
    process ends: at once, or after a while where :func:`take_over` was called.
    """
    reading, writing = os.pipe()
    arguments = (sys.stdin.fileno(), writing, folder)
    threading.Thread(target=_pass_on, args=arguments, daemon=True).start()
    return os.fdopen(reading, encoding="utf-8")


def take_over() -> None:
    """Say that the work itself looks from now on whether anybody waits for it."""
    _at_work.set()


def _pass_on(source: int, writing: int, folder: Path) -> None:
    with suppress(OSError):  # nobody may read any more
        while said := os.read(source, _LINE_BYTES):
            os.write(writing, said)
    os.close(writing)
    if (folder / _FAREWELL).exists():
        return  # it is to go on alone
    if _at_work.is_set():
        time.sleep(PATIENCE_SECONDS)
    for _ in range(_TRIES):  # another thread may write until the end
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(ORPHANED)
