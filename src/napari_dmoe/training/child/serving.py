"""A child process from inside: it does one task, says how it goes, and stops when told.

See :mod:`napari_dmoe.training.child.process` for the folder that it works on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from napari_dmoe.faults import told
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.child.private import FINISH, leave
from napari_dmoe.training.child.process import EVENTS
from napari_dmoe.training.child.stopping import Stop, stop_on_signals
from napari_dmoe.training.child.watch import take_over

_SECONDS_BETWEEN = 0.1
"""Between two events of progress, which nobody could read any faster."""


class Reporter:
    """Says in a file how it goes, one event a line, and looks whether to stop."""

    def __init__(self, folder: Path, file: IO[str], stop: Stop) -> None:
        self._folder, self._file, self._stop = folder, file, stop
        self._is_left = False
        self._told_at, self._stage = -_SECONDS_BETWEEN, ""

    def say(self, event: str, **facts: Any) -> None:
        """Write one event."""
        self._file.write(json.dumps({"event": event, **facts}) + "\n")
        self._file.flush()

    def on_progress(self, at: Progress, *, stage: str = "") -> None:
        """Say how far it is, not too often.

        Raises
        ------
        Cancelled
            When the work is to stop, or nobody waits for it any more.
        """
        if self._stop.is_asked or self.is_orphan:
            self.say("stopping")
            raise Cancelled
        now = time.monotonic()
        is_due = now - self._told_at >= _SECONDS_BETWEEN
        if is_due or stage != self._stage or at.done == at.total:
            self._told_at, self._stage = now, stage
            facts: dict[str, Any] = {
                "done": at.done,
                "total": at.total,
                "message": at.message,
            }
            if at.plan:
                facts |= {"phase": at.phase, "plan": at.plan}
            self.say("progress", stage=stage, **facts)

    def listen(self, commands: IO[str]) -> None:
        """Wait for a line, which says stop, or for the end of whoever writes them."""
        if commands.readline():
            self._stop.ask()
        else:
            self._is_left = True

    @property
    def is_orphan(self) -> bool:
        """Whether whoever started the process is gone and said no farewell."""
        return self._is_left and not (self._folder / FINISH).exists()


Work = Callable[[Path, Reporter], Mapping[str, Any]]
"""Does the task of a folder; returns the facts of the event ``done``."""


def serve(work: Work, folder: Path, commands: IO[str]) -> int:
    """Do a folder's task; return the exit status. An orphan takes the folder away.

    It is told to stop by a line of `commands`.
    """
    status, failed, events = 0, "", folder / EVENTS
    with events.open("a", encoding="utf-8") as file, stop_on_signals() as stop:
        reporter = Reporter(folder, file, stop)
        listen = partial(reporter.listen, commands)
        threading.Thread(target=listen, daemon=True).start()
        try:
            reporter.say("done", **work(folder, reporter))
        except (Cancelled, KeyboardInterrupt):
            reporter.say("stopped")
            status, failed = 130, "stopped"
        # Whatever went wrong, the other process has to be told, and by a sentence.
        except Exception as error:  # noqa: BLE001
            failed = _in_words(error)
            reporter.say("error", message=failed, kind=type(error).__name__)
            status = 2
    leave(folder, failed=failed)
    if reporter.is_orphan:
        shutil.rmtree(folder, ignore_errors=True)
    return status


def _in_words(error: Exception) -> str:
    """Say what went wrong: what was foreseen in its words, else with its kind alone."""
    lacks_memory = "out of memory" in str(error).lower()
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and lacks_memory
    ):
        return "there was not enough memory: choose a smaller batch, or the CPU"
    return told(error)


def be_child(work: Work) -> None:
    """Be ``python -m MODULE FOLDER``; does not return."""
    take_over()
    status = serve(work, Path(sys.argv[1]), sys.stdin)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # taking torch apart takes seconds, and nobody needs it
