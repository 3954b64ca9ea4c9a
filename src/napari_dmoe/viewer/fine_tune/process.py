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
    from napari_dmoe.training.tuning.order import TuningOrder

_POLL_MS, _POLL_STOPPING_MS = 150, 30


class _Held:
    """The process, to be ended even without its runner."""

    def __init__(self) -> None:
        self.process: Any = None

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
        From a private folder and an order to a process.
    """

    progressed = Signal(str, object)
    """Stage and :class:`Progress`."""
    epoch_ended = Signal(object)
    done = Signal()
    stopped = Signal()
    failed = Signal(str)

    def __init__(
        self,
        start: Callable[[Path, TuningOrder], Any],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._start, self._held = start, _Held()
        self._was_told_to_stop = False
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self.poll)
        self.end_process = self._held.kill
        """Kills the process; can be called even without the runner."""
        at_its_end(self, self.end_process)

    @property
    def is_busy(self) -> bool:
        """Whether a process is at work."""
        return self._held.process is not None

    def start(self, folder: Path, order: TuningOrder) -> None:
        """Start a process.

        Raises
        ------
        OSError
            When it cannot be started.
        """
        self._was_told_to_stop = False
        self._held.process = self._start(folder, order)
        self._timer.setInterval(_POLL_MS)
        self._timer.start()

    def stop(self) -> None:
        """Tell the process to save and stop."""
        if self._held.process is not None:
            self._was_told_to_stop = True
            self._held.process.stop()
            self._timer.setInterval(_POLL_STOPPING_MS)

    def finish_alone(self, save_to: Path) -> None:
        """Let the process finish without us.

        Raises
        ------
        OSError
            When it cannot be told.
        """
        if self._held.process is not None:
            self._held.process.finish_alone(save_to)
            self._timer.stop()
            self._held.process = None

    def kill(self) -> None:
        """End the process at once, and say nothing."""
        self._timer.stop()
        self._held.kill()

    def poll(self) -> None:
        """Read what the process says."""
        process = self._held.process
        if process is None:
            return
        is_alive = process.is_alive  # before reading: it may say something and end
        last = ""
        for event in process.events():
            last = event["event"]
            self._tell(event)
            if process is not self._held.process:
                return  # somebody answered by ending it
        if last in ("done", "stopped", "failed"):
            self._end()
            self._tell_end(event)
        elif not is_alive:
            self._end()
            self._tell_silent_end(process)

    def _tell(self, event: Any) -> None:
        if event["event"] == "progress":
            progress = Progress(event["done"], event["total"], event["message"])
            self.progressed.emit(event["stage"], progress)
        elif event["event"] == "epoch":
            from napari_dmoe.training.loop.history import Epoch

            self.epoch_ended.emit(Epoch.from_facts(event["epoch"]))

    def _end(self) -> None:
        self._timer.stop()
        self._held.process = None

    def _tell_end(self, event: Any) -> None:
        if event["event"] == "done":
            self.done.emit()
        elif event["event"] == "failed":
            self.failed.emit(event["message"])
        else:
            self.stopped.emit()

    def _tell_silent_end(self, process: Any) -> None:
        """Say how a process ended that said nothing: it was killed, or it broke."""
        if self._was_told_to_stop:
            self.stopped.emit()
            return
        words = process.last_words()
        code = process.exit_code
        cause = (
            "it was killed, perhaps for want of memory"
            if code and code < 0
            else (f"exit code {code}")
        )
        detail = f" It said: {words.splitlines()[-1]}" if words else ""
        self.failed.emit(
            f"the training process ended without a word ({cause}).{detail}"
        )
