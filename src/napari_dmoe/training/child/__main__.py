"""Where a child begins: ``python -P .../training/child/__main__.py MODULE FOLDER``.

It is started as a file, so that not even this package is imported before it can notice
that whoever started it is gone.
"""

from __future__ import annotations

import ctypes
import runpy
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PATIENCE_SECONDS = 20.0
SAID = "napari-dmoe: "
"""How lines begin that are to be shown to whoever started it; see process.SAID."""
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def be_woken() -> None:
    """Let a stopped process go on when its parent dies (Linux): else it cannot notice.

    To one that is not stopped the signal means nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGCONT)


def run(module: str, folder: str) -> None:
    """Watch, claim the folder, and run the module as if it had been started."""
    from napari_dmoe.training.child.watch import watched_input

    sys.stdin = watched_input(Path(folder))
    from napari_dmoe.faults import tell_uncaught

    tell_uncaught(say)
    from napari_dmoe.imaging.disk.claims import claimed

    # So that no sweep takes it for abandoned; the one before may just be ending.
    with claimed(Path(folder), patience=_PATIENCE_SECONDS):
        sys.argv = [module, folder]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def end_with(error: Exception) -> None:
    """Say in one line why there is no work: what is printed is kept, and shown."""
    try:
        from napari_dmoe.faults import told

        words = told(error)
    except ImportError as missing:  # of what this package needs itself
        words = f"{missing.name} cannot be imported"
    say(words)


def say(words: str) -> None:
    """Print a line that whoever started it may show."""
    print(f"{SAID}{words}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    be_woken()
    try:
        run(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - it is told, and ends the process
        end_with(error)
        sys.exit(1)
