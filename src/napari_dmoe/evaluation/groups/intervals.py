"""How sure scores by group are: bootstrap intervals over cases."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.stats import DegenerateDataWarning

from napari_dmoe.evaluation.groups import table
from napari_dmoe.evaluation.groups.membership import people
from napari_dmoe.evaluation.groups.table import STATISTICS, Values
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.evaluation.scoring.metrics import Convention

N_RESAMPLES = 1000
"""Resamples of an interval, as published."""

_FEW = 5
"""Cases of a group below which a note says that its interval says little."""

_DRAWN_AT_ONCE = _LEFT_OUT_AT_ONCE = 2_000_000
"""Scores at once, so that large cohorts need little memory. How many are drawn at once
changes nothing; how many cases BCa leaves out at once, the last bit at most."""

Method = Literal["BCa", "percentile"]


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
        Of each group's mean; NaN for a group with fewer than two counted cases.
    statistics : mapping of str to Interval
        Of what :func:`napari_dmoe.evaluation.groups.table.statistics` returns; NaN of
        all that compares groups where one of them is a single case.
    level : float
        Coverage in percent.
    n_resamples, seed : int
        How they were drawn.
    convention : {"default", "reference"}
        Whether the overall mean was recomputed or held fixed.
    methods : mapping of str to {"BCa", "percentile"}
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
    higher_is_better : bool
        Direction of the score.
    n_resamples : int
        How many resamples.
    level : float
        Coverage in percent.
    convention : {"default", "reference"}
        By default each resample's overall mean is the mean of its own cases, and the
        ends are corrected for bias and skewness (BCa). The reference holds the mean
        fixed at the whole cohort's and takes percentiles, as the published
        equity-scaled intervals do, which makes those too narrow.

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
    A group of one case is as it is in every resample, which says nothing of how it
    might have been: what compares it with others has no interval. BCa is not defined
    where leaving out a case changes nothing, such as for equal scores, nor where all
    resamples lie on one side of what was found, as a gap's may; percentiles stand there
    instead, and :attr:`Intervals.methods` says so. The cost grows with the square of
    the cases.

    Where groups hardly differ, resamples differ more than the groups do, and no
    bootstrap interval of what compares them covers as often as it says: of three equal
    groups with 40, 20 and 12 cases, 95 % intervals of `es_sum` held the truth in 70 %
    of 300 cohorts by BCa, and in 47 % by percentiles. A gap of 0 is never inside.

    References
    ----------
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and
    14.
    """
    by_group = _by_group(table.numbers(values)[None], groups)

    def found(means: Values, overall: Values) -> Values:
        if convention == "default":
            return _compared(means, overall, higher_is_better)[0]
        fixed = np.concatenate([*by_group.values()], axis=1).mean()
        ours = _compared(means, np.full_like(overall, fixed), higher_is_better)[0]
        ours[len(means) + STATISTICS.index("mean")] = overall[0]
        return ours

    how = _How(level, n_resamples, seed, convention)
    return _intervals(by_group, found, how)


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
    pair = np.stack([table.numbers(v) for v in (first, second)])

    def found(means: Values, overall: Values) -> Values:
        ours, theirs = _compared(means, overall, higher_is_better)
        return np.asarray(ours - theirs)

    return _intervals(_by_group(pair, groups), found, _How(level, n_resamples, seed))


def _by_group(values: Values, groups: Sequence[str | None]) -> dict[str, Values]:
    """Return each group's counted cases, (M, n), in an order of their own."""
    if values.ndim != 2 or values.shape[1] != len(groups):
        raise MetricError(
            f"scores of shape {values.shape[1:]} for {len(groups)} groups: expected "
            "one of each for every case"
        )
    groups = people(groups)
    counts = ~np.isnan(values).any(0)
    found = {}
    for name in table.group_order(groups):
        # One by one: an array of names would make text of numbers and truth values.
        is_own = np.array([group == name for group in groups], bool)
        own = values[:, counts & is_own]
        if own.shape[1]:
            # Sorted, so that the order of the cases does not matter.
            found[name] = own[:, np.lexsort(own)]
    return found


def _compared(means: Values, overall: Values, higher_is_better: bool) -> list[Values]:
    """Return M arrays (G + S, ...) of means and statistics, from (G, M, ...) means."""
    found = table.statistics(overall, means, higher_is_better=higher_is_better)
    rows = np.stack([*means, *(found[name] for name in STATISTICS)], axis=0)
    return [rows[:, model] for model in range(rows.shape[1])]


