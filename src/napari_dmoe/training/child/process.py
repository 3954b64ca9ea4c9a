"""A Python of its own for what takes long, seen from whoever started it. Knows no Qt.

A new Python is started, not forked: a fork of a window with threads may hang. Its
memory goes back to the system when it ends, the GPU's too. A line on its input tells
it to stop; the end of its input, that nobody waits any more. The rest is files in a
private folder, so that it can finish after a window was closed:

``task.json``
    What to do: a pydantic model.
``events.jsonl``
    What it says: one JSON object a line, with ``event``. Such as ``progress`` (stage,
    done, total, message, phase, plan; at most ten a second), ``epoch``, and
    ``stopping`` where it was told to stop and saves. See :data:`LAST_EVENTS` for the
    last one.
``log.txt``
    What it prints.
``child.txt``
    Its number, so that one that was stopped is woken when nobody waits any more.
``finish.json``
    A :class:`Farewell`: it is to go on though nobody waits.

How it begins is :mod:`napari_dmoe.training.child.watch`, what it does inside
:mod:`napari_dmoe.training.child.serving`.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.training.child.interpreter import python_command, python_environment
from napari_dmoe.training.child.private import (
    CHILD,
    FINISH,
    Farewell,
    leave,
    private_folder,
)

__all__ = [
    "EVENTS",
    "FINISH",
    "LAST_EVENTS",
    "LOG",
    "TASK",
    "ChildProcess",
    "Event",
    "Farewell",
    "leave",
    "private_folder",
    "silent_end",
]

TASK, EVENTS, LOG = "task.json", "events.jsonl", "log.txt"

LAST_EVENTS = frozenset({"done", "stopped", "error"})
"""Exactly one of them ends what a process says."""

_CHILD = Path(__file__).with_name("__main__.py")
_NICER = 5
_LOG_TAIL = 4000
SAID = "napari-dmoe: "
"""How the lines begin that it says to be shown."""
_OF_SYSTEM = ("Segmentation fault", "Killed", "Aborted", "Bus error", "Illegal instr")
"""How those begin that hold nothing of what it worked on."""
_SECONDS_BETWEEN_LOOKS = 0.05

Event = Mapping[str, Any]


def silent_end(code: int | None, words: str, *, was_stopped: bool) -> Event:
    """Return the last event of a process that ended without one.

    `code` is how it ended, negative: killed by that signal; `words` what it printed
    last, of which only what it said to be shown is repeated. That it was told to stop
    explains it.
    """
    if was_stopped:
        return {"event": "stopped"}
    cause = f"exit code {code}"
    if code is not None and code < 0:
        cause = "it was killed, perhaps for want of memory"
    message = f"the training process ended without a word ({cause})."
    lines = words.splitlines()
    told = [line for line in lines if line.startswith((SAID, *_OF_SYSTEM))]
    if told:  # other lines may hold anything, such as a patient's data
        message += f" It said: {told[-1].removeprefix(SAID)}"
    return {"event": "error", "kind": "ProcessEnded", "message": message}


class ChildProcess:
    """One process at work on a private folder.

    Parameters
    ----------
    module : str
        What it runs; calls :func:`napari_dmoe.training.child.serving.be_child`.
    folder : Path
        The folder.
    task : BaseModel
        What it is to do.

    Raises
    ------
    OSError
        When it cannot be started.
    """

    def __init__(self, module: str, folder: Path, task: BaseModel) -> None:
        self.folder = folder
        for left in (EVENTS, FINISH):
            (folder / left).unlink(missing_ok=True)
        write_text(folder / TASK, task.model_dump_json())
        self._read, self._failure, self._stage = 0, "", ""
        self._said: set[str] = set()
        self._stop_at = math.inf
        """When it was told to stop."""
        self._reaper: threading.Thread | None = None
        self._process = _started(module, folder.absolute())

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    @property
    def has_ended(self) -> bool:
        """Whether its last event was read."""
        return bool(self._said & LAST_EVENTS)

    @property
    def patience(self) -> float:
        """Seconds that it may take to stop before it is killed."""
        return math.inf

    def events(self) -> Iterator[Event]:
        """Yield its events until it ends; the last is one of :data:`LAST_EVENTS`."""
        while not self.has_ended:
            yield from self.new_events()
            if not self.has_ended:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        self._process.wait()

    def new_events(self) -> list[Event]:
        """Return what it said since the last time, without waiting.

        One that ended without a last event is given it; one that was told to stop and
        does not is killed when :attr:`patience` is over.
        """
        is_over = not self.is_running  # before reading: it may say something and end
        found = self._new_lines()
        self._note(found)
        if is_over and not self.has_ended:
            code, was_stopped = self._process.returncode, self._stop_at < math.inf
            found.append(silent_end(code, self._last_words(), was_stopped=was_stopped))
            self._note(found[-1:])
        if is_over:
            self._close_input()
        elif self.has_ended:
            self._reap()
        elif time.monotonic() - self._stop_at > self.patience:
            self.kill()
        return found

    def _reap(self) -> None:
        """Take note of its end when it comes, whoever looks: it stays no zombie."""
        if self._reaper is None:
            self._reaper = threading.Thread(target=self._process.wait, daemon=True)
            self._reaper.start()

    def _new_lines(self) -> list[Event]:
        """Read on; only whole lines."""
        path = self.folder / EVENTS
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]

    def _note(self, events: list[Event]) -> None:
        for event in events:
            self._said.add(event["event"])
            self._stage = event.get("stage", self._stage)
            if event["event"] == "error":
                self._failure = event["message"]

    def _last_words(self) -> str:
        with suppress(OSError):
            text = (self.folder / LOG).read_text("utf-8", errors="replace")
            return text[-_LOG_TAIL:].strip()
        return ""

    def stop(self) -> None:
        """Tell it to save and stop at its next step."""
        if self._stop_at == math.inf:
            self._stop_at = time.monotonic()
            self._write(b"stop\n")

    def kill(self) -> None:
        """End it at once, without saving; what it saved last is whole."""
        if self.is_running:
            self._process.kill()
        self._process.wait()
        self._close_input()

    def finish_alone(self, farewell: Farewell) -> None:
        """Let it finish without us: it leaves its result and takes the folder away.

        Raises
        ------
        OSError
            When it cannot be told.
        """
        write_text(self.folder / FINISH, farewell.model_dump_json())
        self.new_events()
        if self.has_ended:  # it may have looked just before
            self._process.wait()
            is_done = "done" in self._said
            leave(self.folder, failed="" if is_done else self._failure or "stopped")
        self._close_input()
        self._reap()

    def _write(self, line: bytes) -> None:
        stream = self._process.stdin
        if stream is not None and not stream.closed:
            with suppress(OSError):  # it has ended already: its events say how
                stream.write(line)

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


def _started(module: str, folder: Path) -> subprocess.Popen[bytes]:
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {
            "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            | subprocess.CREATE_NO_WINDOW
        }
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            python_command(str(_CHILD), module, str(folder)),
            env=python_environment(),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            **options,
        )
    with suppress(OSError):
        (folder / CHILD).write_text(str(process.pid), "utf-8")
    if hasattr(os, "setpriority"):
        with suppress(OSError):  # it may be over already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICER)
    return process
