"""The scores of a cohort's cases by patient group, and what groups are compared by.

Worst group, gap, skewness and the equity-scaled scores take the groups' means, one set
of them or many at once. How cases are scored stands in
:mod:`napari_dmoe.evaluation.scoring.metrics`, who belongs to a group in
:mod:`napari_dmoe.evaluation.groups.membership`, and how sure the results are in
:mod:`napari_dmoe.evaluation.groups.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_dmoe.evaluation.groups.membership import SMALL_GROUP, people
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.patient import is_missing, is_unknown

Values = NDArray[np.float64]

STATISTICS = ("mean", "worst", "gap", "ratio", "skewness", "es_sum", "es_std")
"""Keys of :func:`statistics`."""


def numbers(values: Any) -> Values:
    """Return scores as an array, with NaN where a table has none.

    Parameters
    ----------
    values : array-like
        Numbers; None, NaN, pandas' NA, masked values and ``""`` are no score.

    Raises
    ------
    MetricError
        When one of them is something else.
    """
    if np.ma.isMaskedArray(values):
        return np.asarray(np.ma.filled(values.astype(np.float64), np.nan))
    if isinstance(values, list | tuple):  # numpy would warn of masked ones
        values = [math.nan if each is np.ma.masked else each for each in values]
    listed = np.asarray(values)
    if listed.dtype.kind in "buif":
        return listed.astype(np.float64, copy=False)
    flat = [_number(value) for value in np.asarray(values, object).ravel()]
    return np.array(flat, np.float64).reshape(listed.shape)


def _number(value: Any) -> float:
    if is_unknown(value):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise MetricError(
            f"scores are numbers, or NaN where there is none: found a "
            f"{type(value).__name__}"
        ) from None


def es_sum(overall: ArrayLike, means: ArrayLike) -> Values:
    """Return the equity-scaled score, in the form with the sum of the gaps.

    Parameters
    ----------
    overall : (...) array
        Mean over all cases.
    means : (G, ...) array
        Means of the groups.

    Returns
    -------
    (...) float array
        ``I / (1 + sum_g |I - I_g|)``, which the published tables use. Comparable only
        with the same form.

    References
    ----------
    Y. Tian et al., FairSeg, ICLR 2024, arXiv:2311.02189.

    Examples
    --------
    >>> float(es_sum(0.77, [0.85, 0.65]).round(6))
    0.641667
    """
    whole, parts = numbers(overall), numbers(means)
    return np.asarray(whole / (1 + np.abs(whole - parts).sum(0)), np.float64)


def es_std(overall: ArrayLike, means: ArrayLike) -> Values:
    """Return the equity-scaled score, in the form with the spread of the groups.

    Parameters
    ----------
    overall, means
        As for :func:`es_sum`.

    Returns
    -------
    (...) float array
        ``I / (1 + sd_g(I_g))`` with the sample's standard deviation (G - 1), which is
        0 for one group.

    References
    ----------
    Y. Tian et al., FairSeg, ICLR 2024, arXiv:2311.02189, whose code has both forms.

    Examples
    --------
    >>> float(es_std(0.77, [0.85, 0.65]).round(6))
    0.674598
    """
    whole, parts = numbers(overall), numbers(means)
    spread = parts.std(0, ddof=1) if len(parts) > 1 else np.zeros(parts.shape[1:])
    return np.asarray(whole / (1 + spread), np.float64)


def statistics(
    overall: ArrayLike, means: ArrayLike, *, higher_is_better: bool = True
) -> dict[str, Values]:
    """Return what groups are compared by.

    Parameters
    ----------
    overall : (...) array
        Mean over all cases.
    means : (G, ...) array
        Means of the groups that have a counted case, at least one.
    higher_is_better : bool
        Direction of the score.

    Returns
    -------
    dict of str to (...) float array
        ``mean``; ``worst``, the worst group's mean; ``gap``, best and worst apart;
        ``ratio``, the smallest mean over the largest, NaN unless both are positive or
        the smallest is 0; ``skewness``, the worst group's error over the best group's,
        with an error of 1 - score where higher is better, NaN where the best has none;
        ``es_sum`` and ``es_std``, NaN where lower is better, because they would reward
        a gap.
    """
    whole, parts = numbers(overall), numbers(means)
    lowest, highest = parts.min(0), parts.max(0)
    errors = (1 - lowest, 1 - highest) if higher_is_better else (highest, lowest)
    undefined = np.full(np.shape(whole), np.nan)
    skewness = np.divide(
        errors[0], errors[1], out=undefined.copy(), where=errors[1] > 0
    )
    ratio = np.divide(
        lowest, highest, out=undefined.copy(), where=(highest > 0) & (lowest >= 0)
    )
    return {
        "mean": whole,
        "worst": lowest if higher_is_better else highest,
        "gap": highest - lowest,
        "ratio": ratio,
        "skewness": skewness,
        "es_sum": es_sum(whole, parts) if higher_is_better else undefined,
        "es_std": es_std(whole, parts) if higher_is_better else undefined,
    }


@dataclass(frozen=True)
class GroupRow:
    """One patient group.

    Parameters
    ----------
    name : str
        The attribute's value, or several joined by commas.
    n : int
        Cases.
    n_nan : int
        Cases without a score, which do not count.
    n_missed : int
        Cases of which one mask lacks what the other has.
    mean, sd : float
        Of the counted cases' scores; NaN where none counts, or for one alone.
    median : float
        Of the counted cases' scores; NaN where none counts.
    """

    name: str
    n: int
    n_nan: int
    n_missed: int
    mean: float
    sd: float
    median: float = math.nan

    @property
    def n_counted(self) -> int:
        """Cases with a score."""
        return self.n - self.n_nan

    @property
    def is_small(self) -> bool:
        """Whether fewer than :data:`SMALL_GROUP` cases count."""
        return self.n_counted < SMALL_GROUP


@dataclass(frozen=True)
class GroupTable:
    """One score of a cohort by group.

    Parameters
    ----------
    rows : tuple of GroupRow
        Groups with cases, in the order asked for.
    n, n_nan, n_missed : int
        Cases with a known group; those without a score, and the misses among them.
    n_without_group : int
        Cases that were left out because their group is not known.
    left_out : tuple of str
        Groups without a case, or without a counted one; no statistic counts them.
    worst : str or None
        Name of the worst group; None where no case counts.
    statistics : mapping of str to float
        See :func:`statistics`; all NaN where no case counts.
    notes : tuple of str
        What a reader has to know, in sentences.
    """

    rows: tuple[GroupRow, ...]
    n: int
    n_nan: int
    n_missed: int
    n_without_group: int
    left_out: tuple[str, ...]
    worst: str | None
    statistics: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def n_counted(self) -> int:
        """Cases that have a score and a group: those that the statistics are of."""
        return self.n - self.n_nan

    @property
    def n_groups(self) -> int:
        """Groups with a counted case: those that the statistics compare."""
        return sum(row.n_counted > 0 for row in self.rows)

    @property
    def means(self) -> dict[str, float]:
        """Mean of each group with cases."""
        return {row.name: row.mean for row in self.rows}


def disaggregate(
    values: ArrayLike,
    groups: Sequence[str | None],
    *,
    higher_is_better: bool = True,
    expected: Sequence[str] = (),
    is_missed: Sequence[bool] | NDArray[np.bool_] | None = None,
) -> GroupTable:
    """Split the scores of cases by their groups.

    Parameters
    ----------
    values : (N,) array
        Scores; NaN where a case has none, or None, or pandas' NA.
    groups : sequence of str or None
        Each case's group; None, or a word for it such as ``"unknown"`` or ``""``, where
        it is not known. Such cases are counted, and are no group.
    higher_is_better : bool
        Direction of the score.
    expected : sequence of str
        Groups there should be, in order; others follow by name.
    is_missed : sequence of bool, optional
        Whether each case is a miss; none by default.

    Returns
    -------
    GroupTable
        Means and statistics, which do not depend on the order of the cases.

    Raises
    ------
    MetricError
        When the arguments differ in length.

    Examples
    --------
    >>> table = disaggregate([0.9, 0.8, 0.85, 0.7, 0.6], list("AAABB"))
    >>> table.worst, round(table.statistics["es_sum"], 6)
    ('B', 0.641667)
    """
    scores, groups = numbers(values), people(groups)
    missed = _marks([False] * len(groups) if is_missed is None else is_missed)
    if scores.shape != (len(groups),) or len(missed) != len(groups):
        raise MetricError(
            f"{scores.shape} scores, {len(groups)} groups and {len(missed)} marks of "
            "misses: expected one of each for every case"
        )
    names = group_order(groups, [g for g in people(expected) if g is not None])
    places: dict[str, list[int]] = {name: [] for name in names}
    for place, group in enumerate(groups):
        if group is not None:
            places[group].append(place)
    all_rows = [
        _row(name, scores[own], [missed[place] for place in own])
        for name, own in places.items()
    ]
    rows = tuple(row for row in all_rows if row.n)
    counted = [row for row in rows if row.n_counted]
    pooled = scores[[place for own in places.values() for place in own]]
    left_out = tuple(row.name for row in all_rows if not row.n_counted)
    pick = min if higher_is_better else max
    worst = pick(counted, key=lambda row: row.mean, default=None)
    found: Mapping[str, Values | float] = dict.fromkeys(STATISTICS, math.nan)
    if counted:
        overall = _mean(pooled[~np.isnan(pooled)].tolist())
        means = [row.mean for row in counted]
        found = statistics(overall, means, higher_is_better=higher_is_better)
    n_without = sum(group is None for group in groups)
    return GroupTable(
        rows=rows,
        n=len(pooled),
        n_nan=sum(row.n_nan for row in rows),
        n_missed=sum(row.n_missed for row in rows),
        n_without_group=n_without,
        left_out=left_out,
        worst=worst.name if worst else None,
        statistics={name: float(value) for name, value in found.items()},
        notes=_notes(rows, left_out, n_without),
    )


def _marks(is_missed: Sequence[bool] | NDArray[np.bool_]) -> list[bool]:
    if isinstance(is_missed, np.ndarray) and is_missed.dtype.kind == "b":
        return [*is_missed.tolist()]
    return [not is_missing(each) and bool(each) for each in is_missed]


def group_order(
    groups: Sequence[str | None], expected: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the groups that are expected, in order, and then the others by name."""
    others = {group for group in groups if group is not None} - set(expected)
    return (*dict.fromkeys(expected), *sorted(others))


