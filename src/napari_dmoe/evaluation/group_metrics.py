"""What patient groups are compared by: worst group, gap, equity-scaled scores.

Everything here takes the groups' means, one set of them or many at once; tables of
cases stand in :mod:`napari_dmoe.evaluation.group_table`, and how sure the results are
in :mod:`napari_dmoe.evaluation.intervals`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

STATISTICS = ("mean", "worst", "gap", "skewness", "es_sum", "es_std")
"""Keys of :func:`statistics`."""


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
    whole, parts = np.asarray(overall, np.float64), np.asarray(means, np.float64)
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
    whole, parts = np.asarray(overall, np.float64), np.asarray(means, np.float64)
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
        ``skewness``, the worst group's error over the best group's, with an error of
        1 - score where higher is better, NaN where the best has none; ``es_sum`` and
        ``es_std``, NaN where lower is better, because they would reward a gap.
    """
    whole, parts = np.asarray(overall, np.float64), np.asarray(means, np.float64)
    lowest, highest = parts.min(0), parts.max(0)
    errors = (1 - lowest, 1 - highest) if higher_is_better else (highest, lowest)
    undefined = np.full(np.shape(whole), np.nan)
    skewness = np.divide(
        errors[0], errors[1], out=undefined.copy(), where=errors[1] > 0
    )
    return {
        "mean": whole,
        "worst": lowest if higher_is_better else highest,
        "gap": highest - lowest,
        "skewness": skewness,
        "es_sum": es_sum(whole, parts) if higher_is_better else undefined,
        "es_std": es_std(whole, parts) if higher_is_better else undefined,
    }
