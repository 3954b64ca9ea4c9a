"""Two masks of one image beside each other: where and by how much they differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.label_values import (
    counted,
    not_classes,
    of_one_class,
    whole_numbers,
)
from napari_dmoe.inference.masks.measures import label_counts
from napari_dmoe.inference.masks.pairs import dice, hd95

AGREE, ONLY_FIRST, ONLY_SECOND, OTHER_CLASS = range(4)
"""Labels of a difference map."""

BACKGROUNDS = ("background", "bg")
"""What a background is called, however it is written."""

DIFFERENCES = ("the same", "first only", "second only", "another class")
"""What the labels of a difference map mean."""


@dataclass(frozen=True)
class ClassAgreement:
    """How far two masks agree about one class."""

    name: str
    """The class."""
    n_first: int
    n_second: int
    """Its pixels in the first and in the second mask."""
    dice: float
    """``2 |A and B| / (|A| + |B|)``; NaN where neither mask has the class."""
    hd95: float
    """95th percentile of the distances between the borders, in the unit of the spacing;
    NaN where one of the masks lacks the class."""


@dataclass(frozen=True)
class Comparison:
    """How two masks of one image differ."""

    difference: NDArray[np.uint8]
    """(*S) uint8 array: one of :data:`DIFFERENCES` for each pixel."""
    classes: tuple[ClassAgreement, ...]
    """One for each class that both models have."""

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of pixels of each of :data:`DIFFERENCES`."""
        return tuple(label_counts(self.difference, len(DIFFERENCES)).tolist())

    @property
    def n_different(self) -> int:
        """Number of pixels in which the masks differ."""
        return sum(self.counts[1:])


def compare_masks(
    first: tuple[NDArray[np.integer], Sequence[str]],
    second: tuple[NDArray[np.integer], Sequence[str]],
    *,
    spacing: Sequence[float] | None = None,
) -> Comparison:
    """Compare two masks of one image; classes are matched by their names.

    Parameters
    ----------
    first, second : pair of (*S) integer array and sequence of str
        Labels, and the names of the classes. The background may have any name, and
        stands first unless it is called so elsewhere.
    spacing : sequence of float, optional
        Pixel size along each axis, where all axes are spatial. Without it distances
        are NaN: time is no distance.

    Returns
    -------
    Comparison
        The difference map, and the agreement about each class.

    Raises
    ------
    ValueError
        When the masks differ in shape, the models have no class in common, or labels
        stand for no class.
    """
    (a, names_a), (b, names_b) = _classes(*first), _classes(*second)
    if a.shape != b.shape:
        raise ValueError(
            f"the masks differ in shape, {a.shape} and {b.shape}: compare masks on the "
            "image's own pixels (Labels at: source)"
        )
    shared = [name for name in names_a[1:] if name in names_b[1:]]
    if not shared:
        raise ValueError(
            f"the models have no class in common: {', '.join(names_a[1:])}, and "
            f"{', '.join(names_b[1:])}"
        )
    # Labels of the second in the numbers of the first; classes of its own come after.
    numbers = [0] + [
        names_a.index(name) if name in names_a[1:] else len(names_a) + i
        for i, name in enumerate(names_b[1:])
    ]
    b = np.array(numbers)[b]
    difference = np.zeros(a.shape, np.uint8)
    difference[(a != 0) & (b == 0)] = ONLY_FIRST
    difference[(a == 0) & (b != 0)] = ONLY_SECOND
    difference[(a != 0) & (b != 0) & (a != b)] = OTHER_CLASS
    agreements = tuple(
        _agreement(name, a == number, b == number, spacing)
        for number, name in enumerate(names_a)
        if number and name in shared
    )
    return Comparison(difference, agreements)


def _classes(
    labels: NDArray[Any], classes: Sequence[str]
) -> tuple[NDArray[Any], list[str]]:
    """Return labels as classes, and their names; the first is the background.

    A background that stands elsewhere, known by its name, is put first.
    """
    names, values = list(classes), whole_numbers(np.asarray(labels))
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < len(names):
        found = counted(values)
        read = of_one_class(values, found, names[1]) if len(names) == 2 else None
        if read is None:
            raise ValueError(f"a mask's {not_classes(found, len(names))}")
        values = read[0]
    place = next((i for i, n in enumerate(names) if _is_background(n)), 0)
    if place:
        order = [place, *(i for i in range(len(names)) if i != place)]
        values = np.argsort(order)[values]
        names = [names[i] for i in order]
    return values, names


def _is_background(name: str) -> bool:
    return name.strip().casefold() in BACKGROUNDS


def _agreement(
    name: str,
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    spacing: Sequence[float] | None,
) -> ClassAgreement:
    distance = math.nan if spacing is None else hd95(first, second, spacing)
    n_first, n_second = map(int, map(np.count_nonzero, (first, second)))
    return ClassAgreement(name, n_first, n_second, dice(first, second), distance)
