"""Cases drawn again within their groups, whole subjects at a time, and BCa ends.

What becomes of resampled means stands in
:mod:`napari_dmoe.evaluation.groups.intervals`; this module knows no statistic.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from napari_dmoe.evaluation.groups import table
from napari_dmoe.evaluation.groups.membership import people
from napari_dmoe.evaluation.groups.table import Values
from napari_dmoe.evaluation.scoring.mask_pair import MetricError

_DRAWN_AT_ONCE = 60_000
"""Scores at once, so that they stay in a processor's cache, which more than halves the
time, and large cohorts need little memory. How many are drawn at once changes
nothing."""

Compared = Callable[[Values, Values], Values]
"""From means of groups (G, M, ...) and of all cases (M, ...) to rows (K, ...)."""


@dataclass(frozen=True)
class Stratum:
    """The counted cases of one group, gathered by subject.

    Parameters
    ----------
    totals : (M, J) array
        Sum of each subject's scores, of M kinds of score.
    counts : (J,) array
        How many cases of each subject count.
    """

    totals: Values
    counts: Values

    @property
    def n_cases(self) -> float:
        """Counted cases."""
        return float(self.counts.sum())

    @property
    def n_subjects(self) -> int:
        """Subjects with a counted case."""
        return len(self.counts)

    @property
    def mean(self) -> Values:
        """Mean over the cases, (M,)."""
        sums = [math.fsum(own) for own in self.totals]
        return np.asarray(np.array(sums) / self.n_cases)

    @property
    def is_plain(self) -> bool:
        """Whether each subject has one case."""
        return bool((self.counts == 1).all())

    @property
    def error(self) -> Values:
        """Standard error of the mean, (M,); 0 for one subject alone."""
        n = self.n_subjects
        if n < 2:
            return np.zeros(len(self.totals))
        apart = self.totals - self.counts * self.mean[:, None]
        return np.asarray(np.sqrt(n / (n - 1) * (apart**2).sum(1)) / self.n_cases)

    @property
    def left_out(self) -> Values:
        """Means without each of the subjects, (M, J)."""
        if self.n_subjects < 2:
            return self.mean[:, None]
        rest = self.totals.sum(1, keepdims=True) - self.totals
        return np.asarray(rest / (self.n_cases - self.counts))

    @property
    def widening(self) -> float:
        """By how much resampled means must lie further apart to cover.

        Resamples vary by ``(n - 1) / n`` too little, and few subjects do not tell how
        much scores vary: Student's t against the normal.
        """
        n = self.n_subjects
        return widening(n - 1) * math.sqrt(n / (n - 1)) if n > 1 else 1.0

    def drawn(self, n_resamples: int, rng: np.random.Generator) -> Values:
        """Return the means (M, R) of resamples of its subjects."""
        n = self.n_subjects
        starts = range(0, n_resamples, max(1, _DRAWN_AT_ONCE // n))
        parts = [min(starts.step, n_resamples - start) for start in starts]
        return np.concatenate([self._part(part, rng) for part in parts], -1)

    def _part(self, n_resamples: int, rng: np.random.Generator) -> Values:
        size = (n_resamples, self.n_subjects)
        # As wide as an index: numpy would widen narrower ones for every look-up.
        places = rng.integers(0, self.n_subjects, size, dtype=np.int64)
        n_cases: Values | float = self.n_cases
        if not self.is_plain:
            n_cases = self.counts.take(places, mode="clip").sum(-1)
        sums = [own.take(places, mode="clip").sum(-1) for own in self.totals]
        return np.asarray(np.stack(sums) / n_cases)


def widening(freedom: float, level: float = 95.0) -> float:
    """Return Student's t over the normal's end, for so many degrees of freedom."""
    share = (1 + level / 100) / 2
    return float(special.stdtrit(freedom, share) / special.ndtri(share))


def strata_of(
    values: Values,
    groups: Sequence[str | None],
    subjects: Sequence[Hashable] | None = None,
) -> dict[str, Stratum]:
    """Return each group's counted cases by subject, in an order of their own.

    Parameters
    ----------
    values : (M, N) array
        Scores of M kinds; a case that lacks one of them is left out.
    groups : sequence of str or None
        Each case's group; cases without one are left out.
    subjects : sequence of hashable, optional
        Whom each case shows; each another one by default.

    Raises
    ------
    MetricError
        When they differ in length.
    """
    is_odd = subjects is not None and len(subjects) != len(groups)
    if values.ndim != 2 or values.shape[1] != len(groups) or is_odd:
        raise MetricError(
            f"scores of shape {values.shape[1:]} for {len(groups)} groups: expected "
            "one of each for every case"
        )
    counts: NDArray[np.bool_] = np.asarray(~np.isnan(values).any(0))
    places = defaultdict[str, list[int]](list)
    for place, group in enumerate(people(groups)):
        if group is not None and counts[place]:
            places[group].append(place)
    return {
        name: _stratum(values[:, own], None if subjects is None else [*own], subjects)
        for name, own in ((n, places[n]) for n in table.group_order(list(places)))
    }


def _stratum(
    own: Values, places: Sequence[int] | None, subjects: Sequence[Hashable] | None
) -> Stratum:
    counts = np.ones(own.shape[1])
    if places is not None and subjects is not None:
        number: dict[Hashable, int] = {}
        own_subjects = map(subjects.__getitem__, places)
        whose = np.array([number.setdefault(s, len(number)) for s in own_subjects])
        if len(number) < len(places):
            # By score first, so that sums do not depend on the order of the cases.
            order = np.lexsort(own)
            own, whose = own[:, order], whose[order]
            counts = np.bincount(whose, minlength=len(number)).astype(np.float64)
            own = np.stack([np.bincount(whose, row, len(number)) for row in own])
    order = np.lexsort((*own, counts))
    return Stratum(own[:, order], counts[order])


class Ends(NamedTuple):
    """Ends of intervals by row, and which of them are BCa ends."""

    ends: Values
    is_bca: NDArray[np.bool_]


def bca_ends(
    strata: Sequence[Stratum],
    compared: Compared,
    drawn: Values,
    *,
    level: float,
    widened: Values | float = 1.0,
) -> Ends:
    """Return BCa ends of rows of statistics; percentiles where BCa is not defined.

    Parameters
    ----------
    strata : sequence of Stratum
        The groups.
    compared : callable
        What makes rows of means.
    drawn : (K, R) array
        The rows of the resamples.
    level : float
        Coverage in percent.
    widened : (K,) array or float
        How many times further out the ends lie than the normal's, for few subjects.

    References
    ----------
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 14;
    T. C. Hesterberg, What teachers should know about the bootstrap, The American
    Statistician 69 (2015), doi:10.1080/00031305.2015.1089789 (wider for few cases).
    """
    sizes = np.array([s.n_cases for s in strata])
    means = np.stack([s.mean for s in strata])
    found = compared(means, np.tensordot(sizes, means, 1) / sizes.sum())
    z = special.ndtri((1 + level / 100) / 2) * np.asarray(widened)
    z = np.broadcast_to(z, found.shape)[:, None] * np.array([-1.0, 1.0])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        below = (drawn < found[:, None]).mean(1) + (drawn <= found[:, None]).mean(1)
        bias = special.ndtri(below / 2)[:, None]
        skewed = _acceleration(strata, compared, means, sizes)[:, None]
        levels = special.ndtr(bias + (bias + z) / (1 - skewed * (bias + z)))
    is_bca = np.isfinite(levels).all(1) & np.isfinite(bias[:, 0])
    levels = np.where(is_bca[:, None], levels, special.ndtr(z))
    return Ends(quantiles(drawn, levels), is_bca)


def quantiles(rows: Values, levels: Values) -> Values:
    """Return quantiles (K, 2) of rows (K, R), each at its own levels (K, 2)."""
    ordered = np.sort(rows, 1)
    last = rows.shape[1] - 1
    at = np.clip(levels, 0, 1) * last
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, last)
    begin, end = (np.take_along_axis(ordered, place, 1) for place in (low, high))
    found = begin + (at - low) * (end - begin)
    is_odd = np.asarray(np.isnan(rows).any(1))[:, None]
    return np.asarray(np.where(is_odd, np.nan, found))


def _acceleration(
    strata: Sequence[Stratum], compared: Compared, means: Values, sizes: Values
) -> Values:
    """Return how skewed rows are, from leaving out one subject at a time."""
    thirds, seconds = 0.0, 0.0
    for place, stratum in enumerate(strata):
        n = stratum.n_subjects
        each = np.repeat(means[..., None], n, -1)
        each[place] = stratum.left_out
        left = np.repeat(sizes[:, None], n, 1)
        left[place] = sizes[place] - (stratum.counts if n > 1 else 0)
        overall = (each * left[:, None]).sum(0) / left.sum(0)
        rows = compared(each, overall)
        pull = (n - 1) * (rows.mean(-1, keepdims=True) - rows)
        thirds = thirds + (pull**3).sum(-1) / n**3
        seconds = seconds + (pull**2).sum(-1) / n**2
    return np.asarray(thirds / (6 * np.asarray(seconds) ** 1.5))


def drawn_means(strata: Mapping[str, Stratum], n_resamples: int, seed: int) -> Values:
    """Return the means (G, M, R) of resamples within each group."""
    rng = np.random.default_rng(seed)
    return np.stack([own.drawn(n_resamples, rng) for own in strata.values()])
