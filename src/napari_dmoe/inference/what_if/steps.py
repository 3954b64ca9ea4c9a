"""A sweep in steps: the trained values, and what lies between them, in their order.

It runs nothing; :mod:`napari_dmoe.inference.what_if.interpolation` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_dmoe.inference.masks.agreement import FlippingRegion
    from napari_dmoe.inference.results.segmentation import Segmentation
    from napari_dmoe.inference.what_if.sweep_result import Sweep
    from napari_dmoe.models.card import ModelCard

STEPS_BETWEEN = 3
"""Steps between two neighbouring values of an ordered driver."""


@dataclass(frozen=True)
class Swept:
    """A sweep, and its steps from the first value to the last."""

    sweep: Sweep
    """What was found for the trained values."""
    steps: tuple[str, ...]
    """What each step is: a value, or what lies between two."""
    results: tuple[Segmentation, ...]
    """The result of each step."""
    chosen: int
    """The step of the patient's own value; the first where it is unknown."""
    seconds: float
    """How long it took."""

    @cached_property
    def stack(self) -> NDArray[np.uint8]:
        """The masks of all steps: (n, *S) labels, made when first asked for."""
        return np.stack([each.labels for each in self.results])

    def step_apart(self, region: FlippingRegion) -> int:
        """Return the step whose mask differs most from the reference in a region."""
        place = max(range(len(region.n_apart)), key=region.n_apart.__getitem__)
        return self.steps.index(self.sweep.values[place].name)


def between_positions(card: ModelCard | None, attribute: str) -> tuple[float, ...]:
    """Return the places between an ordered driver's values; none for other drivers."""
    from napari_dmoe.inference.what_if.interpolation import is_ordered

    known = {each.name: each for each in card.attributes} if card is not None else {}
    if attribute not in known or not is_ordered(known[attribute]):
        return ()
    parts = STEPS_BETWEEN + 1
    last = (len(known[attribute].values) - 1) * parts
    return tuple(i / parts for i in range(last) if i % parts)


def interleaved(
    sweep: Sweep,
    positions: tuple[float, ...],
    between: tuple[Segmentation, ...],
    seconds: float,
) -> Swept:
    """Put the steps between trained values into their places."""
    steps = {float(i): (v.name, v.result) for i, v in enumerate(sweep.values)}
    for position, result in zip(positions, between, strict=True):
        name = " and ".join(result.provenance.departures)
        steps[position] = (name, result)
    order = sorted(steps)
    chosen = sweep.reference.place or 0
    return Swept(
        sweep=sweep,
        steps=tuple(steps[place][0] for place in order),
        results=tuple(steps[place][1] for place in order),
        chosen=order.index(float(chosen)),
        seconds=seconds,
    )
