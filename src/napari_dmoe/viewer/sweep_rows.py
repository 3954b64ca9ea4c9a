"""A sweep in lines: one a value, and one a region that flips. Knows no Qt."""

from __future__ import annotations

import math

from napari_dmoe.inference.agreement import FlippingRegion
from napari_dmoe.inference.sweep_result import Sweep, SweptValue

CHOSEN = "●"
"""Marks the patient's own value, which colour alone would not for everybody."""


def value_rows(sweep: Sweep) -> list[dict[str, str]]:
    """Return a short line for each value; :meth:`Sweep.rows` has all of it."""
    return [_row(sweep, value) for value in sweep.values]


def _row(sweep: Sweep, value: SweptValue) -> dict[str, str]:
    name = f"{value.name} {CHOSEN}" if value.is_chosen else value.name
    row = {"value": name}
    for size in value.sizes:
        row[f"{size.name} ({size.unit})"] = _number(size.size)
    if value.ratio is not None:
        row["C/D"] = _ratio(value.ratio.vertical)
    for size, dice in zip(value.sizes, value.dice, strict=True):
        row[f"Dice {size.name}"] = _ratio(dice)
    row["pixels that differ"] = f"{value.n_different}"
    return row


def region_text(region: FlippingRegion) -> str:
    """Say how large a region is, what it flips between, and for which values."""
    classes = " ↔ ".join(region.classes)
    size = f"{_number(region.size)} {region.unit}"
    for_values = f" · {', '.join(region.masks)}" if region.masks else ""
    return f"{size} · {classes}{for_values}"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _number(value: float) -> str:
    is_whole = value == round(value) or value >= 100
    return f"{value:.0f}" if is_whole else f"{value:#.3g}"
