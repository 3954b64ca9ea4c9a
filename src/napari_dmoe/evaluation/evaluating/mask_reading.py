"""Truths and masks of any origin, read alike: as classes, on the same voxels.

What the labels of a cohort stand for is stated, or else is found in all of its files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.labels import OUTSIDE, fitting, whole_numbers
from napari_dmoe.evaluation.scoring.mask_pair import Region, regions_of
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.label_values import (
    FULL_SCALE,
    LabelError,
    counted,
    is_soft,
    one_number_a_pixel,
)
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageError, SpatialImage
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED, says
from napari_dmoe.purpose import reason

FOREGROUND = "foreground"
"""Name of the only class where nobody says what it is."""

_MOST_CLASSES = 255

_OF_MASKS = {
    "the labels have": "the mask has",
    "the labels lie": "the mask lies",
    "the labels": "the mask",
    "the image": "the truth",
}
"""What is said of labels and their image, said of a mask and its truth."""


@dataclass(frozen=True)
class Meanings:
    """What labels stand for, and which of them are measured."""

    classes: tuple[str, ...]
    """Class names, background first."""
    regions: tuple[Region, ...]
    notices: tuple[str, ...] = ()
    """Where nobody stated them, what was made of what was found."""

    @classmethod
    def stated(cls, classes: Sequence[str]) -> Meanings:
        """Return those of classes that somebody named, background first.

        Raises
        ------
        CohortError
            When there are fewer than two, or two of one name.
        """
        names = tuple(classes)
        if len(names) < 2 or len(set(names)) < len(names) or not all(names):
            raise CohortError(
                f"the classes are {', '.join(names) or 'none'}: name the background "
                "and at least one class, each once, as in background,lesion"
            )
        return cls(names, regions_of(names))


def found_meanings(truth: Collection[int], predicted: Collection[int]) -> Meanings:
    """Return what the labels of a cohort stand for, of all that its files hold.

    Parameters
    ----------
    truth, predicted : collection of int
        Every label of any truth, and of any mask.

    Raises
    ------
    CohortError
        When there is no label but 0, or the masks number their class otherwise than
        the truth.
    """
    ours, theirs = (set(found) - {0, OUTSIDE} for found in (predicted, truth))
    if len(theirs) > 1:
        theirs -= {NOT_ANNOTATED}
    if not ours and not theirs:
        raise CohortError(
            "neither the truth nor the masks show anything: every label is 0"
        )
    if len(ours) <= 1 and len(theirs) <= 1:
        return _one_class(ours | theirs)
    alone = sorted(theirs - ours) if not ours & theirs and ours and theirs else []
    most = max(ours | theirs)
    if alone or min(ours | theirs) < 0 or most > _MOST_CLASSES:
        raise CohortError(
            f"the truth's labels are {_listed(theirs)} and the masks' {_listed(ours)}: "
            "save both with the same number for the same class, or state the classes"
        )
    classes = ("background", *(f"label {value}" for value in range(1, most + 1)))
    regions = tuple(
        region for region in regions_of(classes) if {*region.labels} & (ours | theirs)
    )
    said = (
        "nobody states what the labels stand for: they are called "
        f"{', '.join(region.name for region in regions)}"
    )
    return Meanings(classes, regions, (said,))


def _one_class(found: set[int]) -> Meanings:
    small = found - {*FULL_SCALE}
    if len(small) > 1:
        raise CohortError(
            f"the truth and the masks have one label each, and not the same: "
            f"{_listed(small)}. Save both with the same number"
        )
    classes = ("background", FOREGROUND)
    said = (
        f"nobody states what the labels stand for: 0 and {_listed(found)} were taken "
        f"for background and {FOREGROUND}"
    )
    return Meanings(classes, regions_of(classes), (said,))


def _listed(values: Iterable[int]) -> str:
    shown = [str(value) for value in sorted(values)]
    return ", ".join(shown[:6]) + (" and others" if len(shown) > 6 else "") or "none"


def labels_in(image: SpatialImage) -> set[int]:
    """Return every label of a mask; greys about 0 and 255 are 0 and 255.

    Raises
    ------
    CohortError
        When they are no whole numbers.
    """
    found: Mapping[int, int] = counted(whole_numbers(np.asarray(image.data)))
    return {0, FULL_SCALE[0]} if is_soft(found) else set(found)


def read_mask(path: Path) -> SpatialImage:
    """Read a mask, one number a pixel, along whatever axes it is stored.

    Raises
    ------
    CohortError
        When it cannot be read, or has colours or channels.
    """
    try:
        found = read_labels(path)
        axes = [axis for axis in found.axes if axis in SPATIAL_AXES]
        return one_number_a_pixel(found, axes)
    except (OSError, ImageError, LabelError) as error:
        raise CohortError(f"{path.name} cannot be used: {reason(error)}") from error


class PairReading:
    """Reads the truth and the mask of one case after another.

    Parameters
    ----------
    classes : sequence of str
        Class names, background first. Label 255 of a truth stands for what is not
        annotated where there are several.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._n = len(classes)
        self._truth = LabelReading(classes, unlabelled=NOT_ANNOTATED, is_stated=False)
        self._masks = LabelReading(classes)

    @property
    def notices(self) -> tuple[str, ...]:
        """What was understood of the labels, to be said and recorded."""
        return (
            *(f"the truth: {notice}" for notice in self._truth.notices),
            *(f"the masks: {notice}" for notice in self._masks.notices),
        )

    def notices_of(self, case: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what was understood of one case: of its truth, and of its mask."""
        return self._truth.notices_of(case), self._masks.notices_of(case)

    def so_far(self) -> dict[str, Any]:
        """Return what the files read so far decide of further ones, as JSON holds it.

        Notices are not among it: see :meth:`notices_of`.
        """
        return {"truth": self._truth.so_far(), "masks": self._masks.so_far()}

    def go_on(self, so_far: Mapping[str, Any]) -> None:
        """Read further files as if those that :meth:`so_far` tells of had been read."""
        self._truth.go_on(so_far["truth"])
        self._masks.go_on(so_far["masks"])

    def note(self, truth: Iterable[str], mask: Iterable[str], case: str) -> None:
        """Keep what :meth:`notices_of` told of a case."""
        self._truth.note(truth, case)
        self._masks.note(mask, case)

    def read(
        self, truth: SpatialImage, mask: SpatialImage, case: str
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return mask and truth as classes on the truth's voxels, each (*S).

        Where a truth does not say what is seen, both are background.

        Raises
        ------
        CohortError
            When the mask is no mask of whole numbers on the truth's voxels, in any
            order, or one of both has labels that stand for no class.
        """
        try:
            placed = fitting(mask, truth)
        except CohortError as error:
            said = str(error)
            for of_labels, of_masks in _OF_MASKS.items():
                said = said.replace(of_labels, of_masks)
            raise CohortError(f"the mask does not fit the truth: {said}") from error
        theirs = self._classes(self._truth, truth, case)
        ours = self._classes(self._masks, placed, case)
        is_said = says(theirs, self._n)
        if is_said.all():
            return ours, theirs
        note = "what is not annotated counts as background in both masks"
        self._truth.note([note], case)
        return np.where(is_said, ours, 0), np.where(is_said, theirs, 0)

    def _classes(
        self, reading: LabelReading, image: SpatialImage, case: str
    ) -> NDArray[Any]:
        reading.note(image.notices, case)
        values: NDArray[Any] = whole_numbers(np.asarray(image.data))
        return reading.read(values, case)


def spacing_of(*images: SpatialImage) -> tuple[tuple[float, ...] | None, str]:
    """Return the size of a pixel in mm of the first image that states it, and "mm".

    None and ``"px"`` where none does. The images lie on the same voxels.
    """
    for image in images:
        factor = millimetres(image.unit)
        if factor is not None:
            return tuple(side * factor for side in image.spacing), "mm"
    return None, "px"
