"""What may be said of the groups after a tuning, and in which words.

"No group got worse" is said only where a guard was fit to tell: it shared nothing with
what was trained on (:mod:`napari_dmoe.training.guarding.at_work` sees to that), it has
enough cases of every group that the model was trained on, and for each group and region
the interval of the change on the same cases excludes a loss beyond the tolerance. As
each of them has to hold, no correction for their number is due.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from napari_dmoe.evaluation.groups.membership import EVERYBODY, SMALL_GROUP
from napari_dmoe.training.guarding.changes import Change

if TYPE_CHECKING:
    from napari_dmoe.training.guarding.report import TuningReport

TOLERANCE = 0.01
"""A group whose Dice fell by more is said to have got worse."""

_MOST = 30
"""Groups and regions that one list names: a model's card has room for some pages."""

_IN_FULL = 3
"""Changes that a sentence tells with their numbers; of more, the worst alone."""

NO_GUARD = "there was no guard"
NO_GROUPS = "the guard's cases belong to no group of people"

Verdict = Literal["not checked", "no group got worse", "worse"]


def worse(guard: Sequence[Change], tolerance: float) -> tuple[Change, ...]:
    """Return what fell by more than a tolerance, where enough cases say so."""
    return tuple(c for c in guard if c.is_enough and c.is_surely_worse(tolerance))


def of(fell: Sequence[Change], why_not: Sequence[str]) -> Verdict:
    """Return the verdict on what fell, and on what speaks against one."""
    if fell:
        return "worse"
    return "not checked" if why_not else "no group got worse"


def reasons(
    guard: Sequence[Change],
    *,
    missing: Sequence[str],
    required: Sequence[str] | None,
    tolerance: float,
    given: Sequence[str],
) -> tuple[str, ...]:
    """Return why it was not checked that no group got worse; nothing where it was.

    Parameters
    ----------
    guard : sequence of Change
        What the guard showed.
    missing : sequence of str
        Groups of the model that it has no case of.
    required : sequence of str, optional
        Groups that have to be checked; every group of `guard` and `missing` by default.
    tolerance : float
        How much a group's Dice may fall.
    given : sequence of str
        What is known to speak against it; it comes first.
    """
    if not guard:
        return tuple(given) or (NO_GUARD,)
    there = tuple(dict.fromkeys(c.group for c in guard if c.group != EVERYBODY))
    if not there:
        return _once((*given, NO_GROUPS))
    needed = (*there, *missing) if required is None else tuple(required)
    absent = [name for name in needed if name not in there]
    said = [f"the guard has no case of {listed(absent)}"] if absent else []
    lost = [c for c in guard if c.is_enough and c.before <= tolerance]
    if lost:
        names = [f"{c.group}, {c.region} (n {c.n_compared})" for c in lost]
        said.append(f"too little was found before to tell a loss: {listed(names)}")
    unseen = [c.region for c in guard if c.group == EVERYBODY and not c.n_checking]
    if unseen:
        said.append(f"no case of the guard shows {listed(unseen)}")
    rows = [c for c in guard if c.region not in unseen]
    if not any(c.is_enough for c in rows if c.group != EVERYBODY):
        needed = there  # a verdict on nobody is none
    few = _groups(c for c in rows if not c.is_enough and c.group in needed)
    if few:
        said.append(f"fewer than {SMALL_GROUP} cases of {listed(few)}")
    small = [c for c in rows if not c.is_enough and c.is_worse(tolerance)]
    fallen = _in_words([c for c in small if c.group != EVERYBODY])
    if fallen:
        said.append(f"too few cases to tell whether this is a loss: {listed(fallen)}")
    open_ = [c for c in rows if c.is_enough and not c.excludes(tolerance)]
    unsure = _in_words([c for c in open_ if not c.is_surely_worse(tolerance)])
    if unsure:
        said.append(
            f"a loss of more than {tolerance:g} cannot be excluded: {listed(unsure)}"
        )
    return _once((*given, *said))


def _in_words(rows: Sequence[Change]) -> list[str]:
    """Tell changes with their numbers; of many the worst, and the others by name.

    A table with all of them stands beside every verdict.
    """
    if len(rows) <= _IN_FULL:
        return [change.said for change in rows]
    worst = min(rows, key=_fall)
    told, others = [worst.said], [c for c in rows if c is not worst]
    for name, own in itertools.groupby(others, key=lambda row: row.group):
        regions = [change.region for change in own]
        few = ", ".join(regions)
        many = f"{len(regions)} classes"
        told.append(f"{name} ({few if len(regions) <= _IN_FULL else many})")
    return told


def _fall(change: Change) -> float:
    return min((g for g in (change.gain, change.least) if g == g), default=0.0)


def _groups(rows: Iterable[Change]) -> list[str]:
    """Name groups, each with its least number of cases that say something."""
    told = []
    for name, own in itertools.groupby(rows, key=lambda row: row.group):
        least = min(own, key=lambda row: row.n_checking)
        shown = f", {least.region}" if least.n_checking < least.n else ""
        told.append(f"{name}{shown} (n {least.n_checking})")
    return told


def said(report: TuningReport) -> str:
    """Return the verdict in words, that dock, terminal, JSON and card all repeat."""
    because = f"not checked: {'; '.join(report.reasons)}"
    if report.verdict == "not checked":
        return f"{because}."
    by = f"by more than {report.tolerance:g} Dice"
    if report.verdict == "worse":
        names = listed(_in_words(report.worse), "; ")
        rest = f" Otherwise {because}." if report.reasons else ""
        return f"worse {by}: {names}.{rest}"
    checked = _checked(report.guard, enough=True)
    words = f"no group got worse {by} ({listed(checked, '; ')})."
    few = _checked(report.guard, enough=False)
    if few:
        words += f" Too few to say anything of: {listed(few)}."
    if report.missing:
        words += (
            f" Nothing trained, and the guard has no case of: {listed(report.missing)}."
        )
    return words


def said_of_cases(report: TuningReport) -> str:
    """Return in words what got worse on the very cases that were trained on."""
    if not report.worse_cases:
        return ""
    fell = [
        f"{c.region} {c.before:.3f} -> {c.after:.3f} ({c.gain:+.3f})"
        for c in report.worse_cases
    ]
    whose = "its own case" if report.n_cases == 1 else "its own cases"
    return f"worse on {whose}, which it was trained on: {listed(fell)}."


def _checked(guard: Sequence[Change], *, enough: bool) -> list[str]:
    rows = [c for c in guard if c.group != EVERYBODY]
    named = []
    for name, own in itertools.groupby(rows, key=lambda row: row.group):
        changes = list(own)
        if all(c.is_enough for c in changes) == enough:
            named.append(f"{name} n {min(c.n_checking for c in changes)}")
    return named


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Return names in one sentence, the first ones where they are very many."""
    every = list(names)
    more = len(every) - _MOST
    told = [*every[:_MOST], f"and {more:,} more"] if more > 0 else every
    return between.join(told)
