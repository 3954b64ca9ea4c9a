"""Intervals of what compares groups, which cover where groups hardly differ, too.

The gap of equal groups is never found to be 0, and their equity-scaled score is never
found as high as it is: noise alone parts them. Resamples about what was found inherit
that, and miss the truth far more often than they say. Here a value is instead in the
interval unless groups that truly have it would give what was found in fewer than 5 of
100 cohorts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from napari_dmoe.evaluation.groups.table import (
    STATISTICS,
    Values,
    es_std,
    es_sum,
    statistics,
)

_STEPS = 28
"""Values that are tried; ends lie between two of them, by a straight line."""

_PLACES = 21
"""Places of a gap that are tried, from the least mean up to the greatest."""

_REACH = 4.5
"""Standard errors, to either side, within which values are tried."""

NOT_SHIFTED = ("gap", "ratio", "skewness")
"""What has an end where groups are equal, and is tried by gaps of every size."""

SHIFTED = ("worst", "es_sum", "es_std")
"""What is tried by moving all groups and pulling them apart, as scores make likely."""


class Cohort(NamedTuple):
    """Groups as they were found.

    Parameters
    ----------
    means, errors : (G,) array
        Each group's mean, and its standard error.
    sizes : (G,) array
        Counted cases.
    noise : (G, R) array
        How far resampled means lie from what was found.
    higher_is_better : bool
        Direction of the score.
    """

    means: Values
    errors: Values
    sizes: Values
    noise: Values
    higher_is_better: bool

    @property
    def overall(self) -> float:
        """Mean over all cases."""
        return float(self.sizes @ self.means / self.sizes.sum())

    def of(self, means: Values) -> dict[str, Values]:
        """Return the statistics of groups' means (G, ...)."""
        overall = np.tensordot(self.sizes / self.sizes.sum(), means, 1)
        return statistics(overall, means, higher_is_better=self.higher_is_better)

    def one(self, name: str, means: Values) -> Values:
        """Return one of :data:`SHIFTED` of groups' means (G, ...)."""
        if name == "worst":
            worst = means.min(0) if self.higher_is_better else means.max(0)
            return np.asarray(worst)
        overall = np.tensordot(self.sizes / self.sizes.sum(), means, 1)
        return {"es_sum": es_sum, "es_std": es_std}[name](overall, means)


def inverted(cohort: Cohort, *, level: float) -> dict[str, tuple[float, float]]:
    """Return intervals of what compares groups, by inverting tests.

    Parameters
    ----------
    cohort : Cohort
        At least two groups, none of one subject alone.
    level : float
        Coverage in percent.

    Returns
    -------
    mapping of str to (low, high)
        Of all statistics but the mean; NaN where one is not defined.

    Notes
    -----
    For each value that is tried, groups are put where they have it and the scores are
    least surprised, and the resampled errors are added to them. *Gap, ratio and
    skewness*: outer groups are moved inwards, or the two outermost ones apart. A value
    is kept if what was found lies no further from it than 95 % of what such groups give
    (ratio and skewness in logarithms). *Worst group and equity-scaled scores*: all
    groups are moved, and pulled together or apart, by as much as is likeliest. A value
    is kept if what was found lies between the 2.5 % and 97.5 % points.

    References
    ----------
    C.-S. Chuang and T. L. Lai, Hybrid resampling methods for confidence intervals,
    Statistica Sinica 10 (2000), 1-50; J. Carpenter, Test inversion bootstrap confidence
    intervals, J. R. Stat. Soc. B 61 (1999), doi:10.1111/1467-9868.00169.
    """
    alpha = 1 - level / 100
    found = {name: float(value) for name, value in cohort.of(cohort.means).items()}
    if not cohort.noise.any():
        return {n: (found[n], found[n]) for n in STATISTICS if n != "mean"}
    ends = _pulled_apart(cohort, found, alpha)
    for name in SHIFTED:
        is_defined = np.isfinite(found[name])
        ends[name] = (
            _moved(cohort, name, found[name], alpha) if is_defined else (np.nan, np.nan)
        )
    return ends


def _pulled_apart(
    cohort: Cohort, found: Mapping[str, float], alpha: float
) -> dict[str, tuple[float, float]]:
    reach = found["gap"] + _REACH * float(np.sort(cohort.errors)[-2:] @ np.ones(2))
    # Small steps first: ends of interest lie near equality.
    centres = _likeliest_apart(cohort, reach * np.linspace(0, 1, _STEPS) ** 1.5)
    true = cohort.of(centres)
    noisy = cohort.of(centres[..., None] + cohort.noise[:, None])
    ends = {}
    for name in NOT_SHIFTED:
        scale: Callable[[Values], Values] = np.asarray if name == "gap" else _log
        own, tried = scale(np.array(found[name])), scale(true[name])
        if not np.isfinite(own):
            ends[name] = (np.nan, np.nan)
            continue
        off = np.abs(scale(noisy[name]) - tried[:, None])
        # What is not defined is taken for far off.
        off = np.where(np.isnan(off), np.inf, off)
        limit = np.quantile(off, 1 - alpha, axis=1, method="higher")
        low, high = _kept(tried, limit - np.abs(own - tried))
        ends[name] = (low, high) if name == "gap" else (np.exp(low), np.exp(high))
    return ends


