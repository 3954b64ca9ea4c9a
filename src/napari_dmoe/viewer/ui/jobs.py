"""Long work in threads of its own, that can be told to stop.

An engine is a blocking function that takes a progress hook; the hook raises
:class:`Cancelled` once the work was told to stop. The engine's thread touches no Qt
object but the signals of its job, which Qt hands over to the GUI thread, where they
wait for their turn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import Any

from napari.qt.threading import WorkerBase, WorkerBaseSignals, create_worker
from napari.utils import notifications
from napari.utils.progress import cancelable_progress
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_dmoe.estimate import Estimate, SoFar
from napari_dmoe.faults import shown, told
from napari_dmoe.inference.running.waiting import watched
from napari_dmoe.progress import Cancelled, Progress, ProgressHook
from napari_dmoe.viewer.advice import advised, in_dock
from napari_dmoe.viewer.ui.connections import at_its_end
from napari_dmoe.viewer.ui.turns import in_turn

_SECONDS_BETWEEN_REPORTS = 0.15  # each repaints the window, the canvas with it
_SECONDS_BEFORE_BAR = 1.0  # a short job needs none
_STEPS, _UNKNOWN = 1000, 1_000_000_000


@dataclass(frozen=True)
class Job:
    """Something to do, and what to call it where a person sees it."""

    title: str
    work: Callable[[ProgressHook], Any]
    estimate: Estimate | None = None
    """Goes on from the job before it; one of its own by default."""

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True)
class Ending:
    """What follows a job, on the GUI thread."""

    then: Callable[[Any], object]
    """Takes what the job returned."""
    if_failed: Callable[[Exception], object]
    if_stopped: Callable[[], object]


class _Handed:
    """A job for a worker to take, which holds images and a model.

    napari keeps what it was given, and the worker, for as long as its window is there.
    """

    def __init__(self, job: Job) -> None:
        self._job: Job | None = job
        self._title = str(job)

    def __str__(self) -> str:
        return self._title

    def take(self) -> Job | None:
        """Return the job, once."""
        job, self._job = self._job, None
        return job


class _JobSignals(WorkerBaseSignals):
    progressed = Signal(object)
    aborted = Signal()


class _Worker(WorkerBase):
    """A job in a thread of Qt's pool."""

    def __init__(self, handed: _Handed) -> None:
        super().__init__(SignalsClass=_JobSignals)
        self._handed = handed
        self._estimate, self._last_report = Estimate(), 0.0

    def run(self) -> None:
        """Run the job and tell how it went; called by Qt in the job's thread."""
        try:
            super().run()
        except RuntimeError:
            # Python is shutting down and took the signals away: nobody is listening,
            # and an error that leaves a Qt thread would abort the program.
            if isalive(self.signals):
                raise

    def work(self) -> Any:
        """Do the job; called in the job's thread."""
        job = self._handed.take()
        if job is not None and job.estimate is not None:
            self._estimate = job.estimate
        try:
            with watched():  # so that what is slow says why
                return None if job is None else job.work(self._report)
        except Cancelled:
            self.quit()
            self.signals.aborted.emit()
            return None

    def _report(self, progress: Progress) -> None:
        if self.abort_requested:
            raise Cancelled
        so_far = self._estimate.note(progress)
        now = time.monotonic()
        is_last = progress.done == progress.total
        if is_last or now - self._last_report > _SECONDS_BETWEEN_REPORTS:
            self._last_report = now
            self.signals.progressed.emit(so_far)


