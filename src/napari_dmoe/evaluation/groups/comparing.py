"""Whether one of two evaluated cohorts is better: paired by case, with Holm's p.

The two may be checkpoints, settings, or folders of predictions of the same cases. What
is said of them in sentences stands in
:mod:`napari_dmoe.evaluation.groups.comparison_words`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.groups.comparison_words import notes_of, sentences_of
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.groups.groupings import groupings as groupings_of
from napari_dmoe.evaluation.groups.intervals import (
    N_RESAMPLES,
    Interval,
    bootstrap_difference,
)
from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.groups.paired import paired_interval, paired_p
from napari_dmoe.evaluation.groups.resampling import strata_of
from napari_dmoe.evaluation.groups.swapping import swapped_p
from napari_dmoe.evaluation.groups.table import Values, counted_mean, group_order
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.evaluation.scoring.metrics import METRICS

Verdict = Literal["better", "worse", "no difference", "too few"]
"""Of the second, compared with the first."""

ALPHA = 0.05
"""Corrected p up to which a difference is called one."""

BETWEEN = ("gap", "es_sum")
"""What compares groups and is compared in turn."""


@dataclass(frozen=True)
class Comparison:
    """How far two evaluated cohorts differ in one number."""

    region: str
    metric: str
    grouping: str
    """Name of the grouping; ``"all"`` for the whole cohort."""
    group: str
    """The group; empty for the whole cohort, and for what compares groups."""
    statistic: str
    """``"mean"``, ``"gap"`` or ``"es_sum"``."""
    n: int
    """Cases that both have a score of."""
    first: float
    second: float
    interval: Interval
    """Of the second minus the first; NaN where there are too few cases."""
    p: float
    """Of no difference; NaN where there are too few cases."""
    p_holm: float = math.nan
    """Corrected by Holm for all comparisons that are shown."""
    verdict: Verdict = "too few"

    @property
    def difference(self) -> float:
        """The second minus the first."""
        return self.second - self.first

    @property
    def rise(self) -> float:
        """By how much the second is better; below 0 where it is worse."""
        is_up = METRICS[self.metric].higher_is_better and self.statistic != "gap"
        return self.difference if is_up else -self.difference


@dataclass(frozen=True)
class Comparisons:
    """All that two evaluated cohorts are compared by."""

    titles: tuple[str, str]
    rows: tuple[Comparison, ...]
    n_pairs: int
    """Cases that both have."""
    n_only_first: int
    n_only_second: int
    sentences: tuple[str, ...]
    """What was found, one sentence a region and metric."""
    notes: tuple[str, ...] = ()
    """What a reader has to know, in sentences."""

    @property
    def any_difference(self) -> bool:
        """Whether anything is called a difference."""
        return any(row.verdict in ("better", "worse") for row in self.rows)


def compare(
    first: Evaluated,
    second: Evaluated,
    *,
    regions: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    groupings: Sequence[Grouping] | None = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Comparisons:
    """Compare two evaluated cohorts case by case.

    Parameters
    ----------
    first, second : Evaluated
        Of the same cases, told by their ids. What only one has is counted, and not
        compared.
    regions, metrics : sequence of str, optional
        What to compare; all that both have by default. Every one of them is corrected
        for, so name those that you mean to look at.
    groupings : sequence of Grouping, optional
        Of the first's cases; by default all that
        :func:`~napari_dmoe.evaluation.groups.groupings.groupings` finds, and none for
        ``()``.
    seed, n_resamples : int
        Of the intervals and tests of what compares groups.

    Returns
    -------
    Comparisons
        The second minus the first: over all cases, in each group, and in the gap and
        the equity-scaled score (sum) of each grouping.

    Raises
    ------
    MetricError
        When they have no case, region or metric in common, or a grouping is of other
        cases.

    Notes
    -----
    *Means*: a paired t test over subjects, and its interval; p is never below what
    flipping the signs of so few subjects could give. *Gap and equity-scaled score*:
    the two scores of each subject are swapped at random, which makes models that are
    alike no different; intervals resample subjects within groups (BCa). A difference
    is called one where p, corrected by Holm for all rows together, is at most 0.05 and
    0 lies outside its interval: if nothing differs, that happens in at most 5 of 100
    audits, as ``benchmarks/null_audits.py`` measures.

    References
    ----------
    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6
    (1979), 65-70.
    """
    given = groupings_of(first) if groupings is None else groupings
    pairs = _Pairs(first, second, given)
    shared = _shared(first, second, regions, metrics)
    found = [
        row
        for region, metric in shared
        for row in pairs.rows(region, metric, seed=seed, n_resamples=n_resamples)
    ]
    rows = _judged(found)
    titles = _titles(first, second)
    counts = (len(pairs.places), pairs.n_only_first, pairs.n_only_second)
    return Comparisons(
        titles,
        rows,
        *counts,
        sentences=sentences_of(titles, rows),
        notes=(*notes_of(titles, first, second, counts), *pairs.notes),
    )


class _Pairs:
    """The cases that both cohorts have, and the groups that they belong to."""

    def __init__(
        self, first: Evaluated, second: Evaluated, groupings: Sequence[Grouping]
    ) -> None:
        self.first, self.second, self.groupings = first, second, groupings
        theirs = {case.id: place for place, case in enumerate(second)}
        self.places = [
            (place, theirs[case.id])
            for place, case in enumerate(first)
            if case.id in theirs
        ]
        if not self.places:
            raise MetricError(
                f"{first.facts.title} and {second.facts.title} have no case in common: "
                "compare what was evaluated on the same cohort; cases are told by "
                "their ids"
            )
        for grouping in groupings:
            if len(grouping.of_case) != len(first):
                raise MetricError(
                    f"the grouping {grouping.name} is of {len(grouping.of_case)} cases "
                    f"and the first cohort has {len(first)}: make it of its cases"
                )
        self.n_only_first = len(first) - len(self.places)
        self.n_only_second = len(second) - len(self.places)
        mine = [first[place] for place, _ in self.places]
        self.subjects: list[Hashable] = [
            ("case", case.id) if case.subject is None else case.subject for case in mine
        ]
        self.notes: list[str] = []

    def rows(
        self, region: str, metric: str, *, seed: int, n_resamples: int
    ) -> Iterator[Comparison]:
        """Yield what is compared of one region and metric."""
        before, after = (
            METRICS[metric].compared(
                cohort.values(region, metric)[[pair[side] for pair in self.places]]
            )
            for side, cohort in enumerate((self.first, self.second))
        )
        one_alone = int((np.isnan(before) != np.isnan(after)).sum())
        if one_alone:
            self.notes.append(
                f"{region}, {METRICS[metric].title}: {one_alone} cases have a score of "
                "one of the two alone, and are not compared"
            )
        counts = ~np.isnan(before) & ~np.isnan(after)
        nothing = Interval(math.nan, math.nan)
        whole = Comparison(
            region=region,
            metric=metric,
            grouping=EVERYBODY,
            group="",
            statistic="mean",
            n=0,
            first=math.nan,
            second=math.nan,
            interval=nothing,
            p=math.nan,
        )
        yield self._mean(whole, before, after, counts)
        for grouping in self.groupings:
            groups = [grouping.of_case[place] for place, _ in self.places]
            part = replace(whole, grouping=grouping.name)
            for name in group_order(groups, grouping.values):
                own = counts & np.array([group == name for group in groups], bool)
                if own.any():
                    group = replace(part, group=name)
                    yield self._mean(group, before, after, own)
            yield from self._between(
                part, before, after, groups, seed=seed, n_resamples=n_resamples
            )

    def _mean(
        self,
        row: Comparison,
        before: Values,
        after: Values,
        counts: NDArray[np.bool_],
    ) -> Comparison:
        own = np.flatnonzero(counts)
        subjects = [self.subjects[place] for place in own]
        changes = (after - before)[own].tolist()
        return replace(
            row,
            n=len(own),
            first=counted_mean(before[own]),
            second=counted_mean(after[own]),
            interval=paired_interval(changes, subjects),
            p=paired_p(changes, subjects),
        )

    def _between(
        self,
        row: Comparison,
        before: Values,
        after: Values,
        groups: Sequence[str | None],
        *,
        seed: int,
        n_resamples: int,
    ) -> Iterator[Comparison]:
        """Yield the gap and the equity-scaled score of one grouping."""
        is_up = METRICS[row.metric].higher_is_better
        pair = np.stack([before, after])
        strata = strata_of(pair, groups, self.subjects)
        if len(strata) < 2:
            return
        found = swapped_p([*strata.values()], BETWEEN, is_up, seed)
        intervals = bootstrap_difference(
            after,
            before,
            groups,
            seed=seed,
            subjects=self.subjects,
            higher_is_better=is_up,
            n_resamples=n_resamples,
        ).statistics
        n = int(sum(own.n_cases for own in strata.values()))
        for name in BETWEEN if is_up else BETWEEN[:1]:
            first, second, p = found[name]
            yield replace(
                row,
                statistic=name,
                n=n,
                first=first,
                second=second,
                interval=intervals[name],
                p=p,
            )


def holm(ps: Sequence[float]) -> list[float]:
    """Return p corrected by Holm; NaN is none, and does not count.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted((p, place) for place, p in enumerate(ps) if not math.isnan(p))
    found, least = [math.nan] * len(ps), 0.0
    for rank, (p, place) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - rank)))
        found[place] = least
    return found


