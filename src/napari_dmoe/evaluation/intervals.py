"""How sure scores by group are: percentile bootstrap intervals over cases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_dmoe.evaluation.group_metrics import STATISTICS, Values, statistics
from napari_dmoe.evaluation.group_table import group_order
from napari_dmoe.evaluation.mask_pair import MetricError
from napari_dmoe.evaluation.metrics import Convention

N_RESAMPLES = 1000
"""Resamples of an interval, as published."""

_DRAWN_AT_ONCE = 2_000_000  # indices, so that large cohorts need little memory


class Interval(NamedTuple):
    """Ends of an interval; NaN where there is none."""

    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """Intervals of one score by group.

    Parameters
    ----------
    groups : mapping of str to Interval
        Of each group's mean; NaN for a group with fewer than two counted cases.
    statistics : mapping of str to Interval
        Of what :func:`napari_dmoe.evaluation.group_metrics.statistics` returns.
    level : float
        Coverage in percent.
    n_resamples, seed : int
        How they were drawn.
    convention : {"default", "reference"}
        Whether the overall mean was recomputed or held fixed.
    """

    groups: Mapping[str, Interval]
    statistics: Mapping[str, Interval]
    level: float
    n_resamples: int
    seed: int
    convention: Convention


def bootstrap(
    values: ArrayLike,
    groups: Sequence[str | None],
    *,
    seed: int,
    higher_is_better: bool = True,
    n_resamples: int = N_RESAMPLES,
    level: float = 95.0,
    convention: Convention = "default",
) -> Intervals:
    """Return percentile intervals of a score by group.

    Parameters
    ----------
    values : (N,) array
        Scores; NaN where a case has none, which is then left out.
    groups : sequence of str or None
        Each case's group; cases without one are left out.
    seed : int
        Decides every draw.
    higher_is_better : bool
        Direction of the score.
    n_resamples : int
        How many resamples.
    level : float
        Coverage in percent.
    convention : {"default", "reference"}
        By default each resample's overall mean is the mean of its own cases. The
        reference holds it fixed at the whole cohort's, as the published equity-scaled
        intervals do, which makes those too narrow.

    Returns
    -------
    Intervals
        They do not depend on the order of the cases.

    Raises
    ------
    MetricError
        When the arguments do not fit together.

    Notes
    -----
    Cases are drawn with replacement within each group, so that groups keep their sizes.

    References
    ----------
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    by_group = _by_group(np.asarray(values, np.float64)[None], groups)
    _check(level, n_resamples)
    rng = np.random.default_rng(seed)
    means, overall = _resampled_means(rng, by_group, n_resamples)
    if convention == "reference":
        fixed = np.concatenate([*by_group.values()], axis=1) if by_group else overall
        found = _statistics(overall, means, higher_is_better=higher_is_better)
        held = _statistics(
            np.broadcast_to(fixed.mean(1, keepdims=True), overall.shape),
            means,
            higher_is_better=higher_is_better,
        )
        drawn = held | {"mean": found["mean"]}
    else:
        drawn = _statistics(overall, means, higher_is_better=higher_is_better)
    return _intervals(
        {name: (means[i, 0], own.shape[1]) for i, (name, own) in _numbered(by_group)},
        {name: array[0] for name, array in drawn.items()},
        level=level,
        seed=seed,
        convention=convention,
    )


def bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[str | None],
    *,
    seed: int,
    higher_is_better: bool = True,
    n_resamples: int = N_RESAMPLES,
    level: float = 95.0,
) -> Intervals:
    """Return intervals of how far two models' scores of the same cases differ.

    Parameters
    ----------
    first, second : (N,) array
        Scores of the same cases by two models. A case that one of them has no score
        for is left out.
    groups, seed, higher_is_better, n_resamples, level
        As for :func:`bootstrap`.

    Returns
    -------
    Intervals
        Of the first model's minus the second's. Both are resampled together, so that
        what makes a case hard for both cancels.

    Raises
    ------
    MetricError
        When the arguments do not fit together.
    """
    pair = np.stack([np.asarray(v, np.float64) for v in (first, second)])
    by_group = _by_group(pair, groups)
    _check(level, n_resamples)
    rng = np.random.default_rng(seed)
    means, overall = _resampled_means(rng, by_group, n_resamples)
    drawn = _statistics(overall, means, higher_is_better=higher_is_better)
    return _intervals(
        {
            name: (means[i, 0] - means[i, 1], own.shape[1])
            for i, (name, own) in _numbered(by_group)
        },
        {name: array[0] - array[1] for name, array in drawn.items()},
        level=level,
        seed=seed,
        convention="default",
    )