class _ActivityProgress(cancelable_progress):
    """Progress in napari's activity list, with a Cancel button that works at once.

    napari processes events whenever it sets a bar's value, and would break into itself
    and into us. A bar's range it sets quietly: so the value stays, and the total comes
    down to it.
    """

    def __init__(self, title: str, stop: Callable[[], None]) -> None:
        self.left = ""  # in words
        super().__init__(
            initial=_STEPS,
            total=_UNKNOWN,
            desc=title,
            cancel_callback=stop,
            file=StringIO(),  # tqdm would print into the terminal
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Say how long it will take as the dock does; tqdm would guess by itself."""
        self.events.eta(value=self.left)

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback:
            self.cancel_callback()

    def show_fraction(self, fraction: float) -> None:
        """Show how far the job is, from 0 to 1, and how long it will still take."""
        self.events.eta(value=self.left)
        self.total = min(_UNKNOWN, round(_STEPS / max(fraction, 1 / _UNKNOWN)))


class _Running:
    """A worker and its bar, to be ended from the GUI thread even without its runner."""

    def __init__(self) -> None:
        self.worker: _Worker | None = None
        self.bar: _ActivityProgress | None = None

    def show_bar(self, title: str) -> None:
        self.bar = _ActivityProgress(title, self.stop)
        if self.worker is None:  # napari processed events: the window may be closed
            self.end()

    def stop(self) -> None:
        if self.worker is not None:
            self.worker.quit()

    def end(self) -> None:
        """Forget the job and close its bar."""
        bar, self.bar, self.worker = self.bar, None, None
        if bar is not None:
            bar.close()

    def abandon(self) -> None:
        self.stop()
        self.end()


class JobRunner(QObject):
    """Runs jobs one at a time and tells how they go, on the GUI thread.

    Every job ends with exactly one of `returned`, `failed` and `stopped`, and then
    with `finished`; all of them come in turn (:mod:`napari_dmoe.viewer.ui.turns`).
    What `failed` holds can be shown as it is. A runner that is destroyed tells its job
    to stop. Napari's activity list shows a job that takes a while, where it `has_bar`.
    """

    progressed = Signal(object)
    """A :class:`SoFar`."""
    returned = Signal(object)
    failed = Signal(object)
    stopped = Signal()
    finished = Signal()

    def __init__(self, parent: QObject | None = None, *, has_bar: bool = True) -> None:
        super().__init__(parent)
        self._running = _Running()
        self._has_bar, self._has_outcome = has_bar, False
        self._title, self._began = "", 0.0
        self._progress: SoFar | None = None
        at_its_end(self, self._running.abandon)

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way."""
        return self._running.worker is not None

    def start(self, job: Job) -> None:
        """Begin a job.

        Raises
        ------
        RuntimeError
            When one is under way already.
        """
        if self.is_busy:
            raise RuntimeError("a job is under way already")
        self._has_outcome, self._progress = False, None
        self._title, self._began = job.title, time.monotonic()
        # napari's own function tells the window, which asks before it closes.
        worker = create_worker(
            _Handed(job),
            _worker_class=_Worker,
            _start_thread=False,
            _ignore_errors=True,
        )
        self._running.worker = worker
        worker.signals.progressed.connect(self._on_progressed)
        worker.signals.returned.connect(self._on_returned)
        worker.signals.errored.connect(self._on_errored)
        worker.signals.warned.connect(self._on_warned)
        worker.signals.finished.connect(self._on_finished)
        worker.start()

    def stop(self) -> None:
        """Tell the job to stop; it does at its next report."""
        self._running.stop()

    def _on_progressed(self, so_far: SoFar) -> None:
        is_awaited, self._progress = self._progress is not None, so_far
        if not is_awaited:
            in_turn(self, self._tell_progress)

    def _on_returned(self, result: object) -> None:
        in_turn(self, partial(self._return, result))

    def _on_errored(self, error: Exception) -> None:
        in_turn(self, partial(self._fail, error))

    def _on_warned(self, warning: tuple[Any, ...]) -> None:
        # napari shows the same warning once, however often a loop repeats it.
        # A warning is its message, its category, its file and its line.
        tell = notifications.notification_manager.receive_warning
        in_turn(self, partial(tell, *warning[:4]))

    def _on_finished(self) -> None:
        in_turn(self, self._finish)

    def _tell_progress(self) -> None:
        """Tell how far the job is, by the latest that it reported."""
        progress, self._progress = self._progress, None
        if progress is None or not self.is_busy:
            return
        self.progressed.emit(progress)
        is_long = time.monotonic() - self._began > _SECONDS_BEFORE_BAR
        if self._has_bar and is_long and self._running.bar is None:
            self._running.show_bar(self._title)
        if self._running.bar is not None:
            self._running.bar.left = progress.left
            self._running.bar.show_fraction(progress.fraction)

    def _return(self, result: object) -> None:
        job = self._running.worker
        # Told to stop a moment after it was done: the person wants no result.
        if job is not None and not job.abort_requested:
            self._has_outcome = True
            self.returned.emit(result)

    def _fail(self, error: Exception) -> None:
        if self.is_busy:
            self._has_outcome = True
            self.failed.emit(advised(shown(error)))

    def _finish(self) -> None:
        if not self.is_busy:
            return
        self._running.end()
        if not self._has_outcome:
            self.stopped.emit()
        self.finished.emit()


class JobQueue(QObject):
    """Runs jobs one after another, each in its turn.

    Files are read and written here, beside what the dock is at work on: a person may
    save while a model runs, and two saves never write at once.
    """

    emptied = Signal()
    """The last job ended."""

    def __init__(self, parent: QObject | None = None, *, has_bar: bool = True) -> None:
        super().__init__(parent)
        self._waiting: deque[tuple[Job, Ending]] = deque()
        self._ending: Ending | None = None
        self._runner = JobRunner(self, has_bar=has_bar)
        self._runner.returned.connect(self._on_returned)
        self._runner.failed.connect(self._on_failed)
        self._runner.stopped.connect(self._on_stopped)
        self._runner.finished.connect(self._next)

    @property
    def is_busy(self) -> bool:
        """Whether a job is under way or waits for its turn."""
        return self._runner.is_busy or bool(self._waiting)

    def add(self, job: Job, ending: Ending) -> None:
        """Do a job, at once or after those before it."""
        self._waiting.append((job, ending))
        if not self._runner.is_busy:
            self._next()

    def _next(self) -> None:
        self._ending = None
        if self._waiting:
            job, self._ending = self._waiting.popleft()
            self._runner.start(job)
        else:
            self.emptied.emit()

    def _on_returned(self, outcome: object) -> None:
        if self._ending is None:
            return
        try:
            self._ending.then(outcome)
        except Exception as error:  # noqa: BLE001 - it is shown, and the next begins
            self._ending.if_failed(advised(shown(error)))

    def _on_failed(self, error: Exception) -> None:
        if self._ending is not None:
            self._ending.if_failed(error)

    def _on_stopped(self) -> None:
        if self._ending is not None:
            self._ending.if_stopped()


def notify_error(error: Exception) -> None:
    """Show what went wrong in words, and nothing that an error holds besides."""
    notifications.show_error(in_dock(told(error)))
