"""Dice and IoU beside what a mask measures, and what is missed. Knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from napari_dmoe.inference.masks.truth import MISSED_WORDS, RegionScore
from napari_dmoe.inference.pictures.colours import DIFFERENCE_COLOURS
from napari_dmoe.quantities import sized
from napari_dmoe.viewer.layers.measuring import Measured
from napari_dmoe.viewer.rows import TableRow

_DISC = "disc"
_NBSP = "\u00a0"
"""Keeps a number beside its name where the dock is narrow."""


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
    """Return lines of sizes with Dice and IoU beside them, and one for the disc.

    They are those of the mask, then of each value of an unknown driver: of several
    the least and the most Dice is told.
    """
    found, *spread = measured
    scores = known_scores(found.scores, lacks)
    said = {
        each.name: overlap_text(each, [_of(each.name, other) for other in spread])
        for each in scores
    }
    lines = [
        replace(row, span=f"{row.span}, {said[row.name]}".removeprefix(", "))
        if row.name in said
        else row
        for row in rows
    ]
    if _DISC in said:
        parts = [size for size in found.sizes if size.name in ("rim", "cup")]
        size = f"{sized(sum(each.size for each in parts))} {parts[0].unit}"
        lines.append(TableRow(_DISC, size, said[_DISC]))
    return lines


def _of(name: str, measured: Measured) -> RegionScore:
    return next(each for each in measured.scores if each.name == name)


def overlap_text(score: RegionScore, spread: Sequence[RegionScore] = ()) -> str:
    """Say Dice and IoU of a region; of several masks the least and the most Dice."""
    if not math.isfinite(score.dice):
        return "in neither"
    values = [each.dice for each in (score, *spread) if math.isfinite(each.dice)]
    ends = f" ({min(values):.3f}–{max(values):.3f})" if spread else ""
    text = f"Dice {score.dice:.3f}{ends}".replace(" ", _NBSP)
    return f"{text}, IoU{_NBSP}{score.iou:.3f}"


def dice_text(scores: Sequence[RegionScore]) -> str:
    """Say the Dice of each region that there is: ``Dice rim 0.812, cup 0.904``."""
    said = [
        f"{each.name} {each.dice:.3f}" for each in scores if math.isfinite(each.dice)
    ]
    return f"Dice {', '.join(said)}" if said else ""


def score_cells(
    measured: Sequence[Measured], lacks: Collection[str]
) -> list[dict[str, str]]:
    """Return the lines of Dice and IoU for a file, one measure a line."""
    found, *spread = measured
    rows = []
    for score in known_scores(found.scores, lacks):
        others = [_of(score.name, each) for each in spread]
        for measure in ("dice", "iou"):
            values = [getattr(each, measure) for each in (score, *others)]
            finite = [each for each in values if math.isfinite(each)] if spread else []
            title = {"dice": "Dice", "iou": "IoU"}[measure]
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


def missed_rows(counts: Sequence[int], what: str) -> list[TableRow]:
    """Return the legend of what is missed: each kind with its colour and its pixels.

    The counts are those of :data:`MISSED_WORDS`; `what` is a pixel or a voxel, in the
    plural.
    """
    kinds = zip(MISSED_WORDS[1:], counts[1:], DIFFERENCE_COLOURS, strict=True)
    return [TableRow(name, f"{n:,} {what}", colour=rgb) for name, n, rgb in kinds]
