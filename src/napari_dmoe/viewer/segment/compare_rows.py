"""Two results of one image beside each other, in words and as a layer. Knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from napari.layers import Image

from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.inference.masks.comparison import DIFFERENCES, Comparison
from napari_dmoe.inference.pictures.colours import DIFFERENCE_COLOURS, class_colours
from napari_dmoe.viewer.layers.measuring import frame_affine
from napari_dmoe.viewer.layers.placement import LENGTH_UNIT, axis_names, length_factors
from napari_dmoe.viewer.rows import TableRow

PIXELS = "px"


def spacing_of(image: Image, dims: int) -> tuple[tuple[float, ...] | None, str]:
    """Return an image's pixel size and its unit, for distances between masks.

    Sizes are along the image's axes, of which its model sees `dims` at once (2 or 3);
    None where some axis is not spatial. The unit is ``"mm"``, or ``"px"`` where the
    pixel size is not known.
    """
    names = axis_names(image, dims)
    if not set(names) <= set(SPATIAL_AXES):
        return None, ""
    if length_factors(image, range(len(names))) is None:
        return (1.0,) * len(names), PIXELS
    sides = np.linalg.norm(frame_affine(image, names)[:-1, :-1], axis=0)
    return tuple(sides.tolist()), LENGTH_UNIT


def comparison_rows(
    comparison: Comparison, classes: Sequence[str], unit: str
) -> tuple[TableRow, ...]:
    """Return lines for each shared class, and one for each kind of difference.

    The classes of the first model, background first, decide the colours; distances are
    in `unit`.
    """
    colours = class_colours(classes)
    rows: list[TableRow] = []
    for each in comparison.classes:
        colour = colours[classes.index(each.name)]
        is_there = math.isfinite(each.dice)
        value = f"Dice {each.dice:.3f}" if is_there else "in neither"
        rows.append(TableRow(each.name, value, colour=colour))
        if math.isfinite(each.hd95):
            rows.append(TableRow("  HD95", f"{each.hd95:.3g} {unit}"))
        if is_there:
            rows.append(TableRow("  pixels", f"{each.n_first} → {each.n_second}"))
    rows += [
        TableRow(name, f"{count} px", colour=colour)
        for name, count, colour in zip(
            DIFFERENCES[1:], comparison.counts[1:], DIFFERENCE_COLOURS, strict=True
        )
    ]
    return tuple(rows)