def _check(level: float, n_resamples: int) -> None:
    if not 0 < level < 100 or n_resamples < 1:
        raise MetricError(
            f"a level of {level} % from {n_resamples} resamples: expected a level "
            "between 0 and 100 and at least one resample"
        )


def _numbered(
    by_group: Mapping[str, Values],
) -> Iterator[tuple[int, tuple[str, Values]]]:
    return enumerate(by_group.items())


def _by_group(values: Values, groups: Sequence[str | None]) -> dict[str, Values]:
    """Return each group's counted cases, (M, n), in an order of their own."""
    if values.ndim != 2 or values.shape[1] != len(groups):
        raise MetricError(
            f"scores of shape {values.shape[1:]} for {len(groups)} groups: expected "
            "one of each for every case"
        )
    of_case = np.array([group if group is not None else "" for group in groups])
    is_known = np.array([group is not None for group in groups], bool)
    counts = ~np.isnan(values).any(0) & is_known
    found = {}
    for name in group_order(groups):
        own = values[:, counts & (of_case == name)]
        if own.shape[1]:
            # Sorted, so that the order of the cases does not matter.
            found[name] = own[:, np.lexsort(own)]
    return found


def _resampled_means(
    rng: np.random.Generator, by_group: Mapping[str, Values], n_resamples: int
) -> tuple[Values, Values]:
    """Return the means of the groups (G, M, R) and of all their cases (M, R)."""
    if not by_group:
        return np.empty((0, 1, n_resamples)), np.full((1, n_resamples), np.nan)
    means = np.stack(
        [_means(rng, own, n_resamples) for own in by_group.values()], axis=0
    )
    sizes = np.array([own.shape[1] for own in by_group.values()], np.float64)
    return means, np.tensordot(sizes, means, axes=1) / sizes.sum()


def _means(rng: np.random.Generator, own: Values, n_resamples: int) -> Values:
    """Return (M, R) means of resamples of (M, n) scores."""
    n = own.shape[1]
    means = np.empty((len(own), n_resamples))
    at_once = max(1, _DRAWN_AT_ONCE // n)
    for start in range(0, n_resamples, at_once):
        stop = min(n_resamples, start + at_once)
        drawn: NDArray[np.integer] = rng.integers(0, n, (stop - start, n))
        means[:, start:stop] = own[:, drawn].mean(-1)
    return means


def _statistics(
    overall: Values, means: Values, *, higher_is_better: bool
) -> dict[str, Values]:
    if not len(means):
        return dict.fromkeys(STATISTICS, overall)
    return statistics(overall, means, higher_is_better=higher_is_better)


def _intervals(
    groups: Mapping[str, tuple[Values, int]],
    drawn: Mapping[str, Values],
    *,
    level: float,
    seed: int,
    convention: Convention,
) -> Intervals:
    none = Interval(math.nan, math.nan)
    return Intervals(
        groups={
            name: _interval(array, level) if n > 1 else none
            for name, (array, n) in groups.items()
        },
        statistics={name: _interval(array, level) for name, array in drawn.items()},
        level=level,
        n_resamples=len(next(iter(drawn.values()))),
        seed=seed,
        convention=convention,
    )


def _interval(drawn: Values, level: float) -> Interval:
    if np.isnan(drawn).any():
        return Interval(math.nan, math.nan)
    tail = (100 - level) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(low), float(high))
