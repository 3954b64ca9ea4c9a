"""How sure scores by group are: bootstrap intervals over cases, or over subjects.

How cases are drawn stands in :mod:`napari_dmoe.evaluation.groups.resampling`, how
intervals of what compares groups are found in
:mod:`napari_dmoe.evaluation.groups.inversion`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from napari_dmoe.evaluation.groups import table
from napari_dmoe.evaluation.groups.inversion import Cohort, freedom, inverted
from napari_dmoe.evaluation.groups.resampling import (
    Stratum,
    bca_ends,
    drawn_means,
    quantiles,
    strata_of,
    widening,
)
from napari_dmoe.evaluation.groups.table import STATISTICS, Values
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.evaluation.scoring.metrics import Convention

N_RESAMPLES = 1000
"""Resamples of an interval, as published."""

_FEW = 5
"""Subjects of a group below which a note says that its interval says little."""

Method = Literal["BCa", "percentile", "test inversion"]
"""How an interval was found: see :func:`bootstrap`."""


class _How(NamedTuple):
    """How resamples are drawn and what is made of them: see :func:`bootstrap`."""

    level: float
    n_resamples: int
    seed: int
    convention: Convention = "default"


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
        Of each group's mean; NaN for a group with fewer than two counted subjects.
    statistics : mapping of str to Interval
        Of what :func:`napari_dmoe.evaluation.groups.table.statistics` returns; NaN of
        all that compares groups where one of them is a single subject.
    level : float
        Coverage in percent.
    n_resamples, seed : int
        How they were drawn.
    convention : {"default", "reference"}
        Whether the overall mean was recomputed or held fixed.
    methods : mapping of str to {"BCa", "percentile", "test inversion"}
        How the ends of each group and statistic were found; those without an interval
        are left out.
    notes : tuple of str
        What a reader has to know, in sentences: groups without an interval, and groups
        so small that theirs says little.
    """

    groups: Mapping[str, Interval]
    statistics: Mapping[str, Interval]
    level: float
    n_resamples: int
    seed: int
    convention: Convention
    methods: Mapping[str, Method]
    notes: tuple[str, ...] = ()


def bootstrap(
    values: ArrayLike,
    groups: Sequence[str | None],
    *,
    seed: int,
    subjects: Sequence[Hashable] | None = None,
    higher_is_better: bool = True,
    n_resamples: int = N_RESAMPLES,
    level: float = 95.0,
    convention: Convention = "default",
) -> Intervals:
    """Return intervals of a score by group.

    Parameters
    ----------
    values : (N,) array
        Scores; NaN where a case has none, which is then left out.
    groups : sequence of str or None
        Each case's group; cases without one are left out.
    seed : int
        Decides every draw.
    subjects : sequence of hashable, optional
        Whom each case shows; each another one by default. Those of one subject and
        group are drawn together, because they are alike.
    higher_is_better : bool
        Direction of the score.
    n_resamples : int
        How many resamples.
    level : float
        Coverage in percent.
    convention : {"default", "reference"}
        By default each resample's overall mean is the mean of its own cases. The
        reference draws cases, whomever they show, holds the mean fixed at the whole
        cohort's and takes percentiles, as the published equity-scaled intervals do,
        which makes those too narrow.

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
    Subjects are drawn with replacement within each group, so that groups keep their
    sizes. *Means* have ends that are corrected for bias and skewness (BCa), and lie
    further out the fewer subjects there are, as Student's t does. BCa is not defined
    where leaving out a subject changes nothing, such as for equal scores; percentiles
    stand there instead, and :attr:`Intervals.methods` says so. *What compares groups*
    is found by :func:`~napari_dmoe.evaluation.groups.inversion.inverted`, because no
    resampling about what was found covers where groups hardly differ. How often all
    of them cover is measured by ``benchmarks/interval_coverage.py``. A group of one
    subject is as it is in every resample, which says nothing of how it might have been:
    what compares it with others has no interval.

    References
    ----------
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and
    14.
    """
    how = _How(level, n_resamples, seed, convention)
    _check(how)
    is_published = convention == "reference"
    scores = table.numbers(values)[None]
    strata = strata_of(scores, groups, None if is_published else subjects)
    if not any(own.n_subjects > 1 for own in strata.values()):
        return _gathered(strata, {}, how)
    drawn = drawn_means(strata, n_resamples, seed)
    if is_published:
        ends = _published(strata, drawn, higher_is_better, how)
    else:
        ends = _ours(strata, drawn, higher_is_better, how)
    return _gathered(strata, ends, how)


def bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[str | None],
    *,
    seed: int,
    subjects: Sequence[Hashable] | None = None,
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
    groups, seed, subjects, higher_is_better, n_resamples, level
        As for :func:`bootstrap`.

    Returns
    -------
    Intervals
        Of the first model's minus the second's, by BCa. Both are resampled together,
        so that what makes a case hard for both cancels.

    Raises
    ------
    MetricError
        When the arguments do not fit together.
    """
    how = _How(level, n_resamples, seed)
    _check(how)
    pair = np.stack([table.numbers(v) for v in (first, second)])
    strata = strata_of(pair, groups, subjects)
    if not any(own.n_subjects > 1 for own in strata.values()):
        return _gathered(strata, {}, how)

    def apart(means: Values, overall: Values) -> Values:
        ours, theirs = _compared(means, overall, higher_is_better)
        return np.asarray(ours - theirs)

    rows = _resampled(strata, drawn_means(strata, n_resamples, seed), apart)
    found, is_bca = bca_ends([*strata.values()], apart, rows, level=level)
    names = (*strata, *STATISTICS)
    return _gathered(
        strata,
        {
            name: (Interval(*ends), "BCa" if bca else "percentile")
            for name, ends, bca in zip(names, found.tolist(), is_bca, strict=True)
        },
        how,
    )


_Ends = Mapping[str, tuple[Interval, Method]]


def _check(how: _How) -> None:
    if not 0 < how.level < 100 or how.n_resamples < 1:
        raise MetricError(
            f"a level of {how.level} % from {how.n_resamples} resamples: expected a "
            "level between 0 and 100 and at least one resample"
        )


def _compared(means: Values, overall: Values, higher_is_better: bool) -> list[Values]:
    """Return M arrays (G + S, ...) of means and statistics, from (G, M, ...) means."""
    found = table.statistics(overall, means, higher_is_better=higher_is_better)
    rows = np.stack([*means, *(found[name] for name in STATISTICS)], axis=0)
    return [rows[:, model] for model in range(rows.shape[1])]


def _resampled(
    strata: Mapping[str, Stratum],
    drawn: Values,
    compared: Callable[[Values, Values], Values],
) -> Values:
    """Return rows (K, R) of resampled means (G, M, R)."""
    sizes = np.array([own.n_cases for own in strata.values()])
    return compared(drawn, np.tensordot(sizes, drawn, axes=1) / sizes.sum())


def _published(
    strata: Mapping[str, Stratum], drawn: Values, higher_is_better: bool, how: _How
) -> _Ends:
    """Return percentiles, with the overall mean held fixed."""
    cases = np.concatenate([own.totals for own in strata.values()], axis=1)
    fixed = cases.mean()

    def found(means: Values, overall: Values) -> Values:
        held = np.full_like(overall, fixed)
        ours = _compared(means, held, higher_is_better)[0]
        ours[len(means) + STATISTICS.index("mean")] = overall[0]
        return ours

    rows = _resampled(strata, drawn, found)
    shares = np.array([(1 - how.level / 100) / 2, (1 + how.level / 100) / 2])
    ends = quantiles(rows, np.broadcast_to(shares, (len(rows), 2)))
    names = (*strata, *STATISTICS)
    return {
        name: (Interval(*own), "percentile")
        for name, own in zip(names, ends.tolist(), strict=True)
    }


def _ours(
    strata: Mapping[str, Stratum], drawn: Values, higher_is_better: bool, how: _How
) -> _Ends:
    """Return BCa ends of means, and inverted tests of what compares groups."""
    each = [*strata.values()]
    errors = np.array([own.error[0] for own in each])
    sizes = np.array([own.n_cases for own in each])
    n_subjects = np.array([own.n_subjects for own in each])
    widened = np.array([own.widening for own in each])

    def means_alone(means: Values, overall: Values) -> Values:
        return np.concatenate([means[:, 0], overall])

    rows = _resampled(strata, drawn, means_alone)
    # The overall mean's resamples vary too little by as much as the groups' do.
    drawn_error = rows[-1].std() or 1.0
    error = float(np.sqrt(((sizes * errors) ** 2).sum())) / sizes.sum()
    overall = widening(freedom(errors, sizes, n_subjects), how.level)
    overall *= max(1.0, error / drawn_error) if error else 1.0
    ends, is_bca = bca_ends(
        each, means_alone, rows, level=how.level, widened=np.array([*widened, overall])
    )
    found: dict[str, tuple[Interval, Method]] = {
        name: (Interval(*own), "BCa" if bca else "percentile")
        for name, own, bca in zip((*strata, "mean"), ends.tolist(), is_bca, strict=True)
    }
    if (n_subjects > 1).all():
        means = np.array([own.mean[0] for own in each])
        noise = widened[:, None] * (drawn[:, 0] - means[:, None])
        cohort = Cohort(means, errors, sizes, noise, higher_is_better)
        if len(each) > 1:
            least, most = _range(each, higher_is_better)
            for name, own in inverted(cohort, level=how.level).items():
                if name not in ("ratio", "skewness"):
                    own = (max(own[0], least), min(own[1], most))
                found[name] = Interval(*own), "test inversion"
        else:
            found |= _of_one_group(cohort, *found["mean"])
    return found


def _range(strata: Sequence[Stratum], higher_is_better: bool) -> tuple[float, float]:
    """Return the least and most that means can be, as far as scores show it."""
    shown = np.concatenate([own.totals[0] / own.counts for own in strata])
    is_share = higher_is_better and shown.max() <= 1
    least = 0.0 if shown.min() >= 0 else -math.inf
    return least, (1.0 if is_share else math.inf)


def _of_one_group(
    cohort: Cohort, interval: Interval, method: Method
) -> dict[str, tuple[Interval, Method]]:
    """Return what compares one group with itself: its mean, or nothing at all."""
    nothing = {name: float(v) for name, v in cohort.of(cohort.means).items()}
    is_mean = ("worst", "es_sum", "es_std")
    return {
        name: (interval if name in is_mean else Interval(value, value), method)
        for name, value in nothing.items()
        if not math.isnan(value) and name != "mean"
    }


def _gathered(strata: Mapping[str, Stratum], ends: _Ends, how: _How) -> Intervals:
    """Return intervals by name, NaN where a single subject says nothing."""
    alone = {name for name, own in strata.items() if own.n_subjects == 1}
    kept = {
        name: (_clean(interval), method)
        for name, (interval, method) in ends.items()
        if name not in alone
        and not (alone and name in STATISTICS and name != "mean")
        and not any(map(math.isnan, interval))
    }
    nothing = Interval(math.nan, math.nan)
    found = {name: interval for name, (interval, _) in kept.items()}
    return Intervals(
        groups={name: found.get(name, nothing) for name in strata},
        statistics={name: found.get(name, nothing) for name in STATISTICS},
        methods={name: method for name, (_, method) in kept.items()},
        notes=_notes(strata),
        **how._asdict(),
    )


def _clean(interval: Interval) -> Interval:
    return Interval(*map(float, interval))


def _notes(strata: Mapping[str, Stratum]) -> tuple[str, ...]:
    """Say in sentences which groups are too small for an interval, or nearly."""
    sizes = {name: own.n_subjects for name, own in strata.items()}
    is_plain = all(own.is_plain for own in strata.values())
    one, many = ("case", "cases") if is_plain else ("subject", "subjects")
    alone = [name for name, n in sizes.items() if n == 1]
    few = [f"{name} ({n})" for name, n in sizes.items() if 1 < n < _FEW]
    cases, subjects = (
        sum(getattr(own, n) for own in strata.values())
        for n in ("n_cases", "n_subjects")
    )
    said = {
        f"one {one}, so that neither the group nor what compares it has an interval: "
        f"{', '.join(map(str, alone))}": alone,
        f"fewer than {_FEW} {many}, so that the interval says little: "
        f"{', '.join(few)}": few,
        f"intervals draw subjects, not cases: {cases:.0f} cases are of "
        f"{subjects} subjects": not is_plain,
    }
    return tuple(sentence for sentence, applies in said.items() if applies)
