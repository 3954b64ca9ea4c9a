"""Whether two models' gaps between groups differ: their scores swapped at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from napari_dmoe.evaluation.groups.resampling import Stratum
from napari_dmoe.evaluation.groups.table import Values, statistics

N_SWAPS = 4999
"""Random swaps; p is at least 1 / 5000, which Holm's correction leaves room for."""

_EXACT = 60
"""Subjects of a group up to which signs are drawn; sums of more of them are normal."""

_SAME = 1e-12
"""Below this, differences are rounding."""


def swapped_p(
    strata: Sequence[Stratum],
    names: Sequence[str],
    higher_is_better: bool,
    seed: int,
    n_swaps: int = N_SWAPS,
) -> Mapping[str, tuple[float, float, float]]:
    """Return what compares groups, of two models, and p of no difference.

    Parameters
    ----------
    strata : sequence of Stratum
        Each group's subjects, with the scores of both models (M = 2).
    names : sequence of str
        Keys of :func:`~napari_dmoe.evaluation.groups.table.statistics`.
    higher_is_better : bool
        Direction of the score.
    seed, n_swaps : int
        Of the swaps.

    Returns
    -------
    mapping of str to (first, second, p)
        p is NaN where a group is of one subject, or the statistic is not defined.

    Notes
    -----
    If the models are alike, it does not matter which of a subject's two scores is
    whose. p is the share of random swaps by which the statistic of the two models
    differs as much as it was found to, or more.

    References
    ----------
    B. Phipson and G. K. Smyth, Permutation p-values should never be zero, Stat. Appl.
    Genet. Mol. Biol. 9 (2010), doi:10.2202/1544-6115.1585.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([own.n_cases for own in strata])
    means = np.stack([own.mean for own in strata])
    half = np.stack([_half_swapped(own, n_swaps, rng) for own in strata])
    middle = means.mean(1)[:, None]
    found = _of(means, sizes, higher_is_better)
    ours = _of(middle + half, sizes, higher_is_better)
    theirs = _of(middle - half, sizes, higher_is_better)
    is_alone = any(own.n_subjects < 2 for own in strata)
    result = {}
    for name in names:
        first, second = found[name].tolist()
        swapped = np.abs(ours[name] - theirs[name])
        reached = int((swapped >= abs(second - first) - _SAME).sum())
        p = (1 + reached) / (1 + n_swaps)
        is_none = is_alone or math.isnan(first) or math.isnan(second)
        result[name] = first, second, math.nan if is_none else p
    return result


def _half_swapped(own: Stratum, n_swaps: int, rng: np.random.Generator) -> Values:
    """Return half of by how much the first's mean leads the other's, after swaps."""
    half = (own.totals[0] - own.totals[1]) / 2 / own.n_cases
    if own.n_subjects > _EXACT:
        return rng.normal(0, 1, n_swaps) * math.sqrt(float(half @ half))
    signs = rng.integers(0, 2, (n_swaps, own.n_subjects), dtype=np.int8) * 2.0 - 1
    return np.asarray(signs @ half)


def _of(means: Values, sizes: Values, higher_is_better: bool) -> dict[str, Values]:
    overall = np.tensordot(sizes / sizes.sum(), means, 1)
    return statistics(overall, means, higher_is_better=higher_is_better)
