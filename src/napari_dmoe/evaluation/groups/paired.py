"""How far a score changed on the same cases, and how sure that is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from scipy import special

from napari_dmoe.evaluation.groups.intervals import Interval
from napari_dmoe.evaluation.groups.table import counted_mean, numbers

LEVEL = 95.0
"""Coverage of an interval in percent, both ends together."""


def paired_interval(
    changes: Sequence[float],
    subjects: Sequence[Hashable] | None = None,
    *,
    level: float = LEVEL,
) -> Interval:
    """Return an interval of the mean of changes, one a case.

    Parameters
    ----------
    changes : sequence of float
        How much each case's score rose; one that is missing is left out.
    subjects : sequence of hashable, optional
        Whom each case shows, so that those of one patient count together; each another
        one by default.
    level : float
        Coverage in percent, both ends together.

    Returns
    -------
    Interval
        NaN for fewer than two subjects: one says nothing of others.

    Notes
    -----
    Student's t of J subjects: the mean m of all cases, and to either side t times the
    root of ``J / (J - 1) sum_j (sum of subject j's (change - m))^2 / N^2``. With one
    case a subject that is ``s / sqrt(N)``. Where one case in many loses much, a guard
    that happens to hold none of them does not show it, with any interval;
    `benchmarks/guard_verdicts.py` says how often.

    References
    ----------
    K.-Y. Liang and S. L. Zeger, Longitudinal data analysis using generalized linear
    models, Biometrika 73 (1986), doi:10.1093/biomet/73.1.13.

    Examples
    --------
    >>> paired_interval([0.2])
    Interval(low=nan, high=nan)
    >>> paired_interval([0.1, 0.1, 0.1])
    Interval(low=0.1, high=0.1)
    """
    found = _spread(changes, subjects)
    if found.n < 2:
        return Interval(math.nan, math.nan)
    if found.is_same:
        return Interval(found.mean, found.mean)
    reach = float(special.stdtrit(found.n - 1, (1 + level / 100) / 2)) * found.error
    return Interval(found.mean - reach, found.mean + reach)


def paired_p(
    changes: Sequence[float], subjects: Sequence[Hashable] | None = None
) -> float:
    """Return p of the changes' mean being 0, by the test of :func:`paired_interval`.

    Returns
    -------
    float
        At least ``2^(1 - J)`` for J subjects, which is the least that flipping their
        signs could give; NaN for fewer than two.

    Examples
    --------
    >>> paired_p([0.1, 0.1, 0.1]), paired_p([0.0, 0.0])
    (0.25, 1.0)
    """
    found = _spread(changes, subjects)
    if found.n < 2:
        return math.nan
    if found.mean == 0:
        return 1.0
    least = 2.0 ** (1 - found.n)
    if found.is_same or found.error == 0:
        return least
    p = 2 * float(special.stdtr(found.n - 1, -abs(found.mean) / found.error))
    return max(p, least)


class _Spread(NamedTuple):
    """The mean of changes, its standard error, and of how many subjects they are."""

    mean: float
    error: float
    n: int
    is_same: bool
    """Whether all changes are one and the same."""


def _spread(changes: Sequence[float], subjects: Sequence[Hashable] | None) -> _Spread:
    rises = numbers(changes).tolist()
    whose = range(len(rises)) if subjects is None else subjects
    pairs = zip(rises, whose, strict=True)
    known = [(rise, subject) for rise, subject in pairs if not math.isnan(rise)]
    rises = [rise for rise, _ in known]
    mean, apart = counted_mean(rises), defaultdict[Hashable, float](float)
    for rise, subject in known:
        apart[subject] += rise - mean
    n = len(apart)
    if n < 2:
        return _Spread(mean, math.nan, n, False)
    if max(rises) == min(rises):
        return _Spread(rises[0], 0.0, n, True)
    squares = math.fsum(own**2 for own in apart.values())
    return _Spread(mean, math.sqrt(n / (n - 1) * squares) / len(rises), n, False)
