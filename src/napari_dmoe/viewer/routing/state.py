"""What the Routing tab says of a result's routing. Knows no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.maps.measures import pair_names
from napari_dmoe.inference.maps.overlays import OVERLAYS, OverlayName
from napari_dmoe.inference.pictures import colours as pictures
from napari_dmoe.inference.results.routing import RoutingMaps, expert_load
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.routing.extras import extras_of, mean_by_block, why_never
from napari_dmoe.viewer.routing.map_layers import colour_key
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.routing.runs import what_is_missing
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.session.results import Result

_LISTED_PAIRS = 8
_HIDDEN = "Hidden, as “{}” is shown. Tick the box to see the map again."
BEHAVIOUR = "This model's behaviour, not biology."


@dataclass(frozen=True)
class ValuesOf:
    """A driver, and the values that can be compared."""

    name: str
    """Key of the attribute."""
    label: str
    """Its name for a person."""
    values: tuple[str, ...]


@dataclass(frozen=True)
class RoutingState:
    """What the tab shows of a result."""

    title: str = ""
    """Whose routing it is, and for which values."""
    departures: str = ""
    """How the result differs from the plain model's."""
    n_blocks: int = 0  # where nothing can be shown
    n_experts: int = 0
    unit: str = "block"
    """What a block is called: ``block``, or ``stage`` of a U-Net."""
    overlay: Overlay = field(default_factory=Overlay)
    """The map, with a block that the network has."""
    is_shown: bool = False
    """Whether it is seen on the image."""
    hidden: str = ""
    """What is seen instead of it; empty where it is seen, or nothing else is."""
    legend: tuple[TableRow, ...] = ()
    """A line for each expert: its colour as it is seen, and its share of the gates."""
    pairs: tuple[TableRow, ...] = ()
    """A line for each of the commonest pairs, where the map is of pairs."""
    busiest: int = 0
    """The expert with the largest share."""
    key: pictures.ColourKey | None = None
    """What the colours mean; None for maps of expert numbers, and without a map."""
    note: str = ""
    """What must be said of the map."""
    drivers: tuple[ValuesOf, ...] = ()
    """What two values can be taken from."""
    barred: Mapping[OverlayName, str] = field(default_factory=dict)
    """Maps that this result cannot have, and why."""
    missing: str = ""
    """Which runs the map needs."""
    why_no_run: str = ""
    """Why they cannot be run."""


def routing_state(
    result: Result | None,
    overlay: Overlay,
    *,
    is_shown: bool,
    opacity: float = 1.0,
    instead: str = "",
    why_no_run: str = "",
) -> RoutingState:
    """Return what the tab shows of a result, whose wanted map is seen or not.

    The opacity of a map that is seen is in [0, 1]; `instead` of one that is not, a
    layer of that name is seen.
    """
    if result is None:
        return RoutingState()
    made = result.segmentation
    routing = made.routing
    if routing is None:
        why = "comes from a file, without its routing: segment the image again"
        if not result.request.is_of_file:
            why = "came from a network without experts"
        return RoutingState(title=f"“{result.title}” {why}.")
    drivers, extras = drivers_of(result), extras_of(result)
    chosen = _filled(overlay.within(routing), drivers)
    gates = extras.mean(routing, chosen.block)
    load = expert_load(gates)
    reasons = {name: why_never(made, Overlay(name)) for name in OVERLAYS}
    missing = what_is_missing(made, chosen, extras)
    return RoutingState(
        title=whose(result),
        departures=badge(made.provenance),
        n_blocks=routing.n_blocks,
        n_experts=routing.n_experts,
        unit=routing.unit,
        overlay=chosen,
        is_shown=is_shown,
        hidden=_HIDDEN.format(instead) if instead and not is_shown else "",
        legend=_legend(load, opacity),
        pairs=_pairs(gates, opacity) if chosen.name == "pair" else (),
        busiest=int(load.argmax()),
        key=None if missing else colour_key(chosen, routing.n_experts, opacity=opacity),
        note=reasons[chosen.name] or _note(result, routing, chosen, load),
        drivers=drivers,
        barred={name: reason for name, reason in reasons.items() if reason},
        missing=missing,
        why_no_run=why_no_run if missing else "",
    )


