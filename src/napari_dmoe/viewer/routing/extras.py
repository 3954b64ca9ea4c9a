"""What maps of a result need beyond its own gates: runs for them, kept with the result.

They are forgotten together with the result that they belong to. Knows no Qt.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import stacked
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.session.results import Outcome, Result

STAGES = (
    "The stages of a U-Net have experts of their own, so they cannot agree or disagree."
)

Votes = tuple[NDArray[np.uint8], ...]
"""An (E, *tokens) array a block."""


@dataclass(eq=False)
class Extras:
    """What further runs for one result found."""

    by_value: dict[tuple[str, str], RoutingMaps] = field(default_factory=dict)
    """The routing for another value, by attribute and value."""
    votes: dict[tuple[int, int], Votes] = field(default_factory=dict)
    """Votes of noise samples for experts, by their number and seed."""
    chance: RoutingMaps | None = None
    """The chance of each expert to be chosen."""
    apart: dict[tuple[str, tuple[str, str]], tuple[float, ...]] = field(
        default_factory=dict
    )
    """Mean divergence of two values in each block, by attribute and both values."""
    _means: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    def mean(self, routing: RoutingMaps, block: int) -> NDArray[np.float32]:
        """Return a block's mean gates of the result's own routing.

        Those that were looked at last are known: of a volume they take much memory.
        """
        if block not in self._means:
            self._means = {block: routing.mean(block)}
        return self._means[block]


_EXTRAS: WeakKeyDictionary[Outcome, Extras] = WeakKeyDictionary()


def extras_of(result: Result) -> Extras:
    """Return what further runs for a result found so far."""
    return _EXTRAS.setdefault(result.outcome, Extras())


def map_input(
    made: Segmentation, overlay: Overlay, extras: Extras
) -> NDArray[Any] | None:
    """Return what a map is computed from; None where a run for it is missing.

    It is what ``overlay.kind.compute`` takes, along the axes of the result's routing,
    for a block that the network has. None, too, where no run would help: see
    :func:`why_never`.
    """
    routing = made.routing
    if routing is None:
        return None
    needs, block = overlay.kind.needs, overlay.block
    if needs == "blocks":
        return None if why_never(made, overlay) else stacked(routing)
    if needs == "two values":
        pair = (routing_for(made, overlay.attribute, v, extras) for v in overlay.values)
        found = [each.mean(block) for each in pair if each is not None]
        return np.stack(found) if len(found) == len(overlay.values) else None
    if needs == "samples":
        votes = extras.votes.get((overlay.samples, overlay.seed))
        return None if votes is None else np.moveaxis(votes[block], 0, -1)
    if needs == "chance":
        return None if extras.chance is None else extras.chance.mean(block)
    return extras.mean(routing, block)


def mean_by_block(
    made: Segmentation, overlay: Overlay, extras: Extras
) -> tuple[float, ...]:
    """Return the mean divergence of two values in each block, computed once.

    Empty where a run for them is missing.
    """
    pair = (overlay.attribute, overlay.values)
    if pair not in extras.apart:
        n_blocks = 0 if made.routing is None else made.routing.n_blocks
        blocks = (replace(overlay, block=block) for block in range(n_blocks))
        entries = [map_input(made, block, extras) for block in blocks]
        known = [entry for entry in entries if entry is not None]
        if len(known) < len(entries):
            return ()
        compute = overlay.kind.compute
        extras.apart[pair] = tuple(float(compute(e, 0).mean()) for e in known)
    return extras.apart[pair]


def why_never(made: Segmentation, overlay: Overlay) -> str:
    """Say why a result can have no such map, whatever is run; nothing where it can."""
    routing, needs = made.routing, overlay.kind.needs
    if needs == "blocks" and routing is not None and not routing.shares_experts:
        return STAGES
    if needs == "two values" and not made.provenance.drivers:
        return "This model uses no attribute, so there are no two values to compare."
    return ""


def missing_values(
    made: Segmentation, overlay: Overlay, extras: Extras
) -> tuple[str, ...]:
    """Return those of the two values whose routing is not known yet."""
    return tuple(
        value
        for value in dict.fromkeys(overlay.values)
        if routing_for(made, overlay.attribute, value, extras) is None
    )


def routing_for(
    made: Segmentation, attribute: str, value: str, extras: Extras
) -> RoutingMaps | None:
    """Return the routing for one value of a driver; None where it must be run.

    A result's own routing has it where the value is the patient's, or where it is one
    of those that were mixed.
    """
    kept = extras.by_value.get((attribute, value))
    routing, drivers = made.routing, made.provenance.drivers
    names = [driver.attribute for driver in drivers]
    if kept is not None or routing is None or attribute not in names:
        return kept
    axis = names.index(attribute)
    driver = drivers[axis]
    # The combinations were run in the order of the drivers, the last one fastest.
    shape = tuple(len(each.values) for each in drivers)
    is_whole = prod(shape) == len(routing.values)
    if value not in driver.values or driver.between is not None or not is_whole:
        return None
    along = np.moveaxis(np.arange(prod(shape)).reshape(shape), axis, 0)
    places = along[driver.values.index(value)].ravel()
    shares = np.array(routing.weights)[places]
    total = shares.sum()
    shares = shares / total if total > 0 else np.full(len(places), 1 / len(places))
    return replace(
        routing,
        gates=tuple(gates[places] for gates in routing.gates),
        values=tuple(routing.values[place] for place in places),
        weights=tuple(map(float, shares)),
    )


def remember(extras: Extras, overlay: Overlay, found: Any) -> None:
    """Keep what a run for a map returned."""
    needs = overlay.kind.needs
    if needs == "two values":
        for value, routing in found.items():
            extras.by_value[overlay.attribute, value] = routing
    elif needs == "samples":
        extras.votes[overlay.samples, overlay.seed] = found.expert_votes
    elif needs == "chance":
        extras.chance = found
