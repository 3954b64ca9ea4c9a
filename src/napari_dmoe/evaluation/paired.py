"""How far a score changed on the same cases, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from napari_dmoe.evaluation.group_table import counted_mean
from napari_dmoe.evaluation.intervals import Interval

LEVEL = 95.0
"""Coverage of an interval in percent, both ends together."""


def paired_interval(changes: Sequence[float], *, level: float = LEVEL) -> Interval:
    """Return an interval of the mean of changes, one a case.

    Parameters
    ----------
    changes : sequence of float
        How much each case's score rose.
    level : float
        Coverage in percent, both ends together.

    Returns
    -------
    Interval
        NaN for fewer than two cases: one case says nothing of others.

    Notes
    -----
    Student's t of the changes: the mean and ``t s / sqrt(n)`` to either side. Where one
    case in many loses much, a guard that happens to hold none of them does not show it,
    with any interval; `benchmarks/guard_verdicts.py` says how often.

    Examples
    --------
    >>> paired_interval([0.2])
    Interval(low=nan, high=nan)
    >>> paired_interval([0.1, 0.1, 0.1])
    Interval(low=0.1, high=0.1)
    """
    if len(changes) < 2:
        return Interval(math.nan, math.nan)
    mean = counted_mean(changes)
    if max(changes) == min(changes):
        return Interval(float(changes[0]), float(changes[0]))
    sem = float(np.std(changes, ddof=1)) / math.sqrt(len(changes))
    reach = float(stats.t.ppf((1 + level / 100) / 2, len(changes) - 1)) * sem
    return Interval(mean - reach, mean + reach)
