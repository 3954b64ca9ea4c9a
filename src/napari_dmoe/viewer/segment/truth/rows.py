"""Dice and IoU beside what a mask measures, and what is missed. Knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from napari_dmoe.inference.masks.truth import MISSED_WORDS, RegionScore
from napari_dmoe.inference.pictures.colours import DIFFERENCE_COLOURS, Rgb
from napari_dmoe.models.class_spans import DISC_PARTS
from napari_dmoe.quantities import sized
from napari_dmoe.viewer.layers.measuring import Measured
from napari_dmoe.viewer.rows import TableRow

_DISC = "disc"
_NBSP = "\u00a0"
"""Keeps a number beside its name where the dock is narrow."""
_MEASURES = {"Dice": "dice", "IoU": "iou"}


def known_scores(
    scores: Sequence[RegionScore], lacks: Collection[str]
) -> tuple[RegionScore, ...]:
    """Return the scores of regions that the truth knows of; it lacks some classes."""
    if not lacks:
        return tuple(scores)
    return tuple(each for each in scores if each.name not in {*lacks, _DISC})


def with_scores(
    rows: Sequence[TableRow], measured: Sequence[Measured], lacks: Collection[str]
) -> list[TableRow]:
    """Return lines of sizes with Dice and IoU, and one for the disc.

    What was measured is the mask, then that of each value of an unknown driver. Of one
    mask they stand beside its sizes; of several in lines of their own, with the least
    and the most.
    """
    found, *spread = measured
    scores = {each.name: each for each in known_scores(found.scores, lacks)}
    lines = list(rows)
    if _DISC in scores:
        parts = [size for size in found.sizes if size.name in DISC_PARTS]
        size = f"{sized(sum(each.size for each in parts))} {parts[0].unit}"
        lines.append(TableRow(_DISC, size))
    told: list[TableRow] = []
    for row in lines:
        score = scores.get(row.name)
        if score is None:
            told.append(row)
        elif spread:
            others = [_of(row.name, each) for each in spread]
            told += [row, *_spread_rows(score, others)]
        else:
            told.append(replace(row, beside=overlap_text(score)))
    return told


def _of(name: str, measured: Measured) -> RegionScore:
    return next(each for each in measured.scores if each.name == name)


def _spread_rows(score: RegionScore, others: Sequence[RegionScore]) -> list[TableRow]:
    rows = []
    for title, measure in _MEASURES.items():
        values = [getattr(each, measure) for each in (score, *others)]
        finite = [each for each in values if math.isfinite(each)]
        span = f"{min(finite):.3f}–{max(finite):.3f}" if finite else ""
        own = f"{values[0]:.3f}" if math.isfinite(values[0]) else "in neither"
        rows.append(TableRow(f"  {title}", own, span))
    return rows


def overlap_text(score: RegionScore) -> str:
    """Say Dice and IoU of a region."""
    if not math.isfinite(score.dice):
        return "in neither"
    return f"Dice{_NBSP}{score.dice:.3f}, IoU{_NBSP}{score.iou:.3f}"


def dice_text(scores: Sequence[tuple[str, float]]) -> str:
    """Say the Dice of each region that there is: ``Dice rim 0.812, cup 0.904``."""
    said = [f"{name} {value:.3f}" for name, value in scores if math.isfinite(value)]
    return f"Dice {', '.join(said)}" if said else ""


def score_cells(
    measured: Sequence[Measured], lacks: Collection[str]
) -> list[dict[str, str]]:
    """Return the lines of Dice and IoU for a file, one measure a line."""
    found, *spread = measured
    rows = []
    for score in known_scores(found.scores, lacks):
        others = [_of(score.name, each) for each in spread]
        for title, measure in _MEASURES.items():
            values = [getattr(each, measure) for each in (score, *others)]
            finite = [each for each in values if math.isfinite(each)] if spread else []
            rows.append(
                {
                    "measure": f"{score.name} {title}",
                    "value": _number(values[0]),
                    "unit": "",
                    "least": _number(min(finite, default=math.nan)),
                    "most": _number(max(finite, default=math.nan)),
                }
            )
    return rows


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def missed_rows(
    counts: Sequence[int],
    what: str,
    colours: Mapping[str, Rgb] | None = None,
    *,
    in_all: bool = False,
) -> list[TableRow]:
    """Return the legend of what is missed: each kind with its colour and its pixels.

    The counts are those of :data:`MISSED_WORDS`; `what` is a pixel or a voxel, in the
    plural. They may be those in all planes, of which one is shown. The colours are
    those of the classes in the truth's outline.
    """
    outlined = (colours or {}).items()
    rows = [
        TableRow(f"{name} (truth)", "outline", colour=rgb) for name, rgb in outlined
    ]
    where = "in all" if in_all else ""
    kinds = zip(MISSED_WORDS[1:], counts[1:], DIFFERENCE_COLOURS, strict=True)
    for name, n, colour in kinds:
        unit = what.removesuffix("s") if n == 1 else what
        rows.append(TableRow(name, f"{n:,} {unit}", colour=colour, beside=where))
    return rows
