"""Does the right value help, and whom: own value, best value and unknown mixture.

Needs a truth. Dice is compared case by case. The own value against the mixture tells
what knowing the attribute is worth; against the mean of the other values, what a wrong
one costs. The best value of a case is chosen with the truth in hand: it is an upper
bound that even values which decide nothing reach by luck, never a recommendation.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import special

from napari_dmoe.evaluation.counterfactual.audited import AuditedCase, SweptDriver
from napari_dmoe.evaluation.counterfactual.dependence import known
from napari_dmoe.evaluation.groups.comparing import holm
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.groups.intervals import Interval
from napari_dmoe.evaluation.groups.membership import SMALL_GROUP
from napari_dmoe.evaluation.groups.paired import LEVEL, paired_interval

Contrast = Literal["mixture", "others"]
"""What the own value is compared with."""

SIGNIFICANT = 0.05
_EQUAL = 1e-9
"""Dice that differ by less are equal."""


@dataclass(frozen=True)
class Helped:
    """How far the own value is above something, on the same cases."""

    contrast: Contrast
    mean: float
    """Dice with the own value minus Dice with the other; NaN without a case."""
    interval: Interval
    """95 %, clustered by subject; NaN for fewer than two."""
    p: float
    """Of no difference; NaN where it cannot be told."""
    p_holm: float = math.nan
    """Corrected by Holm for what was compared together."""

    @property
    def says(self) -> Literal["helps", "hurts", "no difference shown", "untold"]:
        """Whether the right value helps, once corrected for all comparisons."""
        if math.isnan(self.p_holm):
            return "untold"
        if self.p_holm >= SIGNIFICANT:
            return "no difference shown"
        return "helps" if self.mean > 0 else "hurts"

    def facts(self) -> dict[str, Any]:
        """Return what goes into ``audit.json``."""
        return {
            "against": self.contrast,
            "mean": known(self.mean),
            "low": known(self.interval.low),
            "high": known(self.interval.high),
            "p": known(self.p),
            "p_holm": known(self.p_holm),
            "says": self.says,
        }


@dataclass(frozen=True)
class GroupHelp:
    """What the right value is worth for one region in one group."""

    attribute: str
    region: str
    grouping: str
    group: str
    n: int
    """Cases with a truth, an own value that some training case had, and a score."""
    n_subjects: int
    own: float
    """Mean Dice with the own value."""
    mixture: float
    others: float
    """With the other values, on the mean over them."""
    best: float
    """With the value that is best for each case."""
    by_value: dict[str, float]
    """With each value for everybody in the group."""
    own_is_best: float
    """Share of the cases whose own value is the best one; of k that tie each counts
    1 / k. By chance it is 1 / the number of values."""
    compared: tuple[Helped, ...] = ()

    @property
    def is_small(self) -> bool:
        """Whether there are too few cases for anything to be said."""
        return self.n < SMALL_GROUP

    def facts(self) -> dict[str, Any]:
        """Return what goes into ``audit.json``."""
        return {
            "attribute": self.attribute,
            "region": self.region,
            "grouping": self.grouping,
            "group": self.group,
            "n": self.n,
            "n_subjects": self.n_subjects,
            "is_small": self.is_small,
            "dice": {
                "own": known(self.own),
                "mixture": known(self.mixture),
                "others": known(self.others),
                "best": known(self.best),
            },
            "dice_by_value": {v: known(d) for v, d in self.by_value.items()},
            "own_is_best": known(self.own_is_best),
            "own_is_best_by_chance": known(
                1 / len(self.by_value) if self.by_value else math.nan
            ),
            "compared": [each.facts() for each in self.compared],
        }


@dataclass(frozen=True)
class _Scored:
    """One case's Dice with every value that counts."""

    subject: Hashable
    own: float
    mixture: float
    by_value: dict[str, float]
    own_name: str

    @property
    def others(self) -> float:
        found = [d for v, d in self.by_value.items() if v != self.own_name]
        return float(np.mean(found)) if found else math.nan

    @property
    def best(self) -> float:
        return max(self.by_value.values())

    @property
    def own_is_best(self) -> float:
        ties = [d for d in self.by_value.values() if d >= self.best - _EQUAL]
        return 1 / len(ties) if self.own >= self.best - _EQUAL else 0.0