def _judged(rows: Sequence[Comparison]) -> tuple[Comparison, ...]:
    corrected = holm([row.p for row in rows])
    return tuple(
        replace(row, p_holm=p, verdict=_verdict(row, p))
        for row, p in zip(rows, corrected, strict=True)
    )


def _verdict(row: Comparison, p: float) -> Verdict:
    if math.isnan(p):
        return "too few"
    # Models that differ may have gaps that do not: swapped scores cannot tell that.
    may_be_none = row.interval.low <= 0 <= row.interval.high
    if p > ALPHA or row.rise == 0 or may_be_none:
        return "no difference"
    return "better" if row.rise > 0 else "worse"


def _shared(
    first: Evaluated,
    second: Evaluated,
    regions: Sequence[str] | None,
    metrics: Sequence[str] | None,
) -> list[tuple[str, str]]:
    """Return the regions and metrics that both were measured by, as asked for."""
    own, theirs = (
        dict.fromkeys((s.region, s.metric) for case in each for s in case.scores)
        for each in (first, second)
    )
    shared = [
        (region, metric)
        for region, metric in own
        if (region, metric) in theirs
        and (regions is None or region in regions)
        and (metrics is None or metric in metrics)
    ]
    missing = [r for r in regions or () if r not in {region for region, _ in shared}]
    missing += [m for m in metrics or () if m not in {metric for _, metric in shared}]
    if missing or not shared:
        there = ", ".join(f"{r} {m}" for r, m in own if (r, m) in theirs) or "nothing"
        raise MetricError(
            f"{missing[0] if missing else 'a region and metric'} is not measured of "
            f"both {first.facts.title} and {second.facts.title}: both have {there}"
        )
    return shared


def _titles(first: Evaluated, second: Evaluated) -> tuple[str, str]:
    one, other = first.facts.title, second.facts.title
    return (f"{one} (first)", f"{other} (second)") if one == other else (one, other)
