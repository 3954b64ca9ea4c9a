"""A tuning in a process of its own, seen from whoever started it. Knows no Qt.

A new Python is started, not forked: a fork of a window with threads may hang. Its
memory goes back to the system when it ends, the GPU's too. Unlike a
:class:`napari_dmoe.training.tasks.serve.TrainingProcess`, which ends with whoever reads
it, it talks by files, so that it can finish after the window was closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from napari_dmoe.imaging.atomic import write_text
from napari_dmoe.training.tuning.order import (
    EVENTS,
    FINISH,
    LOG,
    ORDER,
    REPORT,
    RUN,
    STOP,
    TUNED_MODEL,
    Farewell,
    TuningOrder,
    leave,
)

GRACE_SECONDS = 1.8
"""How long a process that was told to stop may take to say that it does."""

SAVING_SECONDS = 30.0
"""How long it may take where something would be lost: a large model, a slow disk."""

TRAINING = "training"
LAST = "last.safetensors"
"""As in :mod:`napari_dmoe.training.tuning.tune` and its run folder, without torch."""

_MODULE = "napari_dmoe.training.tuning.job"
_NICER = 5
_LOG_TAIL = 400

Event = Mapping[str, Any]


def private_folder() -> Path:
    """Make a folder among the temporary ones that only its owner can open."""
    return Path(tempfile.mkdtemp(prefix="napari-dmoe-tuning-"))


class TuningProcess:
    """One process at work on a private folder.

    Parameters
    ----------
    folder : Path
        The folder; see :mod:`napari_dmoe.training.tuning.order`.
    order : TuningOrder
        What it is asked for.
    """

    def __init__(self, folder: Path, order: TuningOrder) -> None:
        self.folder = folder
        for left in (STOP, FINISH, EVENTS, REPORT, TUNED_MODEL):
            (folder / left).unlink(missing_ok=True)
        write_text(folder / ORDER, order.model_dump_json())
        self._read = 0
        self._stop_at: float | None = None
        self._is_saving = False
        self._stage = ""
        self._log: IO[bytes] = (folder / LOG).open("wb")
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {
                "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP
                | subprocess.BELOW_NORMAL_PRIORITY_CLASS
                | subprocess.CREATE_NO_WINDOW
            }
        process = subprocess.Popen(
            # -P: a file in the working folder must not be taken for a module.
            [sys.executable, "-P", "-m", _MODULE, str(self.folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            **options,
        )
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # it may be over already
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICER)
        return process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def events(self) -> list[Event]:
        """Return what it said since the last time; only whole lines.

        One that ended without a word is said to have failed.
        """
        is_over = not self.is_alive  # before reading: it may say something and end
        found = self._new_lines()
        for event in found:
            self._is_saving |= event["event"] in ("stopping", "stopped")
            self._stage = str(event.get("stage", self._stage))
        if is_over:
            self._log.close()
        elif self._stop_at is not None:
            self._kill_in_time()
        return found

    def _new_lines(self) -> list[Event]:
        path = self.folder / EVENTS
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]

    def stop(self) -> None:
        """Tell it to save and stop; it is killed where it does not answer in time.

        It is given longer while it saves, and while its first epoch is saved nowhere.
        """
        if self._stop_at is None:
            self._stop_at = time.monotonic()
            (self.folder / STOP).touch()

    def _kill_in_time(self) -> None:
        waited = time.monotonic() - (self._stop_at or 0.0)
        has_nothing = not (self.folder / RUN / LAST).is_file()
        may_lose_all = self._stage == TRAINING and has_nothing
        is_patient = self._is_saving or may_lose_all
        if waited > (SAVING_SECONDS if is_patient else GRACE_SECONDS):
            self.kill()

    def kill(self) -> None:
        """End it at once; what it saved last is whole."""
        if self.is_alive:
            self._process.kill()
        self._process.wait()
        self._log.close()

    def finish_alone(self, save_to: Path) -> None:
        """Let it finish without us: it saves its result and takes the folder away."""
        farewell = Farewell(save_to=str(save_to))
        write_text(self.folder / FINISH, farewell.model_dump_json())
        if (self.folder / REPORT).exists():  # it may have looked just before
            self._process.wait()
            leave(self.folder)
        self._log.close()

    def last_words(self) -> str:
        """Return the end of what it printed, where it ended without a word."""
        with contextlib.suppress(OSError):
            text = (self.folder / LOG).read_text("utf-8", errors="replace")
            return text[-_LOG_TAIL:].strip()
        return ""

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it has not. Negative: killed by that signal."""
        return self._process.poll()


def remove_folder(folder: Path) -> None:
    """Delete a private folder with everything in it."""
    shutil.rmtree(folder, ignore_errors=True)
