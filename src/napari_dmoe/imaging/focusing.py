"""Coarse to fine: a square around what a first pass found, for a second one to see.

Only geometry: what was found comes from a network, and the pixels of the square follow
in :mod:`napari_dmoe.imaging.preprocessing`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from napari_dmoe.imaging.fitting import LEAST_SAMPLES, Fit, Placement, place
from napari_dmoe.imaging.spatial import Grid, ResizeRule


class Focus(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What counts as found in a first pass, and how large a square the second sees."""

    margin: float = Field(
        default=0.5,
        ge=0,
        le=4,
        title="Margin",
        description="how far the square reaches beyond what was found, on each side, "
        "as a share of its longer side",
    )
    least: float = Field(
        default=0.5,
        gt=0,
        le=1,
        title="Least side",
        description="least side of the square, as a share of the longer side of what "
        "the first pass saw; nothing is enlarged by more than its inverse",
    )
    sure: float = Field(
        default=0,
        ge=0,
        lt=1,
        title="Sure",
        description="probability of the foreground that the surest pixel of what the "
        "first pass found must have; below it nothing is found. 0 = any",
    )


def around(
    found: NDArray[np.bool_], whole: Placement, focus: Focus, resize: ResizeRule
) -> Placement | None:
    """Place the square around what was found in a network's input.

    Parameters
    ----------
    found : (h, w) bool array
        What a first pass over the whole picture found, on the grid of `whole`; of a
        stack, what it found in any of its planes.
    whole : Placement
        Where the picture lay in it.
    focus : Focus
        How far the square reaches, and how small it may be.
    resize : {"corner-aligned", "half-pixel"}
        As in :meth:`Grid.resize`.

    Returns
    -------
    Placement or None
        The square within what the first pass saw; None where it found nothing.

    Notes
    -----
    It is a square as the network sees it: of a picture that is stretched it has the
    picture's proportions. At an edge it is moved inwards, and where that is too narrow
    for it, it is as narrow, and meets the network as the whole picture does.
    """
    if not found.any():
        return None
    spans = [np.flatnonzero(found.any(1 - axis))[[0, -1]] for axis in (0, 1)]
    longest = max(last - first + 1 for first, last in spans)
    side = max(longest * (1 + 2 * focus.margin), focus.least * max(whole.grid.shape))
    box = [
        _within(seen, start + step * (first + last) / 2, side * step)
        for seen, (first, last), start, step in zip(
            whole.seen, spans, whole.grid.start, whole.grid.step, strict=True
        )
    ]
    return on_part(whole, (box[0], box[1]), resize)


def _within(seen: slice, middle: float, side: float) -> slice:
    """Return so many pixels around a place, moved into the part that was seen."""
    n = min(max(LEAST_SAMPLES, math.ceil(side)), seen.stop - seen.start)
    first = math.floor(middle - (n - 1) / 2 + 0.5)
    first = min(max(first, seen.start), seen.stop - n)
    return slice(first, first + n)


def on_part(
    whole: Placement, part: tuple[slice, slice], resize: ResizeRule
) -> Placement:
    """Place a part of what a first pass saw in the same network's input."""
    if part == whole.seen:
        return replace(whole, is_focused=True)
    shape = [each.stop - each.start for each in part]
    fit: Fit = "pad" if whole.fit == "pad" else "stretch"
    own = place(shape, side=whole.side, fit=fit, resize=resize)
    start = tuple(s + p.start for s, p in zip(own.grid.start, part, strict=True))
    return replace(
        whole,
        seen=part,
        grid=Grid(own.grid.shape, start, own.grid.step),
        picture=own.picture,
        is_focused=True,
    )


def found_in_any(masks: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Return what was found in any of a stack's planes, (h, w) bool."""
    return reduce(np.logical_or, masks)
