"""Tune a model on corrected cases, and say what that changed and for whom.

Measured before and after, on the cases' and the guard's own pixels; what is done with
the tuned model is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.progress import Progress, ProgressHook, part_of
from napari_dmoe.training.cases.annotation import IGNORED, TrainingError
from napari_dmoe.training.cases.held_out import hold_out_cases, notices_of_split
from napari_dmoe.training.cases.known_drivers import refuse_unknown_attributes
from napari_dmoe.training.guarding.at_work import Guarding
from napari_dmoe.training.guarding.changes import changes
from napari_dmoe.training.guarding.guard import TUNED, Guard
from napari_dmoe.training.guarding.report import TuningReport, with_verdict
from napari_dmoe.training.guarding.scores import (
    Scores,
    remember,
    remembered,
    score_cases,
)
from napari_dmoe.training.loop.fit import EpochHook, fit
from napari_dmoe.training.loop.folder import LAST, RunFolder
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.loop.resuming import RESUME
from napari_dmoe.training.pacing import (
    AFTER,
    BEFORE,
    GUARD,
    TRAINING,
    Paces,
    Pacing,
)
from napari_dmoe.training.settings import TrainSettings

StageHook = Callable[[str, Progress], None]
"""Takes the stage of a tuning (before, training, after), and how far everything is."""


def no_stage(stage: str, progress: Progress) -> None:
    """Ignore progress; the default hook."""


@dataclass(frozen=True)
class Tuned:
    """A tuned model and what it changed.

    Parameters
    ----------
    loaded : LoadedModel
        The model; its card says that it was tuned, and on what.
    report : TuningReport
        Before and after.
    """

    loaded: LoadedModel
    report: TuningReport


def tune(
    loaded: LoadedModel,
    cases: Sequence[Case],
    *,
    settings: TrainSettings,
    guard: Guard | None = None,
    replay: Sequence[Case] = (),
    folder: Path | None = None,
    resume: bool = False,
    only_compare: bool = False,
    paces: Paces | None = None,
    progress: StageHook = no_stage,
    on_epoch: EpochHook | None = None,
) -> Tuned:
    """Tune a copy of a model on corrected cases, measured before and after.

    Parameters
    ----------
    loaded : LoadedModel
        Where to start from; it is not changed.
    cases : sequence of Case
        What was corrected; label 255 is not annotated. See
        :func:`napari_dmoe.training.tuning.corrected.annotated_case`.
    settings : TrainSettings
        How to train. ``hold_out="cases"`` keeps some of the cases apart to choose the
        round by, and may end early; else the guard is what is held out.
    guard : Guard, optional
        Cases of every group that nothing is trained on. Some of them are measured
        after each epoch, too; without any, the cases themselves are.
    replay : sequence of Case
        Earlier corrected cases to train on too, against forgetting.
    folder : Path, optional
        Where the state is saved, to go on from after a stop.
    resume : bool
        Go on from what `folder` holds.
    only_compare : bool
        Train no more: compare what `folder` holds.
    paces : Paces, optional
        How fast its parts are, as far as earlier tunings tell.
    progress : callable
        Told of the stage and how far everything is; may raise ``Cancelled``.
    on_epoch : callable, optional
        Told of every epoch once it is over.

    Returns
    -------
    Tuned
        The tuned copy and the report.

    Raises
    ------
    TrainingError
        When the cases, the guard or the settings cannot be trained with.
    Diverged
        For a loss that is no finite number.
    """
    settings, split = _split(_settled(settings, len(cases)), cases, loaded.card)
    learnt, chosen_by = split.learnt, split.chosen_by
    trained = (*learnt, *replay)
    if settings.unknown_drivers == "leave-out":
        refuse_unknown_attributes(trained, loaded.card)
    guard = guard or Guard()
    pacing = partial(
        Pacing.of,
        loaded.card,
        settings,
        n_trained=len(trained),
        n_measured=len(learnt),
        n_drawn=guard.n_drawn,
        paces=paces,
    )
    guarding = Guarding.of(
        guard,
        loaded.card,
        (*trained, *chosen_by),
        chooses_epoch=settings.keep == "best" and not chosen_by,
        progress=_part(progress, pacing(n_guard=guard.n_expected), GUARD),
    )
    told = partial(_part, progress, pacing(n_guard=len(guarding.cases)))
    score = partial(score_both, cases=learnt, guarding=guarding, device=settings.device)
    before = remembered(folder, resume or only_compare)
    digest = guarding.digest()
    if before is None or before.of != digest:
        before = score(loaded, progress=told(BEFORE))
        before = replace(before, of=digest)
        remember(folder, before)
    notices, n_rounds = split.notices, settings.epochs
    if only_compare:
        tuned = _last(folder)
    else:
        # Where it was stopped before its first save, there is nothing to go on from.
        is_saved = folder is not None and (folder / RESUME).is_file()
        fitted = fit(
            loaded,
            trained,
            settings=settings,
            held_out=chosen_by or guarding.watch or cases,
            rehearsed=len(replay),
            are_classes=True,
            folder=None if folder is None else RunFolder(folder),
            resume=resume and is_saved,
            progress=told(TRAINING),
            on_epoch=on_epoch,
        )
        tuned, n_rounds = fitted.loaded, len(fitted.history)
        notices += _of_rounds(fitted, settings, len(chosen_by)) + fitted.kept_classes
    after = score(tuned, progress=told(AFTER))
    report = replace(
        guarding.report(before.guard, after.guard),
        cases=changes(before.cases, after.cases, guarding.attributes),
        n_cases=len(learnt),
        n_replayed=len(replay),
        steps=n_rounds * (settings.steps_per_epoch or 0),
        parent=loaded.sha256,
    )
    report = replace(report, notices=(*report.notices, *notices))
    return Tuned(_named(loaded, tuned, report), report)


def _part(progress: StageHook, pacing: Pacing, part: str) -> ProgressHook:
    """Return the progress of one part, which is told with the stage that it is in."""
    stage = BEFORE if part == GUARD else part
    return pacing.phases(partial(progress, stage)).of(part)


def score_both(
    loaded: LoadedModel,
    *,
    cases: Sequence[Case],
    guarding: Guarding,
    device: str,
    progress: ProgressHook,
) -> Scores:
    """Measure the cases and the guard, counted through as one."""
    n, n_guard = len(cases), len(guarding.cases)
    part = partial(part_of, progress, n=n + n_guard)
    of_cases = score_cases(
        loaded,
        cases,
        attributes=guarding.attributes,
        device=device,
        what="measuring the corrected cases",
        progress=part(0, width=n),
    )
    hook = part(n, width=n_guard)
    return Scores(of_cases, guarding.score(loaded, device=device, progress=hook))


def _last(folder: Path | None) -> LoadedModel:
    if folder is None or not (folder / LAST).is_file():
        raise TrainingError("nothing was trained yet: resume the training first")
    return load_checkpoint(folder / LAST)


def _settled(settings: TrainSettings, n_cases: int) -> TrainSettings:
    """Return settings for labels that were read already, on a device that is there."""
    if not n_cases:
        raise TrainingError("there are no cases to train on: tick at least one pair")
    return settings.model_copy(
        update={
            "device": str(choose_device(settings.device).device),
            "unlabelled": IGNORED,
            "background": 0,
            "annotated": "all",
            "hold_out": "cases" if settings.hold_out == "cases" else "none",
        }
    )


@dataclass(frozen=True)
class _Split:
    """The cases that are trained on, and those that the round is chosen by."""

    learnt: Sequence[Case]
    chosen_by: tuple[Case, ...] = ()
    notices: tuple[str, ...] = ()


def _split(
    settings: TrainSettings, cases: Sequence[Case], card: ModelCard
) -> tuple[TrainSettings, _Split]:
    """Hold out what the settings ask for; where that cannot be, the last is kept."""
    if settings.hold_out != "cases":
        return settings, _Split(cases)
    by, patients = card.attributes, patients_of(cases)
    learnt, held_out = hold_out_cases(cases, patients, by, settings)
    said = tuple(notices_of_split(patients, by, settings, held_out))
    if len(held_out):
        return settings, _Split(learnt, tuple(held_out), said)
    last = {"hold_out": "none", "keep": "last", "patience": None}
    return settings.model_copy(update=last), _Split(cases, notices=said)


def _of_rounds(fitted: Fitted, settings: TrainSettings, n: int) -> tuple[str, ...]:
    """Say which round was chosen by so many cases, and whether that ended it early."""
    if not n or fitted.best_epoch is None:
        return ()
    n_rounds, best = len(fitted.history), fitted.best_epoch + 1
    said = f"{n} case{'s' * (n != 1)} held out: round {best} was the best on them"
    if n_rounds < settings.epochs:
        return (f"{said} and is kept; it ended early, after {n_rounds} rounds",)
    return (f"{said} and is kept",)


def _named(
    parent: LoadedModel, tuned: LoadedModel, report: TuningReport
) -> LoadedModel:
    """Return the tuned model with a card that says what it is and what was measured."""
    card = parent.card
    n, n_again = report.n_cases, report.n_replayed
    origin = f"{card.name} ({parent.sha256[:12]})" if parent.sha256 else card.name
    told = f"Fine-tuned from {origin} on {n} corrected case{'s' * (n != 1)}"
    told += f", and on {n_again} earlier one{'s' * (n_again != 1)}" * bool(n_again)
    is_again = card.name.endswith(TUNED)
    named = {
        "name": card.name if is_again else card.name + TUNED,
        "title": card.title if is_again else f"{card.title}, fine-tuned",
    }
    tuned = replace(tuned, card=tuned.card.model_copy(update=named))
    return with_verdict(tuned, report, note=f"{told}.")
