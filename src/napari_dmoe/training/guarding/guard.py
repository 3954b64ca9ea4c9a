"""The guard: labelled cases of every group that nothing is trained on.

Only with a guard can be said that no group got worse. It is a cohort on disk, or, for
the bundled models, phantoms of the model's own kind from another seed than theirs.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.integrate import trapezoid
from scipy.special import pdtr

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.cohorts.classes import ClassedCases, LabelReading
from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.cohorts.layouts.opening import usable_cohort
from napari_dmoe.cohorts.tables.columns import columns_told
from napari_dmoe.evaluation.groups.membership import crossed
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.naming import as_known
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.cases.annotation import IGNORED, TrainingError
from napari_dmoe.training.guarding.groups import attributes_to_compare

TUNED = "-tuned"
"""What the name of a tuned model's card ends in."""

PLANES, VOLUMES = 60, 40
"""Phantoms of a full guard: ten or more of every group of the bundled models, as many
as a verdict on every group needs."""

QUICK = 12
"""Phantoms of a quick guard: a look while one waits, and no verdict on a group."""

GUARD_SEED = 6006
_DRAWS, _STEPS = 8, 100_000
_WATCHED_PLANES, _WATCHED_VOLUMES = 24, 4


class Guard(BaseModel):
    """Where the guard's cases come from.

    Parameters
    ----------
    kind : {"none", "phantoms", "cohort"}
        None; drawn; or read.
    name : str
        What is drawn, a key of :data:`napari_dmoe.phantoms.kinds.KINDS`; or the
        folder or table that is read.
    n, seed : int
        Of phantoms.
    subject : str, optional
        The column of the table that tells of which patient or lesion a case is; by
        default it is found by its name.
    columns : mapping of str to str
        What columns of the table mean, where that is not what their names say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["none", "phantoms", "cohort"] = "none"
    name: str = ""
    n: int = Field(PLANES, gt=0)
    seed: int = Field(GUARD_SEED, ge=0)
    subject: str | None = None
    columns: Mapping[str, str] = Field(default_factory=dict)

    @property
    def n_drawn(self) -> int:
        """How many cases are drawn."""
        return self.n if self.kind == "phantoms" else 0

    @property
    def n_expected(self) -> int:
        """About how many cases there are, before it was looked at."""
        return 0 if self.kind == "none" else self.n

    @property
    def title(self) -> str:
        """What it is, in words."""
        if self.kind == "none":
            return "none"
        if self.kind == "phantoms":
            return f"{self.n} {self.name} phantoms"
        return Path(self.name).name


def phantom_guard(card: ModelCard) -> Guard | None:
    """Return the phantoms that can guard a model that saw nothing else, else None."""
    kind = card.training.phantoms
    if kind is None or kind not in KINDS:
        return None
    n = VOLUMES if card.dims == 3 else PLANES
    return Guard(kind="phantoms", name=kind, n=n)


def guard_cases(
    guard: Guard, card: ModelCard, *, progress: ProgressHook = silent
) -> Sequence[Case]:
    """Return a guard's cases, those of a cohort without reading their images.

    Parameters
    ----------
    guard : Guard
        Which.
    card : ModelCard
        Phantoms are balanced over the groups that its attributes make.
    progress : callable
        Told after every phantom. It may raise ``Cancelled``.

    Raises
    ------
    CohortError
        When a cohort cannot be read.
    TrainingError
        When it has no labels, or there are no such phantoms.
    """
    if guard.kind == "none":
        return ()
    if guard.kind == "phantoms":
        return _drawn(guard, card, progress)
    drivers = [attribute.name for attribute in card.attributes]
    cohort = usable_cohort(
        guard.name, subject=guard.subject, drivers=drivers, columns=guard.columns
    )
    places = [i for i, row in enumerate(cohort.rows) if row.labels is not None]
    if not places:
        raise TrainingError(
            f"{guard.title} has no labels, so that nothing can be compared with them "
            f"(its columns: {columns_told(cohort.header) or 'none'}): choose a guard "
            "with labels, or none"
        )
    reading = LabelReading(card.classes, unlabelled=IGNORED, is_stated=False)
    rows, notices = tuple(cohort.rows[i] for i in places), cohort.notices
    if n := len(cohort.rows) - len(rows):
        notices = (*notices, f"rows without labels are left out (n {n})")
    return ClassedCases(replace(cohort, rows=rows, notices=notices), reading)


def _drawn(guard: Guard, card: ModelCard, progress: ProgressHook) -> list[Case]:
    """Draw phantoms until every group has its share; rare groups may get less.

    Those that show nothing, as some volumes do, are passed over: no loss shows in them.
    """
    if guard.name not in KINDS:
        known = ", ".join(KINDS)
        raise TrainingError(f"there are no {guard.name!r} phantoms: use {known}")
    n_groups = math.prod(len(a.values) for a in card.attributes)
    share = -(-guard.n // n_groups)
    counts: Counter[str] = Counter()
    drawn: list[Case] = []
    cohort = KINDS[guard.name].cohort(_DRAWS * guard.n, seed=guard.seed)
    progress(Progress(0, 1, "drawing the guard"))
    still = itertools.takewhile(lambda _: len(drawn) < guard.n, cohort)
    for tries, case in enumerate(still, start=1):
        (group,), _ = crossed([case.patient], card.attributes)
        if counts[group] < share and _shows_something(case):
            counts[group] += 1
            drawn.append(case)
        missing = [share - n for n in counts.values()]
        missing += [share] * (n_groups - len(counts))
        wanted = (guard.n - len(drawn)) / (sum(missing) or 1)
        whole = tries + wanted * tries_to_fill(missing)
        at = round(_STEPS * tries / whole)
        progress(Progress(at, _STEPS, "drawing the guard"))
    return drawn


def tries_to_fill(missing: Sequence[int]) -> float:
    """Return how many draws it takes on average until no group misses a case.

    Groups are equally frequent. The last ones take most of the draws, which counting
    cases would not tell.

    Notes
    -----
    The integral over t of 1 minus the product over groups of P(N >= missing), N being
    Poisson with mean t over the number of groups.
    """
    n, most = len(missing), max(missing, default=0)
    if not most:
        return 0.0
    means = np.linspace(0, most + 5 * math.sqrt(most) + math.log(n) + 5, 400)
    is_full = math.prod(1 - pdtr(m - 1, means) for m in missing if m)
    return float(n * trapezoid(1 - is_full, means))


def _shows_something(case: Case) -> bool:
    return case.labels is not None and bool(np.asarray(case.labels.data).any())


def watched(
    cases: Sequence[Case], card: ModelCard, *, are_known: bool = True
) -> Sequence[Case]:
    """Return some of a guard's cases to measure after each epoch, of every group alike.

    Only cases without a value that the card lacks, and, if `are_known`, of which a
    driver is known; none where there is no such case.
    """
    patients, drivers = patients_of(cases), card.attributes
    is_open = not drivers or not are_known
    usable = [
        i
        for i, patient in enumerate(patients)
        if as_known(patient, card.attributes) == patient
        and (is_open or any(a.value_of(patient) is not None for a in drivers))
    ]
    if not usable:
        return ()
    most = _WATCHED_VOLUMES if card.dims == 3 else _WATCHED_PLANES
    _, group = crossed([patients[i] for i in usable], card.attributes)
    rank: Counter[int] = Counter()
    order = []
    for place, number in zip(usable, group.tolist(), strict=True):
        order.append((rank[number], place))
        rank[number] += 1
    return Selection(cases, sorted(place for _, place in sorted(order)[:most]))


def groups_to_compare(
    guard: Guard,
    patients: Sequence[Patient],
    card: ModelCard,
    subjects: Sequence[str | None] | None = None,
) -> tuple[CardAttribute, ...]:
    """Return the attributes whose groups are compared.

    Those of the card, and of a cohort also those that
    :func:`napari_dmoe.training.guarding.groups.attributes_to_compare` names.
    """
    if guard.kind != "cohort":
        return card.attributes
    return attributes_to_compare(patients, card, subjects)
