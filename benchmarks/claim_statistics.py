"""How far two kinds of network differ, where each training and each lesion is a draw.

A training is the unit: eight of one kind tell how a ninth would do, thousands of cases
scored by one of them do not. Trainings and lesions are therefore drawn again together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from napari_dmoe.evaluation.groups.intervals import Interval
from napari_dmoe.evaluation.groups.resampling import Stratum, drawn_means, strata_of
from napari_dmoe.evaluation.groups.table import STATISTICS, Values, statistics

N_RESAMPLES = 4000
"""Of lesions and trainings together."""

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """How far the trainings of two arms differ in one number, first minus second."""

    first: float
    """Mean over the first's trainings of what each of them reaches."""
    second: float
    error: float
    """Standard error, from trainings and lesions drawn again."""
    freedom: float
    """Degrees of freedom of the error."""
    interval: Interval
    p: float
    """Of no difference, before any correction."""

    @property
    def value(self) -> float:
        """The first minus the second."""
        return self.first - self.second


def differences(
    first: Values,
    second: Values,
    groups: Sequence[str | None],
    subjects: Sequence[Hashable],
    *,
    is_paired: bool,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Difference]:
    """Return how two arms differ in each group's mean and in what compares groups.

    Parameters
    ----------
    first, second : (T, N) array
        Scores of the same N cases by the trainings of each arm, two or more.
    groups : sequence of str or None
        Each case's group; cases without one are left out.
    subjects : sequence of hashable
        Whose images the cases are, which are drawn together.
    is_paired : bool
        Whether the rows of both are of the same trainings, such as one model told two
        things: these are drawn together, too.
    seed, n_resamples : int
        Of the draws.

    Returns
    -------
    dict of str to Difference
        By the name of the group, and by those of
        :func:`napari_dmoe.evaluation.groups.table.statistics`.

    Raises
    ------
    ValueError
        For fewer than two trainings of an arm: nothing tells how far these differ.

    Notes
    -----
    Each training's own figure (its worst group, its equity-scaled score) is found and
    these are averaged: it is one training that somebody uses, not the mean of eight.
    Every resample draws lesions within groups, the same for both arms, and trainings
    within each arm; the latter's deviations are widened by ``sqrt(T / (T - 1))``, as
    resamples of T vary by ``(T - 1) / T`` too little. The interval is Student's t about
    what was found, times the resamples' standard deviation, with Welch and
    Satterthwaite's degrees of freedom: few trainings do not tell how far trainings
    differ. ``tests/evaluation/test_claim_statistics.py`` counts how often it covers.

    References
    ----------
    A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, 1997,
    section 3.8 (hierarchical data); F. E. Satterthwaite, Biometrics Bull. 2 (1946),
    110-114.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(
            f"{len(first)} and {len(second)} trainings: two of each are the least that "
            "tells how far trainings differ"
        )
    strata = strata_of(np.concatenate([first, second]), groups, subjects)
    found = _rows(strata, np.stack([own.mean for own in strata.values()]))
    drawn = _rows(strata, drawn_means(strata, n_resamples, seed))
    rng = np.random.default_rng((seed, 1))
    n_subjects = _subjects(strata)
    result = {}
    for name, own in found.items():
        parts = _arms(own[:, None], len(first), is_paired=is_paired)
        again = _arms(drawn[name], len(first), is_paired=is_paired)
        error, freedom = _error(parts, again, rng, n_subjects=n_subjects[name])
        one, other = own[: len(first)].mean(), own[len(first) :].mean()
        result[name] = _difference(float(one), float(other), error, freedom)
    return result


def _rows(strata: Mapping[str, Stratum], means: Values) -> dict[str, Values]:
    """Return the groups' means (G, M, ...) and what compares them, by name."""
    sizes = np.array([own.n_cases for own in strata.values()])
    overall = np.tensordot(sizes / sizes.sum(), means, 1)
    compared = statistics(overall, means)
    return {
        **dict(zip(strata, means, strict=True)),
        **{name: compared[name] for name in STATISTICS},
    }


def _subjects(strata: Mapping[str, Stratum]) -> dict[str, int]:
    """Return how many subjects a figure hangs on: the fewest where groups compare."""
    own = {name: stratum.n_subjects for name, stratum in strata.items()}
    fewest = dict.fromkeys(STATISTICS, min(own.values()))
    return {**own, **fewest, "mean": sum(own.values())}


def _arms(rows: Values, n_first: int, *, is_paired: bool) -> list[Values]:
    """Return (T, R) figures of what is drawn apart, signed so that the sum counts."""
    first, second = rows[:n_first], rows[n_first:]
    return [first - second] if is_paired else [first, -second]


def _error(
    found: Sequence[Values],
    drawn: Sequence[Values],
    rng: np.random.Generator,
    *,
    n_subjects: int,
) -> tuple[float, float]:
    """Return the standard error and its degrees of freedom.

    Parameters
    ----------
    found, drawn : sequence of (T, 1) and (T, R) array
        Each arm's figures of the cases as they are, and of resampled lesions.
    """
    total, of_lesions = 0.0, 0.0
    freedom = 0.0
    for whole, own in zip(found, drawn, strict=True):
        n = len(own)
        middle = own.mean(0)
        chosen = rng.integers(0, n, (n, own.shape[1]))
        again = np.take_along_axis(own, chosen, 0).mean(0)
        total = total + middle + math.sqrt(n / (n - 1)) * (again - middle)
        of_lesions = of_lesions + middle
        freedom += float(whole.var(ddof=1) / n) ** 2 / (n - 1)
    variance = float(np.var(total, ddof=1))
    freedom += float(np.var(of_lesions, ddof=1)) ** 2 / max(1, n_subjects - 1)
    if variance <= 0:
        return 0.0, math.inf
    return math.sqrt(variance), variance**2 / freedom if freedom else math.inf


def _difference(
    first: float, second: float, error: float, freedom: float
) -> Difference:
    value = first - second
    if not error:
        p = 1.0 if value == 0 else 0.0
        return Difference(first, second, 0.0, freedom, Interval(value, value), p)
    few = min(freedom, 1e9)
    reach = float(special.stdtrit(few, (1 + LEVEL) / 2)) * error
    p = 2 * float(special.stdtr(few, -abs(value) / error))
    interval = Interval(value - reach, value + reach)
    return Difference(first, second, error, freedom, interval, p)
