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
from napari_dmoe.cohorts.classes import ClassedCases
from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.evaluation.groups import EVERYBODY, names_of_groups
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.progress import Progress
from napari_dmoe.training.cases.annotation import IGNORED, TrainingError
from napari_dmoe.training.loop.fit import EpochHook, fit
from napari_dmoe.training.loop.folder import LAST, RunFolder
from napari_dmoe.training.loop.resuming import RESUME
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.tuning.guard import (
    TUNED,
    Guard,
    groups_to_compare,
    guard_cases,
    watched,
)
from napari_dmoe.training.tuning.report import TuningReport, changes
from napari_dmoe.training.tuning.scores import Scores, remember, remembered, score_both

BEFORE, TRAINING, AFTER = "before", "training", "after"
"""Stages of a tuning."""

CHOSEN_BY_GUARD = "the guard also chose the epoch, which makes it look a little better"

StageHook = Callable[[str, Progress], None]


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
        How to train. What is held out is not asked: it is the guard.
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
    progress : callable
        Told of the stage and how far it is; may raise ``Cancelled``.
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
    guard, settings = guard or Guard(), _settled(settings, len(cases))
    watch = guard_cases(guard, loaded.card, progress=partial(progress, BEFORE))
    attributes = groups_to_compare(guard, patients_of(watch), loaded.card)
    score = partial(
        score_both, cases=cases, guard=watch, by=attributes, device=settings.device
    )
    before = remembered(folder, resume or only_compare)
    if before is None:
        before = score(loaded, progress=partial(progress, BEFORE))
        remember(folder, before)
    if only_compare:
        tuned = _last(folder)
    else:
        # Where it was stopped before its first save, there is nothing to go on from.
        is_saved = folder is not None and (folder / RESUME).is_file()
        tuned = fit(
            loaded,
            (*cases, *replay),
            settings=settings,
            held_out=watched(watch, loaded.card) or cases,
            rehearsed=len(replay),
            are_classes=True,
            folder=None if folder is None else RunFolder(folder),
            resume=resume and is_saved,
            progress=partial(progress, TRAINING),
            on_epoch=on_epoch,
        ).loaded
    after = score(tuned, progress=partial(progress, AFTER))
    report = replace(
        _report(loaded, before, after, guard=guard, by=attributes),
        n_replayed=len(replay),
        steps=settings.epochs * (settings.steps_per_epoch or 0),
    )
    notices = [CHOSEN_BY_GUARD] if settings.keep == "best" and report.guard else []
    if isinstance(watch, ClassedCases):
        notices += [f"the guard: {notice}" for notice in watch.reading.notices]
    report = replace(report, notices=tuple(notices))
    return Tuned(_named(loaded, tuned, report), report)


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
            "hold_out": "none",
        }
    )


def _report(
    loaded: LoadedModel,
    before: Scores,
    after: Scores,
    *,
    guard: Guard,
    by: Sequence[CardAttribute],
) -> TuningReport:
    there = {group for score in before.guard for group in score.groups}
    missing = [g for g in names_of_groups(loaded.card.attributes) if g not in there]
    return TuningReport(
        cases=changes(before.cases, after.cases, by),
        guard=changes(before.guard, after.guard, by) if before.guard else (),
        guard_title=guard.title if before.guard else "",
        n_cases=len(before.cases),
        parent=loaded.sha256,
        missing=tuple(missing) if before.guard else (),
    )


def _named(
    parent: LoadedModel, tuned: LoadedModel, report: TuningReport
) -> LoadedModel:
    """Return the tuned model with a card that says what it is and what was measured."""
    card = parent.card
    measured = {c.region: c.after for c in report.guard if c.group == EVERYBODY}
    dice = {k: round(v, 3) for k, v in measured.items() if v == v}
    n = report.n_cases + report.n_replayed
    origin = f"{card.name} ({parent.sha256[:12]})" if parent.sha256 else card.name
    told = f"Fine-tuned from {origin} on {n} corrected {'case' if n == 1 else 'cases'}."
    guard = f"Groups: {report.verdict}"
    guard += f" ({report.guard_title})." if report.guard_title else "."
    notes = [card.training.note or "", told, guard]
    facts = {"dice": dice or None, "note": " ".join(filter(None, notes))}
    is_again = card.name.endswith(TUNED)
    named = {
        "name": card.name if is_again else card.name + TUNED,
        "title": card.title if is_again else f"{card.title}, fine-tuned",
        "training": tuned.card.training.model_copy(update=facts),
    }
    return replace(tuned, card=tuned.card.model_copy(update=named))
