"""Which map of the routing is wanted: its kind by name, and what it is asked for.

Knows no napari and no Qt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from napari_dmoe.inference.maps.overlays import OVERLAYS, OverlayKind, OverlayName
from napari_dmoe.inference.results.routing import RoutingMaps

SAMPLES = 16
"""Noise samples that a map of the uncertainty is begun with."""


@dataclass(frozen=True)
class Overlay:
    """Which map of the routing is shown; some of it counts for some maps only."""

    name: OverlayName = "dominant"
    block: int = -1
    """Block or stage, counted from 0; -1 for the finest."""
    expert: int = 0
    """Counted from 0."""
    attribute: str = ""
    """Driver whose two values are told apart."""
    values: tuple[str, str] = ("", "")
    samples: int = SAMPLES
    """Noise samples, drawn with `seed`."""
    seed: int = 0

    @property
    def kind(self) -> OverlayKind:
        """What is known of the map."""
        return OVERLAYS[self.name]

    @property
    def words(self) -> str:
        """What it shows, without the block: ``"chance of expert 3"``."""
        title = self.kind.title.lower()
        if self.kind.is_of_one_expert:
            return f"{title} {self.expert}"
        if self.kind.needs == "two values":
            return f"divergence of {self.values[0]} and {self.values[1]}"
        if self.kind.needs == "samples":
            return f"{title}, {self.samples} samples, seed {self.seed}"
        return title

    def place(self, unit: str) -> str:
        """Say where in the network: a block, or all; `unit` is what one is called."""
        return f"all {unit}s" if self.kind.needs == "blocks" else f"{unit} {self.block}"

    def within(self, routing: RoutingMaps) -> Overlay:
        """Return the same with a block and an expert that a network has."""
        blocks = range(routing.n_blocks)
        # The finest has the smallest tokens; it is the last one among equals.
        finest = max(
            blocks, key=lambda block: (prod(routing.grids[block].shape), block)
        )
        block = finest if self.block < 0 else min(self.block, blocks[-1])
        expert = min(self.expert, routing.n_experts - 1)
        return replace(self, block=block, expert=expert)
