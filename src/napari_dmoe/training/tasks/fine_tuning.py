"""What a task does with a model that exists: tune it, with a guard that watches."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.tables.finding import stated_there
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.progress import ProgressHook, silent
from napari_dmoe.training.cases.annotation import (
    Annotation,
    TrainingError,
    refuse_unknown_values,
)
from napari_dmoe.training.cases.known_drivers import refuse_unknown_attributes
from napari_dmoe.training.guarding.at_work import Guarding, check_guard
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.guarding.report import TuningReport, with_verdict
from napari_dmoe.training.learning.selection import select
from napari_dmoe.training.loop.fit import FitOptions, fit_cohort
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.loop.teams import team_now
from napari_dmoe.training.pacing import GUARD, TRAINING, Pacing
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.training.starting.modes import in_mode
from napari_dmoe.training.tasks.chosen import Notices, cohort_of, settings_of
from napari_dmoe.training.tasks.guard_option import guard_named
from napari_dmoe.training.tasks.guarded import CANNOT_TELL, GuardedFolder, Watch
from napari_dmoe.training.tasks.widening import new_drivers, widened
from napari_dmoe.training.tuning.few_cases import (
    held_in_words,
    what_so_many_can_do,
)
from napari_dmoe.training.tuning.presets import fine_tuning

if TYPE_CHECKING:
    from napari_dmoe.training.tasks.task import TrainingTask

OWN_PRESET = "fine-tune"
"""The settings that a tuning has unless others are named."""

TUNING = "tuning"
"""Where the report stands in the record of a tuned model."""


def fine_tuned(
    task: TrainingTask,
    folder: GuardedFolder,
    options: FitOptions,
) -> tuple[Fitted, TuningReport | None]:
    """Tune the model that a task names, and say what that changed.

    Parameters
    ----------
    task : TrainingTask
        What to do.
    folder : GuardedFolder
        Where the training is saved, and notices are noted.
    options : FitOptions
        The same, and who is told.

    Returns
    -------
    tuple of Fitted and TuningReport or None
        The model, whose card says what was found of the groups, and the report; which
        the first member of a team alone has.
    """
    if task.start is None:
        raise TrainingError("fine-tuning needs a checkpoint to start from")
    loaded = load_checkpoint(task.start, task.card)
    own = settings_of(task, preset(OWN_PRESET))
    drivers = [a.name for a in loaded.card.attributes]
    drivers += new_drivers(task)
    cases = cohort_of(task, drivers, own, notices=folder.notices)
    new = widened(loaded, cases, task, annotation=_annotation(own))
    changes = {} if new.train is None else {"train": new.train}
    settings = _settings(task, new.loaded.card, len(cases), changes)
    for notice in _told_of(settings, len(cases), loaded.card.dims):
        folder.notices.note(notice)
    start = in_mode(new.loaded, task.mode)
    # Looking at a guard and measuring it may take long: a mistake is told before.
    _check(start, cases, settings)
    guard = _guard_of(task, new.loaded.card)
    pacing = partial(
        Pacing.of,
        new.loaded.card,
        settings,
        n_trained=len(cases),
        n_drawn=guard.n_drawn,
    )
    progress = options.get("progress", silent)
    phases = pacing(n_guard=guard.n_expected).phases(progress)

    def begun() -> Watch:
        card, looking = new.loaded.card, phases.of(GUARD)
        guarding = guarding_of(
            task, card, cases, progress=looking, notices=folder.notices
        )
        return Watch.begun(
            guarding,
            new.loaded,
            folder,
            resume=task.resume,
            device=settings.device,
            phases=pacing(n_guard=len(guarding.cases)).phases(progress),
        )

    watch = team_now().wait_for_first(begun)
    phases = phases if watch is None else watch.phases
    options = {**options, "progress": phases.of(TRAINING)}
    fitted = fit_cohort(start, cases, settings=settings, **options)
    if watch is None:
        return fitted, None
    report = watch.report(fitted, folder.path)
    return _with_report(fitted, report), report


def _settings(
    task: TrainingTask, card: ModelCard, n_cases: int, changes: Mapping[str, str]
) -> TrainSettings:
    """Return a task's settings, with what follows from its cases where it is open."""
    if task.preset not in (None, OWN_PRESET):
        return settings_of(task, preset(OWN_PRESET, **changes))
    own = fine_tuning(card, n_cases, **{**changes, **task.settings})
    return settings_of(task.model_copy(update={"preset": None}), own)


