"""How far a score changed on the same cases, and how sure that is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence

from scipy import stats

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
        return Interval(math.nan, math.nan)
    if max(rises) == min(rises):
        return Interval(rises[0], rises[0])
    squares = math.fsum(own**2 for own in apart.values())
    error = math.sqrt(n / (n - 1) * squares) / len(rises)
    reach = float(stats.t.ppf((1 + level / 100) / 2, n - 1)) * error
    return Interval(mean - reach, mean + reach)
