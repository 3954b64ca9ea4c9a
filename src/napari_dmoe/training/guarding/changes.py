"""How the Dice of the same cases changed, for each group and region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from napari_dmoe.evaluation.groups.intervals import Interval
from napari_dmoe.evaluation.groups.membership import (
    EVERYBODY,
    SMALL_GROUP,
    names_of_groups,
)
from napari_dmoe.evaluation.groups.paired import paired_interval
from napari_dmoe.evaluation.groups.table import counted_mean
from napari_dmoe.evaluation.scoring.json_scores import with_nan
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.training.guarding.scores import CaseScore

_CLEAN = 1.0
"""What a mask counts as that is rightly empty, where one before or after was not."""

_NUMBERS = ("before", "after", "low", "high", "least", "least_low", "least_high")


@dataclass(frozen=True)
class Change:
    """One region of one group, before and after.

    Parameters
    ----------
    group : str
        ``"all"``, or such as ``"severity=healthy"``.
    region : str
        A class, or several together such as the disc.
    n : int
        Cases of the group.
    n_nan : int
        Those without a score before or after, because neither mask has the region.
    before, after : float
        Mean Dice of the cases that have a score both before and after; NaN where none
        has.
    low, high : float
        95 % interval of the mean change of the same cases; NaN where there is none.
    n_absent : int
        Cases with a score before and after whose truth lacks the region: their Dice is
        0 whatever is drawn, so that they check nothing.
    n_again : int
        Cases that say something, but of a patient of whom another does already.
    appeared, vanished : int
        Cases whose truth lacks the region in which it is drawn now, and was not before;
        and the other way round.
    least, least_low, least_high : float
        The mean change and the lower end of its interval as they are least: of the
        same cases, of those among them whose truth has the region, and of all with what
        appeared and vanished, where a rightly empty mask counts as 1; and the upper end
        that belongs to that mean. NaN where these do not differ.
    """

    group: str
    region: str
    n: int
    n_nan: int
    before: float
    after: float
    low: float = math.nan
    high: float = math.nan
    n_absent: int = 0
    n_again: int = 0
    appeared: int = 0
    vanished: int = 0
    least: float = math.nan
    least_low: float = math.nan
    least_high: float = math.nan

    @property
    def gain(self) -> float:
        """How much it rose; NaN where it cannot be compared."""
        return self.after - self.before

    @property
    def n_compared(self) -> int:
        """Cases with a score both before and after."""
        return self.n - self.n_nan

    @property
    def n_checking(self) -> int:
        """Patients who say something of the region: a truth of theirs has it."""
        return self.n_compared - self.n_absent - self.n_again

    @property
    def is_enough(self) -> bool:
        """Whether there are so many of them that their mean says something."""
        return self.n_checking >= SMALL_GROUP

    def is_worse(self, tolerance: float) -> bool:
        """Whether it fell by more than a tolerance; False where it is no number."""
        return any(g < -tolerance - _ROUNDING for g in (self.gain, self.least))

    def is_surely_worse(self, tolerance: float) -> bool:
        """Whether it fell by more than a tolerance, and not by chance.

        Of cases that rise and fall without any change of the model, the mean falls too:
        the interval has to exclude that nothing changed.
        """
        means = (self.gain, self.high), (self.least, self.least_high)
        return any(g < -tolerance - _ROUNDING and high < 0 for g, high in means)

    def excludes(self, loss: float) -> bool:
        """Whether its intervals exclude that it fell by more than a loss."""
        lows = [self.low, *([] if math.isnan(self.least) else [self.least_low])]
        return all(low >= -loss - _ROUNDING for low in lows)

    @property
    def said(self) -> str:
        """Both means, the cases and the interval, as everything that shows it says."""
        facts = [f"n {self.n_compared}"]
        if not math.isnan(self.low):
            facts.append(f"{self.low:+.3f} to {self.high:+.3f}")
        if self.appeared:
            facts.append(f"drawn in {self.appeared} without any, and was not before")
        if self.least < self.gain - _ROUNDING:
            facts.append(f"{self.least:+.3f} with those that lack it counted apart")
        dice = f" {self.before:.3f} -> {self.after:.3f}" if self.n_compared else ""
        return f"{self.group}, {self.region}{dice} ({', '.join(facts)})"


_ROUNDING = 1e-9
"""Sums of Dice are no closer to what they stand for."""


def change_of(row: Mapping[str, Any]) -> Change:
    """Rebuild a change from JSON, with null where there is no number."""
    numbers = with_nan({key: row[key] for key in _NUMBERS if key in row})
    return Change(**{**row, **numbers})


def changes(
    before: Sequence[CaseScore],
    after: Sequence[CaseScore],
    attributes: Sequence[CardAttribute] = (),
) -> tuple[Change, ...]:
    """Return how the means of the same cases changed, all first and then by group."""
    regions = list(dict.fromkeys(name for score in before for name in score.dice))
    there = {group for score in before for group in score.groups}
    groups = [group for group in names_of_groups(attributes) if group in there]
    return tuple(
        _change(before, after, group=group, region=region)
        for group in (EVERYBODY, *groups)
        for region in regions
    )


def _change(
    before: Sequence[CaseScore],
    after: Sequence[CaseScore],
    *,
    group: str,
    region: str,
) -> Change:
    own = [
        (old.dice[region], new.dice[region], old, place)
        for place, (old, new) in enumerate(zip(before, after, strict=True))
        if group == EVERYBODY or group in old.groups
    ]
    both = [row for row in own if not math.isnan(row[0] + row[1])]
    shown = [row for row in both if region not in row[2].absent]
    # Of a truth without the region, no score means that nothing was drawn.
    appeared = [row for row in own if math.isnan(row[0]) and not math.isnan(row[1])]
    vanished = [row for row in own if math.isnan(row[1]) and not math.isnan(row[0])]
    ways = [both, shown, [*both, *appeared, *vanished]]
    risen = [_risen(way) for way in ways if way and len(way) != len(both)]
    (_, interval), whom = _risen(both), {_whose(row) for row in shown}
    least, of_least = min(risen, key=itemgetter(0), default=(math.nan, interval))
    return Change(
        group=group,
        region=region,
        n=len(own),
        n_nan=len(own) - len(both),
        before=counted_mean(row[0] for row in both),
        after=counted_mean(row[1] for row in both),
        low=interval.low,
        high=interval.high,
        n_absent=len(both) - len(shown),
        n_again=len(shown) - len(whom),
        appeared=len(appeared),
        vanished=len(vanished),
        least=least,
        least_low=min((each.low for _, each in risen), default=math.nan),
        least_high=of_least.high if risen else math.nan,
    )


_Row = tuple[float, float, CaseScore, int]
"""Dice before and after, whose, and its place among the cases."""


def _whose(row: _Row) -> tuple[str, int]:
    """Return what cases of one patient share, and no others."""
    _, _, score, place = row
    return ("case", place) if score.subject is None else ("subject", score.subject)


def _risen(rows: Sequence[_Row]) -> tuple[float, Interval]:
    """Return how much cases rose in the mean, and the interval of it."""
    clean = [[_CLEAN if math.isnan(v) else v for v in row[:2]] for row in rows]
    rises = [after - before for before, after in clean]
    return counted_mean(rises), paired_interval(rises, list(map(_whose, rows)))