def _told_of(settings: TrainSettings, n_cases: int, dims: int) -> Iterator[str]:
    """Say what so many cases can do, and how long is trained on them."""
    if said := what_so_many_can_do(n_cases):
        yield said
    if settings.steps_per_epoch is None:
        return
    steps = settings.epochs * settings.steps_per_epoch
    cases = f"{n_cases:,} case{'s' * (n_cases != 1)}"
    held = held_in_words(settings, n_cases, dims)
    how = f"{steps:,} steps in {settings.epochs} rounds"
    yield f"{cases}: {how}, learning rate {settings.learning_rate:g}; {held}"


def _annotation(settings: TrainSettings) -> Annotation:
    is_sliced = settings.annotated == "slices"
    return Annotation(settings.unlabelled, settings.background, is_sliced)


def _check(loaded: LoadedModel, cases: Sequence[Case], settings: TrainSettings) -> None:
    """Refuse what needs no image to be refused."""
    refuse_unknown_values(cases, loaded.card.attributes)
    if settings.unknown_drivers == "leave-out":
        refuse_unknown_attributes(cases, loaded.card)
    select(copy.deepcopy(loaded.module), settings.train)


def guarding_of(
    task: TrainingTask,
    card: ModelCard,
    cases: Sequence[Case],
    *,
    notices: Notices,
    progress: ProgressHook = silent,
) -> Guarding:
    """Return the guard of a task, looked at.

    Cases that were held out of the cohort do not judge either: they choose the epoch.

    Raises
    ------
    TrainingError, CohortError
        When it cannot be used; says that it is the guard's fault.
    """
    guard = _guard_of(task, card)
    if guard.kind == "none":
        return Guarding.of(guard, card, cases, progress=progress)
    try:
        for reason in check_guard(guard, card, cases):
            notices.note(f"{CANNOT_TELL}: {reason}")
        guarding = Guarding.of(guard, card, cases, progress=progress)
    except CohortError as error:
        raise CohortError(_of_the_guard(error)) from error
    except TrainingError as error:
        raise TrainingError(_of_the_guard(error)) from error
    for notice in guarding.notices:
        notices.note(notice)
    for reason in guarding.reasons:
        notices.note(f"{CANNOT_TELL}: {reason}")
    return guarding


def _guard_of(task: TrainingTask, card: ModelCard) -> Guard:
    """Return the guard that a task names; none where it names none."""
    if task.guard is None:
        return Guard()
    guard = guard_named(task.guard, card, subject=task.subject)
    if guard.kind != "cohort":
        return guard
    both = stated_there(guard.name, task.columns)
    return guard.model_copy(update={"columns": {**both, **task.guard_columns}})


def _of_the_guard(error: Exception) -> str:
    """Say of two tables that may have one name which of them it is."""
    said = str(error)
    return said if said.startswith(("the guard", "--guard")) else f"the guard: {said}"


def _with_report(fitted: Fitted, report: TuningReport) -> Fitted:
    """Return what came of a training with the guard's verdict, on card and record."""
    told = with_verdict(fitted.loaded, report)
    # Beside the Dice that chose the epoch, which stays what the card's Dice is of.
    own = fitted.loaded.card.training
    measured = {name: getattr(own, name) for name in ("dice", "n_held_out", "held_out")}
    stated = told.card.training.model_copy(update=measured)
    loaded = replace(told, card=told.card.model_copy(update={"training": stated}))
    facts = json.loads(fitted.record or "{}")
    facts[TUNING] = json.loads(report.to_json())
    record = json.dumps(facts, indent=1) if fitted.record else ""
    notices = (*fitted.notices, *report.notices)
    return replace(fitted, loaded=loaded, record=record, notices=notices)