def drivers_of(result: Result) -> tuple[ValuesOf, ...]:
    """Return the drivers of a result whose values can be compared.

    Of a model that was closed only those that were run are known.
    """
    loaded = result.request.model()
    if loaded is None:
        known = [
            ValuesOf(each.attribute, each.attribute.replace("_", " "), each.values)
            for each in result.segmentation.provenance.drivers
        ]
    else:
        attributes = loaded.card.attributes
        known = [ValuesOf(a.name, a.label, tuple(a.values)) for a in attributes]
    return tuple(each for each in known if len(each.values) > 1)


def _filled(overlay: Overlay, drivers: tuple[ValuesOf, ...]) -> Overlay:
    """Return the map with two values that there are; the ends by default."""
    if not drivers:
        return replace(overlay, attribute="", values=("", ""))
    named = {driver.name: driver for driver in drivers}
    driver = named.get(overlay.attribute, drivers[0])
    (first, second), known = overlay.values, driver.values
    is_same = driver.name == overlay.attribute
    first = first if is_same and first in known else known[0]
    second = second if is_same and second in known else known[-1]
    return replace(overlay, attribute=driver.name, values=(first, second))


def _legend(load: NDArray[np.float32], opacity: float) -> tuple[TableRow, ...]:
    colours = pictures.expert_colours(len(load), opacity=opacity)
    return tuple(
        TableRow(f"expert {expert}", f"{share:.0%}", colour=colours[expert])
        for expert, share in enumerate(load)
    )


def _pairs(gates: NDArray[np.float32], opacity: float) -> tuple[TableRow, ...]:
    names = pair_names(gates.shape[-1])
    colours = pictures.pair_colours(len(names), opacity=opacity)
    numbers = OVERLAYS["pair"].compute(gates, 0)
    shares = np.bincount(numbers.ravel(), minlength=len(names)) / max(numbers.size, 1)
    order = [i for i in np.argsort(-shares, kind="stable") if shares[i] > 0]
    rows = [
        TableRow(f"experts {names[i]}", f"{shares[i]:.0%}", colour=colours[i])
        for i in order[:_LISTED_PAIRS]
    ]
    left = len(order) - len(rows)
    if left > 0:
        rest = sum(shares[i] for i in order[_LISTED_PAIRS:])
        rows.append(TableRow(f"{left} more", f"{rest:.0%}"))
    return tuple(rows)


def _note(
    result: Result, routing: RoutingMaps, overlay: Overlay, load: NDArray[np.float32]
) -> str:
    parts = []
    if overlay.kind.needs == "two values":
        if overlay.values[0] == overlay.values[1] and overlay.attribute:
            parts.append("Choose two values that differ.")
        else:
            parts.append(_by_block(result, routing, overlay))
    elif (n := len(routing.mixed or routing.values)) > 1:
        parts.append(f"Weighted mean over {n} values, as in the mask.")
        if overlay.name == "entropy":
            parts.append("More than 1 bit, which a mean can have, looks like 1.")
    if overlay.name == "gate" and not load[overlay.expert] > 0:
        parts.append(f"Expert {overlay.expert} works nowhere here, so nothing is seen.")
    if overlay.kind.needs == "blocks":
        parts.append("Of all blocks: the slider moves only the plots.")
    if routing.n_experts > len(pictures.EXPERT_COLOURS):
        parts.append(f"Colours repeat after {len(pictures.EXPERT_COLOURS)} experts.")
    return " ".join(filter(None, parts))


def _by_block(result: Result, routing: RoutingMaps, overlay: Overlay) -> str:
    """Say how far two values diverge in each block, in the mean over the image."""
    means = mean_by_block(result.segmentation, overlay, extras_of(result))
    unit = routing.unit
    if not means:
        return ""
    listed = " · ".join(f"{block}: {mean:.2f}" for block, mean in enumerate(means))
    most = f"most in {unit} {int(np.argmax(means))}"
    return f"Mean by {unit}: {listed} {overlay.kind.unit}; {most}."


def whose(result: Result) -> str:
    """Say which result it is, and for whom it was made."""
    made_for = "; ".join(
        f"{each.attribute.replace('_', ' ')}: {each.value or 'unknown'}"
        for each in result.segmentation.provenance.drivers
    )
    return f"of “{result.title}” · {made_for or 'everybody alike'}"