def counted_mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are numbers; NaN where none is."""
    return _mean([float(value) for value in values if not is_unknown(value)])


def _mean(counted: Sequence[float]) -> float:
    # fsum rounds once, so that the order of the cases changes no bit.
    return math.fsum(counted) / len(counted) if counted else math.nan


def _row(name: str, scores: Values, missed: Sequence[bool]) -> GroupRow:
    counted = scores[~np.isnan(scores)]
    own = counted.tolist()
    mean = _mean(own)
    squares = math.fsum(((counted - mean) ** 2).tolist())
    return GroupRow(
        name,
        n=len(scores),
        n_nan=len(scores) - len(own),
        n_missed=sum(missed),
        mean=mean,
        sd=math.sqrt(squares / (len(own) - 1)) if len(own) > 1 else math.nan,
        median=median(own) if own else math.nan,
    )


def _notes(
    rows: Sequence[GroupRow], left_out: Sequence[str], n_without: int
) -> tuple[str, ...]:
    """Say in sentences what is easily overlooked in the numbers."""
    small = [f"{row.name} ({row.n_counted})" for row in rows if row.is_small]
    n_nan, n_missed = (sum(getattr(r, k) for r in rows) for k in ("n_nan", "n_missed"))
    said = {
        f"left out, because no case counts: {', '.join(map(str, left_out))}": left_out,
        f"fewer than {SMALL_GROUP} cases: {', '.join(small)}": small,
        f"cases without a score, not counted: {n_nan}": n_nan,
        f"misses, where one mask lacks what the other has: {n_missed}": n_missed,
        f"cases left out, because their group is not known: {n_without}": n_without,
        "only one group: there is nothing to compare": len(rows) - len(left_out) == 1,
    }
    return tuple(sentence for sentence, applies in said.items() if applies)
