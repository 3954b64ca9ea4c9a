"""The one thing that the dock does at a time, shown in its footer, and files beside it.

Segmenting, comparing and whole series take turns: a second job is refused while one is
under way, so that no two of them write into the same layers. Reading and writing files
is never refused: it goes on beside, one file after another.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Signal

from napari_dmoe.estimate import Estimate
from napari_dmoe.faults import shown, told
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.ui.asking import not_saved
from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.jobs import Ending, Job, JobQueue, JobRunner, notify_error

STOPPED = "Stopped. No layer was changed."
NOT_SAVED = "Stopped. Nothing was saved."
BUSY = "The dock is at work: wait until it is done, or press Stop."


@dataclass(frozen=True)
class Order:
    """Something to do in the background, and what follows."""

    title: str
    """What napari's activity list calls it."""
    status: str
    """What the footer says at first."""
    work: Callable[[ProgressHook], Any]
    """Does it, in a thread of its own."""
    then: Callable[[Any], str]
    """Takes what `work` returned, on the GUI thread; returns what the footer says."""
    if_failed: Callable[[Exception], str] = "Failed: {}".format
    """Takes the error, after it was notified; returns what the footer says."""
    if_stopped: Callable[[], str] | None = None
    """Called after a stop; returns what the footer says."""
    shorter: str = ""
    """What would make it shorter, said where it takes some minutes."""
    estimate: Estimate | None = None
    """Tells how long it will take, where it is one of several that share it."""
    puts_layers: bool = True
    """Whether it may put layers into the viewer before it ends, or then."""
    problem: Callable[[], str] = str
    """Says why it is of no use any more, such as on an image that is gone; else
    nothing."""


_NOTHING = Order("", "", work=lambda hook: None, then=lambda outcome: "")


class Work(QObject):
    """Does one order at a time, and files beside it; a foot shows how the work goes.

    What was found is shown in the context that `showing` returns, such as one that
    takes half of it away again after an error.
    """

    begun = Signal()
    progressed = Signal(object)
    """An order went on: a :class:`SoFar`."""
    ended = Signal()
    """An order ended, however it did; the next may begin."""

    def __init__(
        self,
        footer: Foot,
        parent: QObject | None = None,
        *,
        showing: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__(parent)
        self._footer, self._showing = footer, showing
        self._order = _NOTHING
        self.lost = ""
        """Why the order was stopped that is of no use any more; else nothing."""
        self._runner = JobRunner(self)
        self._runner.progressed.connect(footer.show_progress)
        self._runner.progressed.connect(self.progressed)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(self._on_failed)
        self._runner.stopped.connect(self._on_stopped)
        self._runner.finished.connect(self._on_finished)
        self._files = JobQueue(self)

    @property
    def is_at_files(self) -> bool:
        """Whether files are read or written."""
        return self._files.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether an order is under way."""
        return self._runner.is_busy

    @property
    def may_put_layers(self) -> bool:
        """Whether an order is under way that puts layers into the viewer."""
        return self.is_busy and self._order.puts_layers

    def start(self, order: Order) -> bool:
        """Begin an order; return False, and do nothing, while another is under way."""
        if self.is_busy:
            return False
        self._order = order
        self._footer.show_running(True)
        self._footer.propose(order.shorter)
        self._footer.show_status(order.status)
        self._runner.start(Job(order.title, order.work, order.estimate))
        self.begun.emit()
        return True

    def begin(
        self, order: Callable[[], Order], *, if_not: Callable[[str], None] | None = None
    ) -> Exception | None:
        """Begin an order, unless making it raises ``ValueError``; return that, or None.

        `if_not` says why it was not begun, also while another is under way; by default
        the footer says why it is impossible.
        """
        try:
            made = order()
        except ValueError as error:
            if if_not is None:
                self.fail(error)
            else:
                if_not(told(error))
            return shown(error)
        if not self.start(made) and if_not is not None:
            if_not(BUSY)
        return None

    def stop(self) -> None:
        """Tell the work to stop; it does at the engine's next step."""
        self._runner.stop()

    def check(self, *_: object) -> None:
        """Stop the order where it is of no use any more, and say why."""
        if self.is_busy and not self.lost:
            self.lost = self._order.problem()
            if self.lost:
                self._footer.show_status(self.lost)
                self.stop()

    def start_beside(self, order: Order) -> None:
        """Read or write files, whatever else is under way, each in its turn.

        Stop it in napari's activity list: the footer's button is for the run.
        """
        ending = Ending(
            partial(self._on_file, order),
            partial(self._on_file_failed, order),
            partial(self._on_file_stopped, order),
        )
        self.say(order.status)
        self._files.add(Job(order.title, order.work), ending)

    def save(
        self,
        path: Path,
        write: Callable[[Path], Any],
        then: Callable[[Any], str] | None = None,
    ) -> None:
        """Write a file beside whatever else is under way, and say that it is there.

        `write` is called in a thread of its own; `then` takes what it returns, and
        returns what the footer says. An error says which file, where, and why.
        """
        order = Order(
            title=f"dMoE: saving {path.name}",
            status=f"Saving {path.name} …",
            work=partial(_write, path, write),
            then=then or (lambda _: f"Saved {path.name}."),
        )
        self.start_beside(order)

    def _on_file(self, order: Order, outcome: object) -> None:
        with self._showing():
            said = order.then(outcome)
        self._tell(said)

    def _on_file_failed(self, order: Order, error: Exception) -> None:
        notify_error(error)
        self.say(order.if_failed(error) or f"Failed: {error}")

    def _on_file_stopped(self, order: Order) -> None:
        self._tell(NOT_SAVED if order.if_stopped is None else order.if_stopped())

    def _tell(self, text: str) -> None:
        """Say something in the footer; in a notification while that is taken."""
        if not self.is_busy:
            self.say(text)
        elif text:
            show_info(text)

    def say(self, text: str) -> None:
        """Say something in the footer, unless an order is under way."""
        if not self.is_busy:
            self._footer.show_status(text)

    def take_back(self, text: str) -> None:
        """Say nothing more where the footer still says something that has passed."""
        if self._footer.status.text() == text:
            self.say("")

    def fail(self, error: Exception) -> None:
        """Say why an order could not even begin."""
        notify_error(error)
        self._footer.show_status(f"Failed: {told(error)}")

    def _on_returned(self, outcome: object) -> None:
        try:
            with self._showing():
                said = self._order.then(outcome)
        except Exception as raised:  # noqa: BLE001 - it is shown, and the dock goes on
            error = shown(raised)
            notify_error(error)
            self._order.if_failed(error)
            why = str(error) or type(error).__name__
            said = f"Failed: the result could not be shown ({why})."
        self._footer.show_status(said)

    def _on_failed(self, error: Exception) -> None:
        notify_error(error)
        self._footer.show_status(self._order.if_failed(error))

    def _on_stopped(self) -> None:
        if_stopped = self._order.if_stopped
        said = STOPPED if if_stopped is None else if_stopped()
        self._footer.show_status(self.lost or said)

    def _on_finished(self) -> None:
        self._order, self.lost = _NOTHING, ""
        self._footer.show_running(False)
        self.ended.emit()


def _write(path: Path, write: Callable[[Path], Any], hook: ProgressHook) -> Any:
    hook(Progress(0, 1, f"saving {path.name}"))
    try:
        return write(path)
    except OSError as error:
        raise not_saved(path, error) from error