def helps(
    cases: Sequence[AuditedCase],
    drivers: Sequence[SweptDriver],
    regions: Sequence[str],
    groupings: Sequence[Grouping],
) -> tuple[GroupHelp, ...]:
    """Return what the right value is worth, for everybody and by group.

    Parameters
    ----------
    cases : sequence of AuditedCase
        All cases, in the order of the groupings; those without a truth, an own value
        or a score of a region are not counted there.
    drivers, regions, groupings
        As in :func:`~napari_dmoe.evaluation.counterfactual.dependence.dependences`.

    Notes
    -----
    P is that of Student's t for means of cases clustered by subject, as the interval.
    Holm's correction is over all comparisons of one driver and one grouping, every
    region and both contrasts; those of everybody belong to each grouping's family once,
    and are corrected among themselves.

    References
    ----------
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6 (1979), 65-70.
    """
    found: list[GroupHelp] = []
    for driver in drivers:
        scored = {r: [_scored(case, driver, r) for case in cases] for r in regions}
        family = [_help(driver, r, "", "all", scored[r]) for r in regions]
        found += _corrected([each for each in family if each.n])
        for grouping in groupings:
            family = [
                _help(
                    driver,
                    region,
                    grouping.name,
                    value,
                    [scored[region][place] for place in _places(grouping, value)],
                )
                for region in regions
                for value in grouping.values
            ]
            found += _corrected([each for each in family if each.n])
    return tuple(found)


def _places(grouping: Grouping, value: str) -> list[int]:
    return [place for place, own in enumerate(grouping.of_case) if own == value]


def _scored(case: AuditedCase, driver: SweptDriver, region: str) -> _Scored | None:
    """Return a case's scores; None where they do not count."""
    sweep = case.sweep(driver.name)
    if sweep is None or sweep.own not in driver.trained or not case.has_truth:
        return None
    dice = {
        each.name: one.dice
        for each in sweep.values
        if each.is_trained and (one := each.of(region)) is not None
    }
    mixed = sweep.value("mixture")
    found = None if mixed is None else mixed.of(region)
    by_value = {value: dice.get(value, math.nan) for value in driver.trained}
    if found is None or len(by_value) < 2:
        return None
    # Neither the truth nor a mask has it: then there is nothing to be right about.
    # One value that finds it where the truth has none scores 0, and others nothing.
    if all(map(math.isnan, by_value.values())):
        return None
    filled = {v: _filled(d) for v, d in by_value.items()}
    whose = case.subject if case.subject is not None else ("case", case.number)
    own = filled[sweep.own]
    return _Scored(whose, own, _filled(found.dice), filled, sweep.own)


def _filled(dice: float) -> float:
    """Return a Dice; 1 where mask and truth agree that there is none.

    Beside values that find something there, which score 0, it is the right answer.
    """
    return 1.0 if math.isnan(dice) else dice


def _help(
    driver: SweptDriver,
    region: str,
    grouping: str,
    group: str,
    scored: Sequence[_Scored | None],
) -> GroupHelp:
    counted = [each for each in scored if each is not None]
    return GroupHelp(
        attribute=driver.name,
        region=region,
        grouping=grouping,
        group=group,
        n=len(counted),
        n_subjects=len({each.subject for each in counted}),
        own=_mean([each.own for each in counted]),
        mixture=_mean([each.mixture for each in counted]),
        others=_mean([each.others for each in counted]),
        best=_mean([each.best for each in counted]),
        by_value={v: _mean([e.by_value[v] for e in counted]) for v in driver.trained},
        own_is_best=_mean([each.own_is_best for each in counted]),
        compared=(_compared(counted, "mixture"), _compared(counted, "others")),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _compared(counted: Sequence[_Scored], contrast: Contrast) -> Helped:
    rises = [each.own - getattr(each, contrast) for each in counted]
    subjects = [each.subject for each in counted]
    interval = paired_interval(rises, subjects)
    mean, n = _mean(rises), len(set(subjects))
    too_few = len(counted) < SMALL_GROUP or n < 2
    p = math.nan if too_few else _p(mean, interval, n - 1)
    return Helped(contrast, mean, interval, p)


def _p(mean: float, interval: Interval, freedom: int) -> float:
    """Return the p of a mean that an interval of Student's t goes with."""
    reach = (interval.high - interval.low) / 2
    if math.isnan(reach):
        return math.nan
    if reach == 0:  # every case changed by the same: no spread to hold it against
        return 1.0 if mean == 0 else math.nan
    error = reach / float(special.stdtrit(freedom, (1 + LEVEL / 100) / 2))
    return float(2 * special.stdtr(freedom, -abs(mean) / error))


def _corrected(family: Sequence[GroupHelp]) -> list[GroupHelp]:
    """Return a family of comparisons with Holm's p."""
    ps = [each.p for group in family for each in group.compared]
    adjusted = iter(holm(ps))
    return [
        replace(
            group,
            compared=tuple(replace(e, p_holm=next(adjusted)) for e in group.compared),
        )
        for group in family
    ]
