"""Runs a tuning's process and tells on the GUI thread how it goes.

The process lives its own life: a timer reads what it says, nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_dmoe.progress import Progress
from napari_dmoe.viewer.fine_tune.folder import TuningFolder
from napari_dmoe.viewer.ui.connections import at_its_end
from napari_dmoe.viewer.ui.turns import in_turn, is_free

if TYPE_CHECKING:
    from napari_dmoe.training.tuning.process import TuningProcess, TuningTask

_POLL_MS, _POLL_STOPPING_MS = 150, 30


class _Held:
    """The process and its folder, to be ended even without their runner."""

    def __init__(self, folder: TuningFolder) -> None:
        self.process: TuningProcess | None = None
        self.folder = folder

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def end(self) -> None:
        """Leave nothing behind; the process first, which could write again."""
        self.kill()
        self.folder.remove()


class TuningRunner(QObject):
    """Runs one process at a time in a private folder.

    `start` makes a process of the folder and a task. Every process ends with exactly
    one of `done`, `stopped` and `failed`. A runner that is destroyed kills its process
    and deletes the folder, unless that process was told to finish alone.
    """

    progressed = Signal(str, object)
    """Stage and :class:`Progress`."""
    epoch_ended = Signal(object)
    done = Signal()
    stopped = Signal()
    failed = Signal(str)

    def __init__(
        self,
        start: Callable[[Path, TuningTask], Any],
        folder: TuningFolder,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._start, self._held = start, _Held(folder)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        at_its_end(self, self._held.end)

    def start(self, task: TuningTask) -> None:
        """Start a process; ``OSError`` when it cannot be started."""
        self._held.process = self._start(self._held.folder.path, task)
        self._timer.start(_POLL_MS)

    def stop(self) -> None:
        """Tell the process to save and stop."""
        if self._held.process is not None:
            self._held.process.stop()
            self._timer.start(_POLL_STOPPING_MS)

    def save_alone(self, path: Path) -> None:
        """Let the process finish without us, and save its result at a path.

        ``OSError`` when it cannot be told.
        """
        if self._held.process is not None:
            self._held.process.save_alone(path)
            self._timer.stop()
            self._held.process = None
            self._held.folder.forget()

    def kill(self) -> None:
        """End the process at once, and say nothing."""
        self._timer.stop()
        self._held.kill()

    def end(self) -> None:
        """Kill the process, and delete the folder."""
        self._timer.stop()
        self._held.end()

    def _on_tick(self) -> None:
        if is_free():  # else at one of the next ticks
            in_turn(self, self.poll)

    def poll(self) -> None:
        """Read what the process says."""
        process = self._held.process
        for event in process.new_events() if process is not None else ():
            self._tell(dict(event))
            if process is not self._held.process:
                return  # it ended, or somebody answered by ending it

    def _tell(self, facts: dict[str, Any]) -> None:
        event = facts.pop("event")
        if event in ("done", "stopped", "error"):
            self._timer.stop()
            self._held.process = None
        if event == "progress":
            stage, plan = facts.pop("stage"), facts.pop("plan", ())
            at = Progress(**facts, plan=tuple((kind, share) for kind, share in plan))
            self.progressed.emit(stage, at)
        elif event == "epoch":
            from napari_dmoe.training.loop.history import Epoch

            self.epoch_ended.emit(Epoch.from_facts(facts))
        elif event == "error":
            self.failed.emit(facts["message"])
        elif event in ("done", "stopped"):
            (self.done if event == "done" else self.stopped).emit()
