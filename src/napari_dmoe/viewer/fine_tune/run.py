"""Begins, stops and resumes tunings: from ticked pairs to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image

from napari_dmoe.estimate import Estimate
from napari_dmoe.faults import told
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.advice import in_dock
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fine_tune.annotations import Snapshot, copied
from napari_dmoe.viewer.fine_tune.folder import hand_over
from napari_dmoe.viewer.fine_tune.guard import GuardControl
from napari_dmoe.viewer.fine_tune.paces import KnownPaces
from napari_dmoe.viewer.fine_tune.pairs_control import PairsControl
from napari_dmoe.viewer.fine_tune.process import TuningRunner
from napari_dmoe.viewer.fine_tune.state import State, Tuning
from napari_dmoe.viewer.fine_tune.tab import FineTuneTab
from napari_dmoe.viewer.fine_tune.words import LESS, at_work, work_to_come
from napari_dmoe.viewer.ui.jobs import Job, JobRunner, notify_error

if TYPE_CHECKING:
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.training.cases.annotation import Annotation
    from napari_dmoe.training.loop.history import Epoch
    from napari_dmoe.training.pacing import Pacing
    from napari_dmoe.training.settings import TrainSettings
    from napari_dmoe.viewer.fine_tune.pairs import Pair

STOPPED_EARLY = "Stopped before anything was trained. Nothing was kept."
REPORT = "report.json"


class TuneControl(Control):
    """Runs the tuning that is asked for in the tab's foot.

    Parameters
    ----------
    tuning : Tuning
        Where it stands; changed here.
    tab : FineTuneTab
        Where it is chosen how it is tuned.
    pairs, guard : PairsControl, GuardControl
        What is trained on, and what guards the groups.
    """

    def __init__(
        self,
        bench: Bench,
        tuning: Tuning,
        tab: FineTuneTab,
        *,
        pairs: PairsControl,
        guard: GuardControl,
    ) -> None:
        super().__init__(bench, tab.foot)
        self._tuning, self._folder = tuning, tuning.folder
        self._tab, self._foot = tab, tab.foot
        self._pairs, self._guard = pairs, guard
        self._numbers: WeakKeyDictionary[Image, int] = WeakKeyDictionary()
        self._task: Any = None
        self._now, self._estimate = bench.engines.now, Estimate()
        self._paces = KnownPaces()
        self._planned: Pacing | None = None
        self._preparing = JobRunner(self)
        self.runner = TuningRunner(bench.engines.start_tuning, tuning.folder, self)
        self._connect()

    def _connect(self) -> None:
        foot, runner = self._foot, self.runner
        foot.propose(LESS)
        foot.start_requested.connect(self.begin)
        foot.stop_requested.connect(self.stop)
        foot.resume_requested.connect(self.resume)
        foot.compare_requested.connect(self.compare)
        self._preparing.returned.connect(self._on_prepared)
        self._preparing.failed.connect(self._on_failed)
        self._preparing.stopped.connect(self._on_stopped)
        runner.progressed.connect(self._on_progress)
        runner.epoch_ended.connect(self._on_epoch)
        runner.done.connect(self._on_done)
        runner.stopped.connect(self._on_stopped)
        runner.failed.connect(self._on_failed)

    def numbers(self, pairs: Sequence[Pair]) -> list[int]:
        """Return the numbers that stand for pairs' images in the private folder."""
        found = []
        for pair in pairs:
            image = pair.image()
            if image is not None:
                found.append(self._numbers.setdefault(image, len(self._numbers) + 1))
        return found

    def work_to_come(self) -> str:
        """Say how much would be trained now, and how long that takes where known."""
        settings = self._tab.advanced.value()
        loaded, n_cases = self._session.model, len(self._pairs.chosen)
        if settings is None or loaded is None:
            return ""
        work = self._work_of(loaded, settings, n_cases, n_cases)
        seconds = work.in_all if self._paces.of(loaded, settings) else None
        return work_to_come(settings, work.n_steps, seconds)

    def _work_of(
        self, loaded: LoadedModel, settings: TrainSettings, n_cases: int, n_trained: int
    ) -> Pacing:
        """Return what a tuning on some cases would be made of."""
        from napari_dmoe.training.guarding.guard import Guard

        return self._paces.work(
            loaded,
            settings,
            self._guard.guard or Guard(),
            n_cases=n_cases,
            n_trained=n_trained,
            n_guard=self._guard.n_cases,
        )

    def begin(self) -> None:
        """Hand the ticked pairs over, and train on them once that is done."""
        loaded, settings = self._session.model, self._tab.advanced.value()
        pairs, guard = self._pairs.chosen, self._guard.guard
        may_not = self._tuning.state.is_at_work or self._guard.why_not() or not pairs
        if loaded is None or settings is None or guard is None or may_not:
            return
        from napari_dmoe.training.tuning.process import TuningTask

        try:
            numbers = self.numbers(pairs)
            taken = [
                replace(each, labels=copied(each.labels), number=number)
                for each, number in zip(self._pairs.snapshots(), numbers, strict=True)
            ]
            self._folder.discard()
            path = self._folder.path
        except (ValueError, OSError) as error:
            self._on_failed(told(error))
            return
        rehearsed: tuple[str, ...] = ()
        if self._tab.tune.wants_rehearsal:
            rehearsed = self._folder.rehearsed(numbers)
        self._task = TuningTask(
            settings=settings,
            guard=guard,
            source=loaded.source,
            sha256=loaded.sha256,
            rehearsed=rehearsed,
            paces=self._paces.of(loaded, settings),
        )
        n_trained = len(taken) + len(rehearsed)
        self._planned = self._work_of(loaded, settings, len(taken), n_trained)
        expected = None if self._task.paces is None else self._planned.in_all
        self._estimate = Estimate(expected=expected, now=self._now)
        has_held = settings.hold_out == "cases"
        self._tuning.begin(loaded, pairs, guard, has_held=has_held)
        work = partial(_hand_over, path, loaded, taken, self._tab.reading())
        self._preparing.start(Job("dMoE: handing cases over", work))

    def stop(self) -> None:
        """Tell the work to save and stop."""
        if self._tuning.state is State.PREPARING:
            self._preparing.stop()
        elif self._tuning.state is State.TRAINING:
            self._tuning.become(State.STOPPING, "Saving, then stopping …")
            self.runner.stop()

    def resume(self) -> None:
        """Go on with what was stopped."""
        self._go_on("resume")

    def compare(self) -> None:
        """Train no more, and compare what was reached."""
        self._go_on("compare")

    def discard(self) -> None:
        """Forget what was trained, and its cases."""
        self.runner.kill()
        self._folder.discard()
        self._tuning.forget("Discarded. The model is as it was.")

    def abandon(self) -> None:
        """End everything at once and leave nothing behind."""
        self._preparing.stop()
        self.runner.end()
        if self._tuning.state is not State.READY:
            self._tuning.forget("Ended, because the dock was closed.")

    def _on_prepared(self, _: object) -> None:
        self._start("begin")

    def _go_on(self, mode: str) -> None:
        self._tuning.become(State.TRAINING, "Starting …")
        self._estimate = Estimate(now=self._now)
        self._start(mode)

    def _start(self, mode: str) -> None:
        try:
            self.runner.start(self._task.model_copy(update={"mode": mode}))
        except OSError as error:
            self._on_failed(f"the training process cannot be started: {told(error)}")
        else:
            self._tuning.become(State.TRAINING, "Starting a process of its own …")

    def _on_progress(self, stage: str, progress: Progress) -> None:
        so_far = self._estimate.note(progress)
        so_far = replace(so_far, message=at_work(so_far.message))
        if self._tuning.state is State.TRAINING:
            self._foot.show_progress(so_far)
            self._tuning.said = self._foot.status.text()

    def _on_epoch(self, epoch: Epoch) -> None:
        self._tuning.add_epoch(epoch)

    def _on_done(self) -> None:
        from napari_dmoe.training.guarding.report import TuningReport

        self._note_pace()
        try:
            text = (self._folder.path / REPORT).read_text("utf-8")
            self._tuning.report = TuningReport.from_json(text)
        except (OSError, ValueError) as error:
            self._on_failed(f"the report cannot be read: {told(error)}")
            return
        said = "Done. Look at the table, then keep or discard."
        self._tuning.become(State.DONE, said)

    def _note_pace(self) -> None:
        parent, work = self._tuning.parent, self._planned
        if parent is not None and work is not None:
            self._paces.note(parent, self._task.settings, work, self._estimate)

    def _on_stopped(self) -> None:
        if self._tuning.has_model:
            said = "Stopped and saved. Resume, compare what was reached, or discard."
            self._tuning.become(State.STOPPED, said)
        else:
            self._folder.discard()
            self._tuning.forget(STOPPED_EARLY)

    def _on_failed(self, error: str | Exception) -> None:
        why = in_dock(str(error))
        notify_error(ValueError(f"Fine-tuning failed: {why}"))
        if not self._tuning.has_model:
            self._folder.discard()
        self._tuning.become(State.FAILED, f"Failed: {why}")


def _hand_over(
    path: Any,
    loaded: LoadedModel,
    taken: Sequence[Snapshot],
    reading: Annotation,
    hook: ProgressHook,
) -> None:
    dims = loaded.card.dims
    cases = [case for each in taken for case in each.cases(dims, reading)]
    hand_over(path, loaded, cases, reading, hook)
