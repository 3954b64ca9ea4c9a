"""What the Routing tab says of a result's routing. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from napari.utils.colormaps import ensure_colormap
from numpy.typing import NDArray

from napari_dmoe.inference.colours import OKABE_ITO, Rgb, expert_colours
from napari_dmoe.inference.overlays import OVERLAYS
from napari_dmoe.inference.routing import RoutingMaps, expert_load
from napari_dmoe.viewer.output_layers import ENTROPY_COLORMAP, Overlay
from napari_dmoe.viewer.results import Result
from napari_dmoe.viewer.table_rows import TableRow

_RAMP_STEPS = 9


@dataclass(frozen=True)
class RoutingState:
    """What the tab shows of a result.

    Parameters
    ----------
    title : str
        Whose routing it is, and for which values.
    n_blocks, n_experts : int
        How many there are; 0 where nothing can be shown.
    unit : str
        What a block is called: ``block``, or ``stage`` of a 3D network.
    overlay : Overlay
        The map, with a block that the network has.
    is_shown : bool
        Whether it is seen on the image.
    legend : tuple of TableRow
        A line for each expert: its colour and its share of the gates.
    busiest : int
        The expert with the largest share.
    limits : tuple of str
        Ends of the colour bar; None for maps of expert numbers.
    ramp : tuple of colours
        Colours of the bar, from left to right.
    note : str
        What must be said of the map.
    """

    title: str = ""
    n_blocks: int = 0
    n_experts: int = 0
    unit: str = "block"
    overlay: Overlay = field(default_factory=Overlay)
    is_shown: bool = False
    legend: tuple[TableRow, ...] = ()
    busiest: int = 0
    limits: tuple[str, str] | None = None
    ramp: tuple[Rgb, ...] = ()
    note: str = ""


def routing_state(
    result: Result | None, overlay: Overlay, *, is_shown: bool
) -> RoutingState:
    """Return what the tab shows of a result.

    Parameters
    ----------
    result : Result or None
        The result; None where there is none.
    overlay : Overlay
        The map that is wanted.
    is_shown : bool
        Whether it is seen on the image.
    """
    if result is None:
        return RoutingState()
    routing = result.segmentation.routing
    if routing is None:
        why = "comes from a file, without its routing: segment the image again"
        if result.request is not None:
            why = "came from a network without experts"
        title = f"“{result.title}” {why}."
        return RoutingState(title=title)
    chosen = overlay.within(routing)
    kind = OVERLAYS[chosen.name]
    load = expert_load(routing.mean(chosen.block))
    limits = None
    if kind.limits is not None:
        low, high = (f"{limit:g}" for limit in kind.limits)
        limits = (low, f"{high} {kind.unit}".rstrip())
    return RoutingState(
        title=f"of “{result.title}” · {_made_for(result)}",
        n_blocks=routing.n_blocks,
        n_experts=routing.n_experts,
        unit="stage" if len(routing.token_axes) == 3 else "block",
        overlay=chosen,
        is_shown=is_shown,
        legend=_legend(load),
        busiest=int(load.argmax()),
        limits=limits,
        ramp=_ramp(routing, chosen) if limits else (),
        note=_note(routing, chosen),
    )


def _legend(load: NDArray[np.float32]) -> tuple[TableRow, ...]:
    colours = expert_colours(len(load))
    return tuple(
        TableRow(f"expert {expert}", f"{share:.0%}", colour=colours[expert])
        for expert, share in enumerate(load)
    )


def _ramp(routing: RoutingMaps, overlay: Overlay) -> tuple[Rgb, ...]:
    if OVERLAYS[overlay.name].is_of_one_expert:
        return ((0, 0, 0), expert_colours(routing.n_experts)[overlay.expert])
    steps = np.linspace(0, 1, _RAMP_STEPS)
    rgba = np.asarray(ensure_colormap(ENTROPY_COLORMAP).map(steps))
    rows = (255 * rgba[:, :3]).round().astype(int).tolist()
    return tuple((red, green, blue) for red, green, blue in rows)


def _note(routing: RoutingMaps, overlay: Overlay) -> str:
    parts = []
    if len(routing.values) > 1:
        parts.append(
            f"Mean over {len(routing.values)} values, by their shares in the mixture."
        )
        if overlay.name == "entropy":
            parts.append("More than 1 bit, which a mean can have, looks like 1.")
    if routing.n_experts > len(OKABE_ITO):
        parts.append(f"Colours repeat after {len(OKABE_ITO)} experts.")
    return " ".join(parts)


def _made_for(result: Result) -> str:
    drivers = result.segmentation.provenance.drivers
    texts = (
        f"{each.attribute.replace('_', ' ')}: {each.value or 'unknown'}"
        for each in drivers
    )
    return "; ".join(texts) or "everybody alike"