def _likeliest_apart(cohort: Cohort, gaps: Values) -> Values:
    """Return the groups' likeliest means (G, C) with each of the gaps.

    Outer groups are moved inwards until all lie within the gap, or the two outermost
    ones apart; where the gap lies is what surprises least, in squared errors.
    """
    means = cohort.means
    errors = np.maximum(cohort.errors, 1e-9 * cohort.errors.max())
    lowest, highest = means.argmin(), means.argmax()
    if lowest == highest:  # all alike: the two that are known least well may differ
        lowest, highest = np.argsort(errors)[-2:]
    room = means.max() - gaps - means.min()
    # From the gap's lower end at the least mean to its upper end at the greatest.
    begin = means.min() + room * np.linspace(0, 1, _PLACES)[:, None]
    placed = np.clip(means[:, None, None], begin, begin + gaps)
    placed[lowest], placed[highest] = begin, begin + gaps
    off = ((placed - means[:, None, None]) / errors[:, None, None]) ** 2
    best = off.sum(0).argmin(0)
    return np.asarray(placed[:, best, np.arange(len(gaps))])


def _log(values: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(values))


def _moved(
    cohort: Cohort, name: str, found: float, alpha: float
) -> tuple[float, float]:
    tried = _moved_to(cohort, name, found)
    centres = _likeliest(cohort, name, found, tried)
    noisy = cohort.one(name, centres[..., None] + cohort.noise[:, None])
    low, high = np.quantile(noisy, (alpha / 2, 1 - alpha / 2), axis=1)
    return _kept(tried, np.minimum(found - low, high - found))


def _moved_to(cohort: Cohort, name: str, found: float) -> Values:
    """Return the values that are tried, about what was found."""
    all_error = float(np.sqrt(((cohort.sizes * cohort.errors) ** 2).sum()))
    reach = all_error / float(cohort.sizes.sum())
    apart = float(np.sqrt((cohort.errors**2).sum()))
    reach += apart if name == "worst" else abs(found) * apart
    # Close together near what was found, so that narrow intervals are found, too.
    side = np.linspace(0, 1, _STEPS // 2)[1:] ** 1.3
    return found + _REACH * reach * np.concatenate([-side[::-1], [0.0], side])


def _likeliest(cohort: Cohort, name: str, found: float, tried: Values) -> Values:
    """Return the groups' likeliest means (G, C) where they have what is tried.

    Groups are moved to a level and pulled apart by a factor. Of those that have a
    value the least ``(level - overall)^2 / error^2 + (1 - factor)^2 Q`` is taken, where
    Q is how far the groups lie apart in their squared errors.
    """
    overall, share = cohort.overall, cohort.sizes / cohort.sizes.sum()
    apart = cohort.means - overall
    errors = np.maximum(cohort.errors, 1e-9 * cohort.errors.max())
    of_all = float(share**2 @ errors**2)
    surprise = float(((apart / errors) ** 2).sum())
    # The level that goes with a factor is tried + slope x factor.
    slope = tried * (overall / found - 1) if found else np.zeros_like(tried)
    if name == "worst":
        slope = np.full_like(tried, overall - found)
    weight = surprise + slope**2 / of_all
    factor = np.zeros_like(weight)  # where groups are all alike, and stay so
    pull = surprise - slope * (tried - overall) / of_all
    np.divide(pull, weight, out=factor, where=weight > 0)
    factor = np.maximum(factor, 0)
    return np.asarray(tried + slope * factor + apart[:, None] * factor)


def _kept(tried: Values, margin: Values) -> tuple[float, float]:
    """Return the ends of what is kept: where the margin is not below 0."""
    kept = np.flatnonzero(margin >= 0)
    if not kept.size:
        # Nothing fits; the least unlikely value alone.
        best = float(tried[np.nanargmax(margin)])
        return best, best
    first, last = kept[0], kept[-1]
    ends = [
        _crossing(tried, margin, first, first - 1) if first else tried[first],
        _crossing(tried, margin, last, last + 1)
        if last + 1 < len(tried)
        else tried[last],
    ]
    return float(min(ends)), float(max(ends))


def _crossing(tried: Values, margin: Values, inside: int, outside: int) -> float:
    begin, end = margin[inside], margin[outside]
    if not (np.isfinite(begin) and np.isfinite(end)) or begin == end:
        return float(tried[inside])
    share = begin / (begin - end)
    return float(tried[inside] + share * (tried[outside] - tried[inside]))


def freedom(errors: Values, sizes: Values, subjects: Values) -> float:
    """Return the degrees of freedom of a mean over groups, by Satterthwaite."""
    spread = sizes * errors
    if not spread.any():
        return float(max(1, subjects.sum() - len(subjects)))
    squares = (spread / spread.max()) ** 2
    parts = squares[subjects > 1] ** 2 / (subjects[subjects > 1] - 1)
    return float(squares.sum() ** 2 / parts.sum())
