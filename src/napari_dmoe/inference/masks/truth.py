"""A mask beside the truth: how far they overlap, and what is missed or too much.

A pixel counts where the truth says what it is. It does not where the truth is below 0,
because the labels do not reach it, or :data:`NOT_ANNOTATED` without being a class.
Everything is counted part by part, so that a volume needs little memory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.label_values import not_classes
from napari_dmoe.inference.masks.regions import Region, regions_of

NOT_ANNOTATED = 255
"""Label of a truth where nobody said what is seen, unless it is a class."""

SAME, MISSED, TOO_MUCH, OTHER_CLASS = range(4)
"""Labels of a map of what is missed."""

_PART = 2**16
"""Samples that are counted at once, unless a plane has more."""

MISSED_WORDS = ("the same", "missed", "too much", "another class")
"""What the labels of a map of what is missed mean."""


@dataclass(frozen=True)
class RegionScore:
    """How far a mask and the truth overlap in one region."""

    name: str
    """The region."""
    dice: float
    """``2 |A and B| / (|A| + |B|)``; NaN where neither has the region."""
    iou: float
    """``|A and B| / |A or B|``; NaN where neither has the region."""
    n_mask: int
    """Its pixels in the mask, where the truth says anything."""
    n_truth: int
    """Its pixels in the truth."""


def score(
    labels: NDArray[np.integer], truth: NDArray[np.integer], classes: Sequence[str]
) -> tuple[RegionScore, ...]:
    """Measure how far a mask and the truth overlap.

    Parameters
    ----------
    labels : (*S) integer array
        The mask; labels beyond the classes belong to none of them.
    truth : (*S) integer array
        The truth, one class a pixel: see :class:`napari_dmoe.cohorts.classes.\
LabelReading` for masks that are numbered otherwise.
    classes : sequence of str
        Class names, background first.

    Returns
    -------
    tuple of RegionScore
        Each class but the background, and the disc of rim and cup, as
        :func:`~napari_dmoe.inference.masks.regions.regions_of` names them.

    Raises
    ------
    ValueError
        When the masks differ in shape, or the truth has labels that are no class.

    Examples
    --------
    >>> mask, truth = np.array([[1, 1, 0]]), np.array([[0, 1, 1]])
    >>> [(s.name, s.dice) for s in score(mask, truth, ("background", "lesion"))]
    [('lesion', 0.5)]
    """
    return scores_of(confusion(labels, truth, len(classes)), classes)


def scores_of(
    counts: NDArray[np.int64], classes: Sequence[str]
) -> tuple[RegionScore, ...]:
    """Return the scores of a :func:`confusion`, or of the sum of several."""
    return tuple(_score(counts, region) for region in regions_of(classes))


def _score(counts: NDArray[np.int64], region: Region) -> RegionScore:
    labels = list(region.labels)
    n_mask, n_truth = int(counts[labels].sum()), int(counts[:, labels].sum())
    both = int(counts[np.ix_(labels, labels)].sum())
    total = n_mask + n_truth
    return RegionScore(
        region.name,
        2 * both / total if total else math.nan,
        both / (total - both) if total else math.nan,
        n_mask,
        n_truth,
    )


def confusion(
    labels: NDArray[np.integer], truth: NDArray[np.integer], n_classes: int
) -> NDArray[np.int64]:
    """Count how often each class of a mask meets each class of the truth.

    Returns
    -------
    (K + 1, K) int64 array
        A row for each class of the mask, and one for labels that are none.

    Raises
    ------
    ValueError
        When the masks differ in shape, or the truth has labels that are no class.
    """
    _check_shapes(labels, truth)
    counts = np.zeros((n_classes + 1) * n_classes, np.int64)
    for ours, theirs in _parts(labels, truth):
        said = says(theirs, n_classes)
        if not said.all():
            ours, theirs = ours[said], theirs[said]
        if theirs.size and int(theirs.max()) >= n_classes:
            found = set(np.unique(np.asarray(truth)).tolist()) - {NOT_ANNOTATED}
            raise ValueError(f"the truth's {not_classes(found, n_classes)}")
        of_truth = theirs.ravel().astype(np.int64)
        of_mask = ours.ravel().astype(np.int64)
        if of_mask.size and not 0 <= of_mask.min() <= of_mask.max() <= n_classes:
            of_mask[(of_mask < 0) | (of_mask > n_classes)] = n_classes
        counts += np.bincount(of_mask * n_classes + of_truth, minlength=counts.size)
    return counts.reshape(n_classes + 1, n_classes)


def missed(
    labels: NDArray[np.integer],
    truth: NDArray[np.integer],
    n_classes: int = NOT_ANNOTATED,
) -> NDArray[np.uint8]:
    """Return where a mask is not as the truth.

    Parameters
    ----------
    labels, truth : (*S) integer array
        As those of :func:`score`.
    n_classes : int
        Number of classes; only where there are more than :data:`NOT_ANNOTATED` of them
        that label is one.

    Returns
    -------
    (*S) uint8 array
        One of :data:`MISSED_WORDS` for each pixel; pixels that do not count are the
        same.

    Raises
    ------
    ValueError
        When the masks differ in shape.
    """
    _check_shapes(labels, truth)
    found = np.zeros(np.shape(labels), np.uint8)
    for out, ours, theirs in _parts(found, labels, truth):  # views: they are filled
        differs = (ours != theirs) & says(theirs, n_classes)
        out[differs] = OTHER_CLASS
        out[differs & (ours == 0)] = MISSED
        out[differs & (theirs == 0)] = TOO_MUCH
    return found


def without(
    labels: NDArray[Any], lacks: Collection[str], classes: Sequence[str]
) -> NDArray[Any]:
    """Return a mask without the classes that its truth `lacks`: nobody looked for them.

    The mask is (*S), and of the `classes`, background first; it is not copied where
    that is not needed.
    """
    places = [place for place, name in enumerate(classes) if name in lacks]
    if not places:
        return labels
    return np.where(np.isin(labels, places), labels.dtype.type(0), labels)


def _parts(*arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the same parts of arrays of one shape: some rows or planes at a time."""
    shaped = [np.atleast_2d(each) for each in arrays]
    n, row = len(shaped[0]), max(1, shaped[0][:1].size)
    step = max(1, _PART // row)
    for start in range(0, n, step):
        yield tuple(each[start : start + step] for each in shaped)


def says(truth: NDArray[Any], n_classes: int) -> NDArray[np.bool_]:
    """Return where a truth says what is seen, (*S) bool array."""
    is_said = truth >= 0
    if n_classes <= NOT_ANNOTATED:
        is_said &= truth != NOT_ANNOTATED
    return np.asarray(is_said, np.bool_)


def _check_shapes(labels: NDArray[Any], truth: NDArray[Any]) -> None:
    if np.shape(labels) != np.shape(truth):
        raise ValueError(
            f"the mask has {np.shape(labels)} pixels, but the truth has "
            f"{np.shape(truth)}: compare masks of the same pixels"
        )
