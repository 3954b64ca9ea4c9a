"""Shares that a person states for the values of unknown drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard


def restated(shares: Sequence[float], place: int, share: float) -> tuple[float, ...]:
    """Return shares of which the one at `place` becomes `share`, in [0, 1].

    They sum to 1: the others share what is left and keep their proportions; where they
    had nothing, each gets as much as the next. A single value always has everything.
    """
    others = [each for i, each in enumerate(shares) if i != place]
    if not others:
        return (1.0,)
    left, total = 1 - share, sum(others)
    return tuple(
        share if i == place else left * (each / total if total > 0 else 1 / len(others))
        for i, each in enumerate(shares)
    )


@dataclass(frozen=True)
class Stated:
    """What shares were stated at one moment, and for whose drivers."""

    card: ModelCard | None = None
    """Card of the model whose drivers they are."""
    by_driver: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Shares of each driver's values."""

    def of(self, card: ModelCard) -> dict[str, tuple[float, ...]]:
        """Return those that hold for a model: for a driver with the same values."""
        ours = () if self.card is None else self.card.attributes
        values = {each.name: each.values for each in ours}
        return {
            each.name: self.by_driver[each.name]
            for each in card.attributes
            if each.name in self.by_driver and each.values == values.get(each.name)
        }


class StatedShares:
    """Shares by driver; what is not stated is as the model's card has it."""

    changed = Signal()

    def __init__(self) -> None:
        self._shares: dict[str, tuple[float, ...]] = {}

    @property
    def by_driver(self) -> Mapping[str, tuple[float, ...]]:
        """Shares of each driver's values; they sum to 1."""
        return dict(self._shares)

    def state(self, driver: str, shares: tuple[float, ...]) -> None:
        """Mix a driver's values by these shares from now on, where it is unknown."""
        self._shares[driver] = shares
        self.changed.emit()

    def reset(self) -> None:
        """Mix by the card's shares again."""
        if self._shares:
            self._shares = {}
            self.changed.emit()
