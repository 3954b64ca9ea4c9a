"""Runs a tuning's process and tells on the GUI thread how it goes.

The process lives its own life: a timer reads what it says, nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_dmoe.progress import Progress
from napari_dmoe.viewer.ui.connections import at_its_end

if TYPE_CHECKING:
    from napari_dmoe.training.tuning.process import TuningProcess, TuningTask

_POLL_MS, _POLL_STOPPING_MS = 150, 30


class _Held:
    """The process, to be ended even without its runner."""

    def __init__(self) -> None:
        self.process: TuningProcess | None = None

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()


class TuningRunner(QObject):
    """Runs one process at a time.

    Every process ends with exactly one of `done`, `stopped` and `failed`. A runner that
    is destroyed kills its process, unless that was told to finish alone.

    Parameters
    ----------
    start : callable
        From a private folder and a task to a process.
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
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._start, self._held = start, _Held()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.poll)
        self.end_process = self._held.kill
        """Kills the process; can be called even without the runner."""
        at_its_end(self, self.end_process)

    @property
    def is_busy(self) -> bool:
        """Whether a process is at work."""
        return self._held.process is not None

    def start(self, folder: Path, task: TuningTask) -> None:
        """Start a process.

        Raises
        ------
        OSError
            When it cannot be started.
        """
        self._held.process = self._start(folder, task)
        self._timer.start(_POLL_MS)

    def stop(self) -> None:
        """Tell the process to save and stop."""
        if self._held.process is not None:
            self._held.process.stop()
            self._timer.start(_POLL_STOPPING_MS)

    def save_alone(self, path: Path) -> None:
        """Let the process finish without us, and save its result at a path.

        Raises
        ------
        OSError
            When it cannot be told.
        """
        if self._held.process is not None:
            self._held.process.save_alone(path)
            self._timer.stop()
            self._held.process = None

    def kill(self) -> None:
        """End the process at once, and say nothing."""
        self._timer.stop()
        self._held.kill()

    def poll(self) -> None:
        """Read what the process says."""
        process = self._held.process
        for event in [] if process is None else process.new_events():
            self._tell(dict(event))
            if process is not self._held.process:
                return  # it ended, or somebody answered by ending it

    def _tell(self, facts: dict[str, Any]) -> None:
        event = facts.pop("event")
        if event in ("done", "stopped", "error"):
            self._timer.stop()
            self._held.process = None
        if event == "progress":
            self.progressed.emit(facts.pop("stage"), Progress(**facts))
        elif event == "epoch":
            from napari_dmoe.training.loop.history import Epoch

            self.epoch_ended.emit(Epoch.from_facts(facts))
        elif event == "done":
            self.done.emit()
        elif event == "stopped":
            self.stopped.emit()
        elif event == "error":
            self.failed.emit(facts["message"])
