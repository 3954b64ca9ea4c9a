"""How the Dice of the same cases changed, for each group and region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_dmoe.evaluation.group_table import counted_mean
from napari_dmoe.evaluation.groups import EVERYBODY, SMALL_GROUP, names_of_groups
from napari_dmoe.evaluation.json_scores import with_nan
from napari_dmoe.evaluation.paired import paired_interval
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.training.tuning.scores import CaseScore

_CLEAN = 1.0
"""What a mask counts as that is rightly empty, where one before or after was not."""

_NUMBERS = ("before", "after", "low", "high", "whole", "whole_low")


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
    appeared, vanished : int
        Cases whose truth lacks the region in which it is drawn now, and was not before;
        and the other way round.
    whole, whole_low : float
        The mean change and the lower end of its interval where those count too, a
        rightly empty mask as 1; NaN where there are none.
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
    appeared: int = 0
    vanished: int = 0
    whole: float = math.nan
    whole_low: float = math.nan

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
        """Cases that say something of the region: their truth has it."""
        return self.n_compared - self.n_absent

    @property
    def is_enough(self) -> bool:
        """Whether there are so many of them that their mean says something."""
        return self.n_checking >= SMALL_GROUP

    @property
    def least(self) -> float:
        """How much it rose at the worse of both counts; NaN where it is no number."""
        numbers = [g for g in (self.gain, self.whole) if not math.isnan(g)]
        return min(numbers, default=math.nan)

    def is_worse(self, tolerance: float) -> bool:
        """Whether it fell by more than a tolerance; False where it is no number."""
        return self.least < -tolerance - _ROUNDING

    def excludes(self, loss: float) -> bool:
        """Whether its intervals exclude that it fell by more than a loss."""
        is_clean = math.isnan(self.whole) or self.whole_low >= -loss - _ROUNDING
        return self.low >= -loss - _ROUNDING and is_clean

    @property
    def said(self) -> str:
        """Both means, the cases and the interval, as everything that shows it says."""
        name = "all" if self.group == EVERYBODY else self.group
        facts = [f"n {self.n_compared}"]
        if not math.isnan(self.low):
            facts.append(f"{self.low:+.2f} to {self.high:+.2f}")
        if self.appeared:
            facts.append(f"drawn in {self.appeared} that have none and had none drawn")
        return (
            f"{name}, {self.region} {self.before:.2f} -> {self.after:.2f} "
            f"({', '.join(facts)})"
        )


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
        (old, old.dice[region], new.dice[region])
        for old, new in zip(before, after, strict=True)
        if group == EVERYBODY or group in old.groups
    ]
    both = [row for row in own if not math.isnan(row[1]) and not math.isnan(row[2])]
    rises = [new - old for _, old, new in both]
    interval = paired_interval(rises)
    # Of a truth without the region, no score means that nothing was drawn.
    appeared = [new - _CLEAN for _, old, new in own if math.isnan(old) and new == new]
    vanished = [_CLEAN - old for _, old, new in own if math.isnan(new) and old == old]
    everything = [*rises, *appeared, *vanished] if appeared or vanished else []
    return Change(
        group=group,
        region=region,
        n=len(own),
        n_nan=len(own) - len(both),
        before=counted_mean(old for _, old, _ in both),
        after=counted_mean(new for _, _, new in both),
        low=interval.low,
        high=interval.high,
        n_absent=sum(region in score.absent for score, _, _ in both),
        appeared=len(appeared),
        vanished=len(vanished),
        whole=counted_mean(everything),
        whole_low=paired_interval(everything).low,
    )
