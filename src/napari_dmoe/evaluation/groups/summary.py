"""One score of an evaluated cohort by group: what a table, a plot and a report show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.groups.intervals import (
    N_RESAMPLES,
    Interval,
    Intervals,
    bootstrap,
)
from napari_dmoe.evaluation.groups.table import GroupRow, GroupTable, disaggregate
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.evaluation.scoring.metrics import METRICS, Convention


@dataclass(frozen=True)
class GroupSummary:
    """One score of a cohort by one grouping, with intervals."""

    region: str
    metric: str
    """A key of :data:`~napari_dmoe.evaluation.scoring.metrics.METRICS`."""
    grouping: Grouping
    table: GroupTable
    """Counts, means, medians and what compares the groups."""
    intervals: Intervals
    """Of the groups' means and of what compares them."""
    notes: tuple[str, ...]
    """What a reader has to know, in sentences: bands, small and empty groups, cases
    that are not counted, and intervals that say little."""

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return METRICS[self.metric].higher_is_better

    @cached_property
    def rows(self) -> tuple[tuple[GroupRow, Interval], ...]:
        """Each group with cases and its interval, in the grouping's order."""
        nothing = Interval(float("nan"), float("nan"))
        found = self.intervals.groups
        return tuple((row, found.get(row.name, nothing)) for row in self.table.rows)


def summarise(
    evaluated: Evaluated,
    region: str,
    metric: str,
    grouping: Grouping,
    *,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    convention: Convention = "default",
) -> GroupSummary:
    """Return one score of an evaluated cohort by group.

    Parameters
    ----------
    evaluated : Evaluated
        The cohort.
    region, metric : str
        What was measured, and how.
    grouping : Grouping
        One of :func:`~napari_dmoe.evaluation.groups.groupings.groupings` of these
        cases.
    seed, n_resamples : int
        Of the intervals.
    convention : {"default", "reference"}
        How the intervals are found:
        :func:`~napari_dmoe.evaluation.groups.intervals.bootstrap`.

    Returns
    -------
    GroupSummary
        It does not depend on the order of the cases. Groups of a signed metric have
        means, and nothing that ranks them.

    Raises
    ------
    MetricError
        When the region or the metric was not measured, or the grouping is of other
        cases.
    """
    _check(evaluated, region, metric, grouping)
    values = evaluated.values(region, metric)
    is_better = METRICS[metric].higher_is_better
    table = disaggregate(
        values,
        grouping.of_case,
        higher_is_better=is_better,
        expected=grouping.values,
        is_missed=evaluated.is_missed(region, metric),
    )
    intervals = bootstrap(
        values,
        grouping.of_case,
        subjects=subjects_of(evaluated.cases),
        seed=seed,
        higher_is_better=is_better,
        n_resamples=n_resamples,
        convention=convention,
    )
    if METRICS[metric].is_signed:
        table, intervals = _not_ranked(table), _means_alone(intervals)
    notes = dict.fromkeys((*grouping.notices, *table.notes, *intervals.notes))
    return GroupSummary(region, metric, grouping, table, intervals, tuple(notes))


_UNRANKED = (
    "0 is best and both sides of it are worse, so that no group is called the worst"
)


def _not_ranked(table: GroupTable) -> GroupTable:
    """Return a table of means alone: in a mean, both directions may cancel."""
    nothing = dict.fromkeys(table.statistics, math.nan)
    statistics = nothing | {"mean": table.statistics["mean"]}
    notes = (*table.notes, _UNRANKED)
    return replace(table, worst=None, statistics=statistics, notes=notes)


def _means_alone(intervals: Intervals) -> Intervals:
    nothing = dict.fromkeys(intervals.statistics, Interval(math.nan, math.nan))
    statistics = nothing | {"mean": intervals.statistics["mean"]}
    kept = {*intervals.groups, "mean"}
    methods = {name: how for name, how in intervals.methods.items() if name in kept}
    return replace(intervals, statistics=statistics, methods=methods)


def subjects_of(cases: Sequence[ScoredCase]) -> list[str | int]:
    """Return whom each case shows; the case itself where nobody says."""
    return [c.number if c.subject is None else c.subject for c in cases]


def _check(evaluated: Evaluated, region: str, metric: str, grouping: Grouping) -> None:
    if metric not in METRICS:
        raise MetricError(f"there is no metric {metric!r}: use {', '.join(METRICS)}")
    if not evaluated.is_measured(region, metric):
        measured = {(s.region, s.metric) for c in evaluated.cases for s in c.scores}
        found = ", ".join(dict.fromkeys(f"{r} {m}" for r, m in sorted(measured)))
        raise MetricError(
            f"{metric} of {region} was not measured: {evaluated.facts.title} has "
            f"{found}"
        )
    if len(grouping.of_case) != len(evaluated):
        raise MetricError(
            f"the grouping {grouping.name} is of {len(grouping.of_case)} cases and the "
            f"cohort has {len(evaluated)}: make it of the same cases"
        )
