"""What a tuning changed, for each class and group: the report, as words and JSON.

It never says that no group got worse unless a guard was measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any, Literal

from napari_dmoe.evaluation.group_table import counted_mean
from napari_dmoe.evaluation.groups import EVERYBODY, names_of_groups
from napari_dmoe.evaluation.json_scores import with_nan, with_null
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.training.tuning.scores import CaseScore

TOLERANCE = 0.01
"""A group whose Dice fell by more is said to have got worse."""

Verdict = Literal["not checked", "no group got worse", "worse"]


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
        Mean Dice of the counted cases; NaN where none counts.
    """

    group: str
    region: str
    n: int
    n_nan: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        """How much it rose; NaN where it cannot be compared."""
        return self.after - self.before

    def is_worse(self, tolerance: float) -> bool:
        """Whether it fell by more than a tolerance; False where it is no number."""
        return self.gain < -tolerance


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
    pairs = [
        (old.dice[region], new.dice[region])
        for old, new in zip(before, after, strict=True)
        if group == EVERYBODY or group in old.groups
    ]
    return Change(
        group=group,
        region=region,
        n=len(pairs),
        n_nan=sum(any(math.isnan(value) for value in pair) for pair in pairs),
        before=counted_mean(old for old, _ in pairs),
        after=counted_mean(new for _, new in pairs),
    )


@dataclass(frozen=True)
class TuningReport:
    """What a tuning changed.

    Parameters
    ----------
    cases : tuple of Change
        On the corrected cases that were trained on.
    guard : tuple of Change
        On the guard; empty where there was none.
    guard_title : str
        What the guard was; empty where there was none.
    tolerance : float
        How much a group's Dice may fall.
    n_cases, n_replayed : int
        Corrected cases, and earlier ones that were mixed in.
    steps : int
        Steps of the optimiser.
    parent : str
        SHA-256 of the model it started from; empty where that was never a file.
    missing : tuple of str
        Groups of the model that the guard has no case of: they were not checked.
    notices : tuple of str
        What a person should know.
    """

    cases: tuple[Change, ...]
    guard: tuple[Change, ...] = ()
    guard_title: str = ""
    tolerance: float = TOLERANCE
    n_cases: int = 0
    n_replayed: int = 0
    steps: int = 0
    parent: str = ""
    missing: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[Change, ...]:
        """What of the guard got worse by more than the tolerance, all included."""
        return tuple(c for c in self.guard if c.is_worse(self.tolerance))

    @property
    def worst_group(self) -> tuple[tuple[str, float], tuple[str, float]] | None:
        """The guard's worst group and its mean Dice, before and after; None without."""
        first, second = (_worst(self.guard, when) for when in ("before", "after"))
        return None if first is None or second is None else (first, second)

    @property
    def verdict(self) -> Verdict:
        """What may be said of the groups."""
        if not any(change.group != EVERYBODY for change in self.guard):
            return "not checked"
        return "worse" if self.worse else "no group got worse"

    def to_json(self) -> str:
        """Return it as JSON; null where there is no number."""
        facts = {"schema_version": 1, **asdict(self)}
        return json.dumps(with_null(facts), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TuningReport:
        """Rebuild it from what :meth:`to_json` gave.

        Raises
        ------
        ValueError
            When the text is no such report.
        """
        try:
            facts: dict[str, Any] = json.loads(text)
            if facts.pop("schema_version") != 1:
                raise ValueError("it is of another version")
            for name in ("cases", "guard"):
                facts[name] = tuple(map(_change_of, facts[name]))
            for name in ("missing", "notices"):
                facts[name] = tuple(facts[name])
            return cls(**facts)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no report of a tuning: {error}") from error


def _worst(rows: Sequence[Change], when: str) -> tuple[str, float] | None:
    means: dict[str, list[float]] = {}
    for row in rows:
        if row.group != EVERYBODY:
            means.setdefault(row.group, []).append(getattr(row, when))
    counted = [(counted_mean(values), name) for name, values in means.items()]
    numbers = [each for each in counted if not math.isnan(each[0])]
    if not numbers:
        return None
    mean, name = min(numbers, key=itemgetter(0))
    return name, mean


def _change_of(row: Mapping[str, Any]) -> Change:
    means = with_nan({key: row[key] for key in ("before", "after")})
    return Change(**{**row, **means})
