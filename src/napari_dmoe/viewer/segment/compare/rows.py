"""Two results of one image beside each other, in words and as a layer. Knows no Qt."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.inference.masks.comparison import (
    DIFFERENCES,
    ONLY_FIRST,
    ONLY_SECOND,
    ClassAgreement,
    Comparison,
)
from napari_dmoe.inference.masks.comparison import OTHER_CLASS as OF_ANOTHER
from napari_dmoe.inference.masks.pairs import dice
from napari_dmoe.inference.masks.regions import regions_of
from napari_dmoe.inference.masks.truth import (
    MISSED,
    OTHER_CLASS,
    TOO_MUCH,
    says,
    without,
)
from napari_dmoe.inference.pictures.colours import DIFFERENCE_COLOURS, Rgb
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


@dataclass(frozen=True)
class Compared:
    """How two masks of one image differ."""

    difference: NDArray[np.uint8]
    """(*S) uint8 array: what each pixel is, along the axes of the image's layer."""
    counts: tuple[int, ...]
    """Pixels of each kind of difference."""
    classes: tuple[ClassAgreement, ...]
    """One for each class that both have."""
    scores: tuple[tuple[str, float], ...]
    """Name and Dice of each region: the classes, and the disc where both have it."""

    @property
    def n_different(self) -> int:
        """Number of pixels in which the masks differ."""
        return sum(self.counts[1:])

    def against_truth(self) -> Compared:
        """Return the same with the second mask as the truth of the first.

        What only the first has is too much, what only the second has is missed.
        """
        kinds = np.zeros(len(DIFFERENCES), np.uint8)
        kinds[ONLY_FIRST], kinds[ONLY_SECOND] = TOO_MUCH, MISSED
        kinds[OF_ANOTHER] = OTHER_CLASS
        counts = [0] * len(kinds)
        for kind, n in zip(kinds.tolist(), self.counts, strict=True):
            counts[kind] = n
        return replace(self, difference=kinds[self.difference], counts=tuple(counts))


def compared(
    first: tuple[NDArray[Any], Sequence[str]],
    second: tuple[NDArray[Any], Sequence[str]],
    comparison: Comparison,
    lacks: Collection[str] = (),
) -> Compared:
    """Return what a comparison found, and the Dice of each region; called in a job.

    Classes that the second mask `lacks`, as nobody looked for them, are left out.
    """
    agreements = tuple(e for e in comparison.classes if e.name not in lacks)
    scores = [(each.name, each.dice) for each in agreements]
    (ours, names), (theirs, others) = first, second
    if tuple(names) == tuple(others) and not lacks:
        for region in regions_of(names):
            if len(region.labels) > 1:
                pair = (np.isin(labels, region.labels) for labels in (ours, theirs))
                scores.append((region.name, dice(*pair)))
    return Compared(comparison.difference, comparison.counts, agreements, tuple(scores))


def with_truth(
    mask: NDArray[Any],
    truth: NDArray[Any],
    classes: Sequence[str],
    lacks: Collection[str] = (),
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a mask and a truth without what the truth says nothing of.

    That are pixels, and the classes that it `lacks`.
    """
    is_said, mask = says(truth, len(classes)), without(mask, lacks, classes)
    if is_said.all():
        return mask, truth
    return np.where(is_said, mask, 0), np.where(is_said, truth, 0)


def comparison_rows(
    found: Compared,
    colours: tuple[Mapping[str, Rgb], Mapping[str, Rgb]],
    unit: str,
    words: Sequence[str] = DIFFERENCES,
    *,
    what: str = "pixels",
) -> tuple[TableRow, ...]:
    """Return lines for each shared class, and one for each kind of difference.

    The colours are those of the classes as they are outlined in the first mask, and in
    the second; distances are in `unit`, and `words` say what each difference is. The
    masks are made of `what`: pixels or voxels.
    """
    ours, theirs = colours
    counted = what if what == "voxels" else PIXELS
    rows: list[TableRow] = []
    for each in found.classes:
        is_there = math.isfinite(each.dice)
        value = f"Dice {each.dice:.3f}" if is_there else "in neither"
        rows.append(TableRow(each.name, value))
        if math.isfinite(each.hd95):
            rows.append(TableRow("  HD95", f"{each.hd95:.3g} {unit}"))
        if is_there:
            first, second = f"{each.n_first} {counted}", f"{each.n_second} {counted}"
            rows.append(TableRow("  in the first", first, colour=ours[each.name]))
            rows.append(TableRow("  in the second", second, colour=theirs[each.name]))
    known = {each.name for each in found.classes}
    rows += [
        TableRow(name, f"Dice {value:.3f}" if math.isfinite(value) else "in neither")
        for name, value in found.scores
        if name not in known
    ]
    rows += [
        TableRow(name, f"{count} {counted}", colour=colour)
        for name, count, colour in zip(
            words[1:], found.counts[1:], DIFFERENCE_COLOURS, strict=True
        )
    ]
    return tuple(rows)
