"""What is said of many images: how many were segmented, and how well. Knows no Qt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from napari_dmoe.inference.masks.headline import IMPLAUSIBLE
from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.session.pictures import dice_of

LOW = 0.5
"""Dice below which images are counted."""

DICE = "\0Dice"
"""Key of the mean over the regions, which is no column of the table on the disk."""

STATUSES = ("segmented", "kept", "corrected", "failed")
_SEPARATOR = " · "

SHORT = (
    Column("id", "image"),
    Column(DICE, "Dice", "Mean over the regions.", decimals=3, is_unknown_last=True),
    Column("status", "status"),
    Column("headline", "found"),
)
"""The columns that a narrow dock shows."""


@dataclass(frozen=True)
class Filter:
    """Some of the images of a series."""

    title: str
    belongs: Callable[[Mapping[str, object]], bool]


FILTERS = (
    Filter("All", lambda _: True),
    Filter("Failed", lambda cells: cells["status"] == "failed"),
    Filter(f"Dice below {LOW:g}", lambda cells: _number(cells[DICE]) < LOW),
    Filter("Implausible", lambda cells: _begins(cells["headline"], IMPLAUSIBLE)),
    Filter("Corrected", lambda cells: cells["status"] == "corrected"),
)


def status_of(row: Mapping[str, str]) -> str:
    """Return what became of an image; earlier tables tell it by its mask alone."""
    return row.get("status") or ("segmented" if row.get("labels") else "failed")


def line_of(row: Mapping[str, str]) -> Line:
    """Return the line of an image, with all columns of its row and its mean Dice."""
    status, headline = status_of(row), row.get("headline", "")
    name, outcome = row.get("id") or row.get("image", ""), row.get("outcome", "")
    cells = {**row, "id": name, "status": status, "headline": headline}
    cells[DICE] = dice_of(row)  # type: ignore[assignment]
    regions = (f"{k}: {v}" for k, v in row.items() if k.endswith(" Dice") and v)
    help_text = {
        "id": row.get("file", "") or name,
        DICE: "\n".join(regions),
        "status": outcome,
        "headline": headline or outcome,
    }
    worse = ("status",) if status == "failed" else ()
    is_odd = headline.startswith(IMPLAUSIBLE)
    return Line(cells, help_text, worse=("headline",) if is_odd else worse)


def summary_of(lines: Sequence[Line]) -> str:
    """Say how many images were segmented, how well, and how many failed.

    Examples
    --------
    >>> rows = [{"labels": "a.tif", "cup Dice": d} for d in ("0.9", "0.4", "0.8")]
    >>> summary_of([line_of(row) for row in [*rows, {"status": "failed"}]])
    '3 segmented · mean Dice 0.700 (median 0.800) · 1 below 0.5 · 1 failed'
    """
    counts = Counter(line.cells["status"] for line in lines)
    said = [_counted(counts, status) for status in STATUSES[:-1] if counts[status]]
    every = [line.cells[DICE] for line in lines]
    known = [dice for dice in every if not math.isnan(dice)]
    if known:
        of = (
            ""
            if len(known) == sum(counts.values()) - counts["failed"]
            else (f" of {len(known):,}")
        )
        said.append(f"mean Dice{of} {fmean(known):.3f} (median {median(known):.3f})")
        n_low = sum(dice < LOW for dice in known)
        said += [f"{n_low:,} below {LOW:g}"] if n_low else []
    said += [_counted(counts, "failed")] if counts["failed"] else []
    return _SEPARATOR.join(said)


def _counted(counts: Mapping[str, int], status: str) -> str:
    return f"{counts[status]:,} {status}"


def with_notices(text: str, notices: Sequence[str]) -> str:
    """Say something, and what is to be known of the images all together."""
    return " ".join((text, *notices)).strip()


def n_images(n: int) -> str:
    """Say a number of images."""
    return f"{n:,} image{'' if n == 1 else 's'}"


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _begins(cell: object, text: str) -> bool:
    return isinstance(cell, str) and cell.startswith(text)
