"""A sweep in lines: one a value, one a region that flips. Knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from napari_dmoe.inference.masks.agreement import FlippingRegion
from napari_dmoe.inference.what_if.sweep_result import (
    MAJORITY,
    MIXTURE,
    Reference,
    Sweep,
    SweptValue,
)
from napari_dmoe.inference.what_if.verdict_words import percent

CHOSEN = "●"
"""Marks what all are compared with, which colour alone would not for everybody."""

UNTRAINED = "†"
"""Marks a value that no training case had, in the line of its own."""

DIFFERING = f"≠ {CHOSEN}"
"""Title of the column of what differs, as a share; short, for a narrow dock."""

_SHORT_NAMES = {MIXTURE: "mixture", MAJORITY: "majority"}
_MOST_NAMES = 4


def value_rows(sweep: Sweep) -> list[dict[str, str]]:
    """Return a short line for each value; :meth:`Sweep.rows` has all of it.

    Where the patient's own value is unknown, the first line is what stands for it.
    """
    rows = [
        {"value": _marked(value.name, value.is_chosen)}
        | _measures(sweep, value, value.dice)
        | {DIFFERING: _percent(value.share)}
        for value in sweep.values
    ]
    reference = sweep.reference
    if reference.place is None:
        name = f"{_SHORT_NAMES.get(reference.name, reference.name)} {CHOSEN}"
        # A class that no mask has is compared with nothing.
        dice = [1.0 if size.n_pixels else math.nan for size in reference.sizes]
        measures = _measures(sweep, reference, dice)
        rows.insert(0, {"value": name, **measures, DIFFERING: "0 %"})
    return rows


def _measures(
    sweep: Sweep, of: SweptValue | Reference, dice: Sequence[float]
) -> dict[str, str]:
    sizes = {f"{each.name} {each.unit}": _number(each.size) for each in of.sizes}
    ratio = {} if of.ratio is None else {"C/D": _ratio(of.ratio.vertical)}
    titles = [_dice_title(sweep, each.name) for each in of.sizes]
    return sizes | ratio | dict(zip(titles, map(_ratio, dice), strict=True))


def _dice_title(sweep: Sweep, name: str) -> str:
    return f"Dice {CHOSEN}" if len(sweep.classes) == 2 else f"Dice {name}"


def column_help(sweep: Sweep) -> dict[str, str]:
    """Say what the columns of :func:`value_rows` mean, by their titles."""
    to = f"{CHOSEN}, {sweep.reference.name}"
    units = {size.name: size.unit for size in sweep.reference.sizes}
    said = {
        "value": f"{CHOSEN} marks {sweep.reference.name}.",
        "C/D": "Vertical cup-to-disc ratio.",
        DIFFERING: f"Share of {_structures(sweep)} whose class is not that of {to}.",
    }
    for name, unit in units.items():
        said[f"{name} {unit}"] = f"Size of {name} in {unit}."
        said[_dice_title(sweep, name)] = f"Dice of {name} to {to}."
    return said


def reference_note(sweep: Sweep) -> str:
    """Say what the values are compared with, and why."""
    titles = [title.lower() for title in sweep.titles]
    name = sweep.reference.name
    if sweep.reference.place is not None:
        of = "value" if len(titles) == 1 else "values"
        what = f"{name}, the patient's own {of}"
    elif len(titles) == 1:
        what = f"{name}, as {titles[0]} is unknown"
    else:
        what = f"{name}, as {' and '.join(titles)} are not both known"
    return (
        f"{CHOSEN} {what}. Dice is to its mask; “{DIFFERING}” is the share of "
        f"{_structures(sweep)} that differs."
    )


def _structures(sweep: Sweep) -> str:
    return f"the {' and '.join(sweep.classes[1:])}"


def folded_note(sweep: Sweep) -> str:
    """Say how many regions are folded away, and why; often nothing."""
    n = len(sweep.small_regions)
    if n and len(sweep.regions) - 1 in sweep.small_regions:
        n += sweep.n_regions - len(sweep.regions)  # what is not listed is smaller still
    if not n:
        return ""
    pixel = sweep.pixel_name[:-1]
    what = "1 region is" if n == 1 else f"{n} regions are"
    return f"{what} smaller than what a shift by one {pixel} changes, and folded away."


def untrained_note(sweep: Sweep) -> str:
    """Say what the mark of values that nothing was trained for means; often nothing."""
    if not sweep.untrained:
        return ""
    return (
        f" {UNTRAINED} No training case had it: nothing trained its router, and its "
        "mask says nothing of such a patient."
    )


def value_notes(sweep: Sweep) -> list[str]:
    """Say of each line of :func:`value_rows` what no training case had, if anything."""
    notes = [
        f"No training case had {' and '.join(value.untrained)}."
        if value.untrained
        else ""
        for value in sweep.values
    ]
    return notes if sweep.reference.place is not None else ["", *notes]


def region_text(sweep: Sweep, region: FlippingRegion) -> str:
    """Say how large a region is, and what it is for which values."""
    size = f"{_number(region.size)} {region.unit}"
    found = [name for name in reversed(region.classes) if name in region.commonest]
    if len(found) == 1:  # no value changes most of it
        apart = [place for place, n in enumerate(region.n_apart) if n]
        between = " or ".join(reversed(region.classes))
        return f"{size} · {between} in parts, for {_listed(sweep, apart)}"
    parts = []
    for name in found:
        places = [i for i, each in enumerate(region.commonest) if each == name]
        parts.append(f"{name} for {_listed(sweep, places)}")
    return f"{size} · {'; '.join(parts)}"


def _listed(sweep: Sweep, places: Sequence[int]) -> str:
    """List values; those of pairs by the first of both."""
    values = [sweep.values[place] for place in places]
    if len(sweep.shape) == 1:
        return _shortened([_marked(each.name, each.is_chosen) for each in values])
    groups: dict[str, list[str]] = {}
    for each in values:
        first, second = each.values
        groups.setdefault(first, []).append(_marked(second, each.is_chosen))
    n = sweep.shape[1]
    return _shortened(
        [
            first if len(seconds) == n else f"{first} ({_shortened(seconds)})"
            for first, seconds in groups.items()
        ]
    )


def _marked(name: str, is_chosen: bool) -> str:
    return f"{name} {CHOSEN}" if is_chosen else name


def _shortened(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    n_shown = _MOST_NAMES - 1
    return f"{', '.join(names[:n_shown])} and {len(names) - n_shown} more"


def region_ends(
    sweep: Sweep, region: FlippingRegion
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the least and largest place of a region, in source pixels."""
    start, step = sweep.grid.along(sweep.axes)
    low = start + step * np.array([part.start - 0.5 for part in region.box])
    high = start + step * np.array([part.stop - 0.5 for part in region.box])
    return tuple(low.tolist()), tuple(high.tolist())


def _percent(share: float) -> str:
    if math.isnan(share):
        return "–"
    return percent(share) if share else "0 %"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _number(value: float) -> str:
    is_whole = value == round(value) or value >= 100
    return f"{value:.0f}" if is_whole else f"{value:#.3g}"
