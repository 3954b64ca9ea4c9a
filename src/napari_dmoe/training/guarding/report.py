"""What a tuning changed, for each class and group: the report, as words and JSON.

It says that no group got worse only where that was checked of every group that the
model was trained on: see :mod:`napari_dmoe.training.guarding.verdict`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from typing import Any

from napari_dmoe.evaluation.groups.membership import EVERYBODY
from napari_dmoe.evaluation.groups.table import counted_mean
from napari_dmoe.evaluation.scoring.json_scores import with_null
from napari_dmoe.foreign import printable
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.purpose import reason
from napari_dmoe.training.facts.card_facts import without_verdict
from napari_dmoe.training.guarding import verdict
from napari_dmoe.training.guarding.changes import Change, change_of, changes
from napari_dmoe.training.guarding.verdict import TOLERANCE, Verdict

__all__ = ["TOLERANCE", "Change", "TuningReport", "Verdict", "changes", "with_verdict"]

_VERSIONS = (1, 2)
_DERIVED = ("verdict", "said", "said_of_cases")
_LISTS = ("missing", "notices", "reasons", "required")


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
    reasons : tuple of str
        Why it was not checked that no group got worse. What the guard's changes show is
        added to what is given here.
    required : tuple of str, optional
        Groups that the model was trained on, which have to be checked; all that the
        guard has by default. Others are named where they are too few.
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
    reasons: tuple[str, ...] = ()
    required: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Add what the guard's changes show to the reasons."""
        found = verdict.reasons(
            self.guard,
            missing=self.missing,
            required=self.required,
            tolerance=self.tolerance,
            given=self.reasons,
        )
        object.__setattr__(self, "reasons", found)

    @property
    def worse(self) -> tuple[Change, ...]:
        """What of the guard got worse by more than the tolerance, all included.

        Of groups with enough cases, and more than by chance: :attr:`reasons` name what
        else fell.
        """
        return verdict.worse(self.guard, self.tolerance)

    @property
    def worst_group(self) -> tuple[tuple[str, float], tuple[str, float]] | None:
        """The guard's worst group and its mean Dice, before and after; None without."""
        first, second = (_worst(self.guard, when) for when in ("before", "after"))
        return None if first is None or second is None else (first, second)

    @property
    def verdict(self) -> Verdict:
        """What may be said of the groups."""
        return verdict.of(self.worse, self.reasons)

    @property
    def said(self) -> str:
        """The verdict in words, the same wherever it is shown."""
        return verdict.said(self)

    @property
    def worse_cases(self) -> tuple[Change, ...]:
        """What got worse by more than the tolerance on what was trained on itself."""
        own = (c for c in self.cases if c.group == EVERYBODY)
        return tuple(c for c in own if c.is_worse(self.tolerance))

    @property
    def said_of_cases(self) -> str:
        """The same in words, the same wherever it is shown; empty where nothing did."""
        return verdict.said_of_cases(self)

    def to_json(self) -> str:
        """Return it as JSON, with the verdict and its words; null for no number."""
        derived = {name: getattr(self, name) for name in _DERIVED}
        facts = {"schema_version": _VERSIONS[-1], **derived, **asdict(self)}
        return json.dumps(with_null(facts), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TuningReport:
        """Rebuild it from what :meth:`to_json` gave, also in its first version.

        Raises
        ------
        ValueError
            When the text is no such report.
        """
        try:
            facts: dict[str, Any] = json.loads(text)
            if facts.pop("schema_version") not in _VERSIONS:
                raise ValueError("it is of another version")
            for name in _DERIVED:
                facts.pop(name, None)
            for name in ("cases", "guard"):
                facts[name] = tuple(map(change_of, facts[name]))
            for name in _LISTS:
                if facts.get(name) is not None:
                    facts[name] = tuple(facts[name])
            return cls(**facts)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"this is no report of a tuning: {reason(error)}"
            ) from error


def with_verdict(
    tuned: LoadedModel, report: TuningReport, *, note: str = ""
) -> LoadedModel:
    """Return a tuned model whose card says what was measured of the groups.

    Parameters
    ----------
    tuned : LoadedModel
        The model; its training's facts are on its card.
    report : TuningReport
        What it changed. The Dice of its guard is stated, or none.
    note : str
        What else its note is to say, before the verdict.
    """
    facts = without_verdict(tuned.card.training)
    everybody = [c for c in report.guard if c.group == EVERYBODY]
    dice = {c.region: round(c.after, 3) for c in everybody if c.after == c.after}
    of = f" ({printable(report.guard_title)})" if report.guard_title else ""
    said = f"Groups{of}: {report.said}"
    stated: dict[str, Any] = {
        "dice": dice or None,
        "n_held_out": max((c.n_compared for c in everybody), default=0) or None,
        "held_out": None,
        "guard": report.said,
        "note": " ".join(filter(None, (facts.note, note, said))),
    }
    training = facts.model_copy(update=stated)
    return replace(tuned, card=tuned.card.model_copy(update={"training": training}))


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
