"""What the thread of an audit does, and what it tells. Knows no layer."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_dmoe.evaluation.counterfactual.settings import EVERY_VALUE
from napari_dmoe.progress import ProgressHook, part_of
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fairness.cohort.reading import n_cases, sentence
from napari_dmoe.viewer.fairness.compared.subjects import COLUMN, LOADED, Sort, Subject

if TYPE_CHECKING:
    from napari_dmoe.cohorts.datasets import Cohort
    from napari_dmoe.evaluation.evaluating.scored import Evaluated
    from napari_dmoe.models.checkpoint import LoadedModel


JOURNAL = "evaluation.journal"
"""Name of the file that an evaluation has while it goes on, or was stopped."""

PARTS = "audit.parts"
"""Name of the folder that asking every value has while it goes on, or was stopped."""


ASKED = "what every value gave stands below the groups"


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
    skips: bool = False
    """Whether rows with a problem are left out."""


@dataclass(frozen=True)
class Done:
    """One of what is compared, done."""

    subject: Subject
    evaluated: Evaluated
    audited: Any = None
    why_not_audited: str = ""
    """Why not every value could be asked; nothing where it was, or nobody wished it."""


class Teller(QObject):
    """Hands over to the GUI thread what the work's thread tells.

    It belongs to the work, not to the dock, which may be destroyed meanwhile.
    """

    told = Signal(object)


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
    cohort, skips = task.cohort, task.skips
    if subject.sort is Sort.PREDICTIONS:
        masks = None if subject.key == COLUMN else Path(subject.key)
        return Done(
            subject,
            engines.evaluate_predictions(
                cohort, masks, folder, skips=skips, progress=hook
            ),
        )
    is_loaded = subject.key == LOADED
    loaded = task.loaded if is_loaded else engines.load_checkpoint(subject.key)
    parts = 2 if task.asks_every_value else 1
    first, device = part_of(hook, 0, parts, "evaluating" * (parts > 1)), task.device
    evaluated = engines.evaluate(
        loaded, cohort, folder, device=device, skips=skips, progress=first
    )
    if not task.asks_every_value:
        return Done(subject, evaluated)
    own, second = evaluated.folder or folder, part_of(hook, 1, parts, "every value")
    good = replace(cohort, problems=())  # evaluated: what is wrong was left out
    try:
        audited = engines.audit(
            loaded, good, own / EVERY_VALUE, device=device, progress=second
        )
    except _audit_error() as error:  # a model without drivers: its groups are told
        return Done(subject, evaluated, why_not_audited=str(error))
    return Done(subject, evaluated, audited)


def _audit_error() -> type[Exception]:
    from napari_dmoe.evaluation.counterfactual.audited import AuditError

    return AuditError


def is_stopped(folder: Path) -> bool:
    """Say whether an audit into a folder, or one beside it, was begun and not ended."""
    own = f"{glob.escape(folder.name)}*"
    unfinished = f"{own}/{JOURNAL}", f"{own}/{EVERY_VALUE}/{PARTS}"
    return any(any(folder.parent.glob(each)) for each in unfinished)


def outcome(done: Sequence[Done], output: str, why_slow: str = "") -> str:
    """Say what was audited, what could not be scored, and what was decided."""
    n, cases = len(done[0].evaluated), [case for e in done for case in e.evaluated]
    odd = Counter(case.status for case in cases if case.status != "scored")
    compared = f", {len(done):,} compared" if len(done) > 1 else ""
    said = [f"Audited {n_cases(n)}{compared}, into {output}"]
    said += [", ".join(f"{n:,} {status}" for status, n in odd.items())]
    said += [ASKED] * any(each.audited is not None for each in done)
    said += [
        f"not every value of {each.subject.title} was asked: {each.why_not_audited}"
        for each in done
        if each.why_not_audited
    ]
    said += [note for each in done for note in each.evaluated.facts.notices]
    return " ".join(map(sentence, dict.fromkeys(filter(None, (*said, why_slow)))))
