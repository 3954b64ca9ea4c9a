"""What the thread of an audit does, and what it tells. Knows no layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_dmoe.progress import ProgressHook, part_of
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fairness.cohort.control import CASES
from napari_dmoe.viewer.fairness.compared.subjects import COLUMN, LOADED, Sort, Subject

if TYPE_CHECKING:
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.evaluation.evaluating.scored import Evaluated
    from napari_dmoe.models.checkpoint import LoadedModel


@dataclass(frozen=True)
class Task:
    """What is to be audited, as it was when it was begun."""

    cohort: Cohort
    items: Sequence[tuple[Subject, Path]]
    """What is compared, each with the folder of its files."""
    loaded: LoadedModel | None
    """The model that is loaded in the window."""
    device: str
    asks_every_value: bool = False


@dataclass(frozen=True)
class Done:
    """One of what is compared, done."""

    subject: Subject
    evaluated: Evaluated
    audited: Any = None


class Teller(QObject):
    """Hands over to the GUI thread what the work's thread tells.

    It belongs to the work, not to the dock, which may be destroyed meanwhile.
    """

    told = Signal(object)


def without_problems(cohort: Cohort) -> Cohort:
    """Return a cohort that leaves out the rows with a problem, and says so."""
    rows = {problem.row for problem in cohort.problems}
    if not rows:
        return cohort
    n = len(rows)
    said = f"{n:,} row{'s' * (n != 1)} with a problem left out, as you said"
    return replace(cohort, problems=(), notices=(*cohort.notices, said))


def run_audit(
    engines: Engines, teller: Teller, task: Task, hook: ProgressHook
) -> list[Done]:
    """Evaluate a cohort with each of what is compared; called in the work's thread."""
    done = []
    for number, (subject, folder) in enumerate(task.items):
        progress = part_of(hook, number, len(task.items), _words(task, subject))
        found = _one(engines, task, subject, folder, progress)
        done.append(found)
        teller.told.emit(found)
    return done


def _words(task: Task, subject: Subject) -> str:
    return subject.title if len(task.items) > 1 else ""


def _one(
    engines: Engines, task: Task, subject: Subject, folder: Path, hook: ProgressHook
) -> Done:
    if subject.sort is Sort.PREDICTIONS:
        masks = None if subject.key == COLUMN else Path(subject.key)
        found = engines.evaluate_predictions(task.cohort, masks, folder, progress=hook)
        return Done(subject, found)
    is_loaded = subject.key == LOADED
    loaded = task.loaded if is_loaded else engines.load_checkpoint(subject.key)
    parts = 2 if task.asks_every_value else 1
    evaluated = engines.evaluate(
        loaded,
        task.cohort,
        folder,
        device=task.device,
        progress=part_of(hook, 0, parts, "evaluating" * (parts > 1)),
    )
    if not task.asks_every_value:
        return Done(subject, evaluated)
    audited = engines.audit(
        loaded,
        task.cohort,
        folder,
        device=task.device,
        progress=part_of(hook, 1, parts, "asking every value"),
    )
    return Done(subject, evaluated, audited)


def free_folder(folder: Path) -> Path:
    """Return a folder in which no finished audit is: a number is added where one is.

    One that was stopped is gone on with.
    """
    free, number = folder, 1
    while (free / CASES).is_file():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def is_stopped(folder: Path) -> bool:
    """Say whether a folder holds an audit that was begun and not finished."""
    if (folder / CASES).is_file() or not folder.is_dir():
        return False
    return any(folder.iterdir())