def _intervals(
    by_group: Mapping[str, Values],
    compared: Callable[[Values, Values], Values],
    how: _How,
) -> Intervals:
    """Return the intervals of (G + S, ...) rows of (G, M, ...) and (M, ...) means."""
    if not 0 < how.level < 100 or how.n_resamples < 1:
        raise MetricError(
            f"a level of {how.level} % from {how.n_resamples} resamples: expected a "
            "level between 0 and 100 and at least one resample"
        )
    names = (*by_group, *STATISTICS)
    sizes = np.array([own.shape[1] for own in by_group.values()], np.float64)
    ends, is_bca = np.full((len(names), 2), np.nan), np.zeros(len(names), bool)

    def of_means(means: Values) -> Values:
        return compared(means, np.tensordot(sizes, means, axes=1) / sizes.sum())

    if (sizes > 1).any():
        # One case cannot be drawn otherwise, and scipy takes no sample of one.
        samples = [own.repeat(1 + (own.shape[1] == 1), 1) for own in by_group.values()]
        ends, is_bca = _ends(samples, of_means, how)
        ends[: len(sizes)][sizes == 1] = np.nan
        if (sizes == 1).any():
            ends[len(sizes) :][[name != "mean" for name in STATISTICS]] = np.nan
    # One and the same NaN, so that equal intervals compare equal.
    found = [
        Interval(*(math.nan if np.isnan(end) else float(end) for end in row))
        for row in ends
    ]
    methods: dict[str, Method] = {
        name: "BCa" if bca else "percentile"
        for name, bca, interval in zip(names, is_bca, found, strict=True)
        if not np.isnan(interval).any()
    }
    return Intervals(
        groups=dict(zip(by_group, found, strict=False)),
        statistics=dict(zip(STATISTICS, found[len(sizes) :], strict=True)),
        methods=methods,
        notes=_notes({name: own.shape[1] for name, own in by_group.items()}),
        **how._asdict(),
    )


def _notes(sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Say in sentences which groups are too small for an interval, or nearly."""
    alone = [name for name, n in sizes.items() if n == 1]
    few = [f"{name} ({n})" for name, n in sizes.items() if 1 < n < _FEW]
    said = {
        f"one case, so that neither the group nor what compares it has an interval: "
        f"{', '.join(map(str, alone))}": alone,
        f"fewer than {_FEW} cases, so that the interval says little: "
        f"{', '.join(few)}": few,
    }
    return tuple(sentence for sentence, applies in said.items() if applies)


def _ends(
    samples: Sequence[Values], of_means: Callable[[Values], Values], how: _How
) -> tuple[Values, NDArray[np.bool_]]:
    """Return (rows, 2) ends of intervals, and which of them are BCa ends."""
    # Drawn here: in scipy's own draws the size of a batch decides which they are.
    rng = np.random.default_rng(how.seed)
    drawn = [_drawn_means(own, how.n_resamples, rng) for own in samples]
    resampled = partial(
        stats.bootstrap,
        samples,
        lambda *each, axis: of_means(np.stack([own.mean(axis) for own in each])),
        n_resamples=0,
        bootstrap_result=SimpleNamespace(
            bootstrap_distribution=of_means(np.stack(drawn))
        ),
        confidence_level=how.level / 100,
        vectorized=True,
        axis=-1,
        batch=max(1, _LEFT_OUT_AT_ONCE // sum(own.shape[1] for own in samples)),
    )
    is_published = how.convention == "reference"
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # Where BCa is not defined, percentiles stand instead, and are called so.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        plain = resampled(method="percentile")
        found = plain if is_published else resampled(method="BCa")
    ends, fallback = (np.stack(each.confidence_interval, -1) for each in (found, plain))
    is_bca = ~np.isnan(ends).any(1) & (not is_published)
    return np.where(is_bca[:, None], ends, fallback), is_bca


def _drawn_means(own: Values, n_resamples: int, rng: np.random.Generator) -> Values:
    """Return the means (M, R) of resamples of (M, n) scores, drawn a part at a time."""
    n = own.shape[1]
    starts = range(0, n_resamples, max(1, _DRAWN_AT_ONCE // n))
    parts = [min(starts.step, n_resamples - start) for start in starts]
    means = [own[..., rng.integers(0, n, (part, n))].mean(-1) for part in parts]
    return np.concatenate(means, -1)
