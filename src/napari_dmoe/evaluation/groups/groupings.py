"""What cases are grouped by: every recorded attribute, and several of them crossed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.models.card import CardAttribute


@dataclass(frozen=True)
class Grouping:
    """One way to part cases: by an attribute, or by several of them together."""

    name: str
    """``"age"``; of several ``"race x sex"``."""
    attributes: tuple[str, ...]
    values: tuple[str, ...]
    """Groups there should be, in order; of several attributes ``"Black, female"``."""
    of_case: tuple[str | None, ...]
    """Each case's value; None where it is not known."""
    notices: tuple[str, ...] = ()
    """What was decided, such as the bands of a number, in sentences."""

    @property
    def n_unknown(self) -> int:
        """Cases whose group is not known."""
        return sum(value is None for value in self.of_case)


def groupings(
    cases: Sequence[ScoredCase],
    *,
    attributes: Sequence[CardAttribute] = (),
    bands: Mapping[str, Sequence[float]] | None = None,
    crossed: Sequence[Sequence[str]] = (),
) -> tuple[Grouping, ...]:
    """Return one grouping for each attribute that cases state, and those crossed."""
    raise NotImplementedError
