"""One patient of Harvard-FairSeg: an archive of image, mask and whom it shows.

What an archive keeps as a pickled object is never unpickled, as that would run what it
says: an attribute is then unknown, and said; an image or a mask is refused.

References
----------
Tian et al., FairSeg: A Large-Scale Medical Image Segmentation Dataset for Fairness
Learning Using Segment Anything Model with Fair Error-Bound Scaling, ICLR 2024,
arXiv:2311.02189.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.drawn import as_drawn
from napari_dmoe.cohorts.layouts.archives import (
    WHY_NO_OBJECTS,
    Archive,
    ArchiveError,
    ObjectArrayError,
)
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import OLDEST_YEARS, Patient
from napari_dmoe.purpose import reason

CLASSES = ("background", "rim", "cup")
IMAGE, MASK = "slo_fundus", "disc_cup_mask"

UNKNOWN = -1
"""How the archives write that something is not known."""

DAYS_PER_YEAR = 365.25

CODES: Mapping[str, tuple[str, Mapping[int, str]]] = {
    "race": ("race", {0: "Asian", 1: "Black", 2: "White"}),
    "gender": ("sex", {0: "female", 1: "male"}),
    "ethnicity": ("ethnicity", {0: "not Hispanic", 1: "Hispanic"}),
    "language": ("language", {0: "English", 1: "Spanish", 2: "other"}),
    "maritalstatus": (
        "marital_status",
        {
            0: "married or partnered",
            1: "single",
            2: "divorced",
            3: "widowed",
            4: "legally separated",
        },
    ),
}
"""Attributes by their key in an archive, and what its numbers mean."""

AGE = "age"


@dataclass(frozen=True)
class FairSegRow:
    """One patient of a FairSeg cohort, whose archive is not yet read."""

    number: int
    """Line of the list, from 1; without a list, place among the names in order."""
    id: str
    image: Path
    subject: str | None = None
    marks: tuple[str, ...] = ()
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    prediction: Path | None = None

    def __repr__(self) -> str:
        """Show the row alone, and nothing that stands in it."""
        return f"FairSegRow(number={self.number})"

    @property
    def labels(self) -> Path:
        """The archive, which holds the mask, too."""
        return self.image

    @property
    def patient(self) -> Patient:
        """Whom it shows, read from the archive when it is first asked for.

        Raises
        ------
        CohortError
            When the archive cannot be read.
        """
        return self._told[0]

    @property
    def notices(self) -> tuple[str, ...]:
        """What of the patient was not read, and why."""
        return self._told[1]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the patient's values, of which none is repeated here."""
        return self._told[2]

    @cached_property
    def _told(self) -> tuple[Patient, tuple[str, ...], tuple[Problem, ...]]:
        with self._archive() as archive:
            return _patient_of(archive, self.number)

    def check(self) -> None:
        """See that the archive opens and has an image, a mask and no objects for them.

        Raises
        ------
        CohortError
            When it has not; no pixel is read.
        """
        with self._archive() as archive:
            for key in (IMAGE, MASK):
                archive.check(key)

    def read(self) -> Case:
        """Read the image and the mask.

        Raises
        ------
        CohortError
            When the archive is damaged, lacks one of them, holds one as an object, or
            they are no image and labels of one size.
        """
        with self._archive() as archive:
            patient, notices, _ = _patient_of(archive, self.number)
            image, labels = self._image(archive), self._labels(archive)
        if image.spatial_shape != labels.spatial_shape:
            raise CohortError(
                f"row {self.number}: {self.image.name}: {MASK} has "
                f"{labels.spatial_shape} pixels, but {IMAGE} has {image.spatial_shape}"
            )
        image = replace(image, notices=notices)
        drawn = as_drawn(self.image, None, patient)
        return Case(self.id, image, labels, patient, self.subject, *drawn, self.marks)

    def read_labels(self) -> SpatialImage:
        """Read the mask alone: 0 background, 1 rim, 2 cup.

        Raises
        ------
        CohortError
            As :meth:`read` raises it.
        """
        with self._archive() as archive:
            return self._labels(archive)

    def _archive(self) -> Archive:
        return Archive(self.image, f"row {self.number}")

    def _image(self, archive: Archive) -> SpatialImage:
        pixels = archive.array(IMAGE)
        if pixels.dtype.kind not in "uif" or not _is_picture(pixels):
            raise archive.refused(
                IMAGE, f"is {_told_array(pixels)}: expected grey (height, width) pixels"
            )
        axes = ("y", "x", "c")[: pixels.ndim]
        return SpatialImage(pixels, axes, is_placed=False)

    def _labels(self, archive: Archive) -> SpatialImage:
        mask = archive.array(MASK)
        if mask.ndim != 2 or mask.dtype.kind not in "uif":
            raise archive.refused(
                MASK, f"is {_told_array(mask)}: expected (height, width) numbers"
            )
        is_other = (mask != 0) & (mask != -1) & (mask != -2)
        if is_other.any():
            found = np.unique(mask[is_other][:1000])[:5]
            raise archive.refused(
                MASK,
                f"holds {', '.join(f'{float(each):g}' for each in found)}: "
                "expected 0 background, -1 rim and -2 cup",
            )
        data = (-mask.astype(np.int8)).astype(np.uint8)
        return SpatialImage(data, ("y", "x"), is_placed=False)


def _is_picture(pixels: NDArray[np.generic]) -> bool:
    is_colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    return bool(pixels.size) and (pixels.ndim == 2 or is_colour)


def _told_array(array: NDArray[np.generic]) -> str:
    return f"an array of {array.dtype} with shape {array.shape}"


def _patient_of(
    archive: Archive, row: int
) -> tuple[Patient, tuple[str, ...], tuple[Problem, ...]]:
    """Return whom an archive shows, what was not read of it, and what is wrong."""
    stated: dict[str, str | float] = {}
    said: list[str] = []
    wrong: list[Problem] = []
    for key in (*CODES, AGE):
        if key not in archive.keys:
            continue
        try:
            value = _number(archive.array(key))
        except ObjectArrayError:
            said.append(f"{key} is unknown: {WHY_NO_OBJECTS}")
            continue
        except ArchiveError as error:
            said.append(f"{key} is unknown: it cannot be read")
            wrong.append(Problem(row, key, "", reason(error)))
            continue
        name, meant, expected = _meaning(key, value)
        if meant is not None:
            stated[name] = meant
        elif expected:
            said.append(f"{key} is unknown: expected {expected}")
            found = "no single number" if value is None else f"{value:g}"
            wrong.append(Problem(row, key, found, expected, is_private=True))
    return Patient.from_values(stated), tuple(said), tuple(wrong)


def _number(array: NDArray[np.generic]) -> float | None:
    """Return the one number of an array; None where it is another thing."""
    if array.size != 1 or array.dtype.kind not in "buif":
        return None
    return float(array.reshape(-1)[0])


def _meaning(key: str, value: float | None) -> tuple[str, str | float | None, str]:
    """Return an attribute, what a number says of it, and what was expected instead.

    None without an expectation is what the archives write for "not known".
    """
    if key == AGE:
        return AGE, *_age(value)
    name, words = CODES[key]
    if value is not None and (value == UNKNOWN or np.isnan(value)):
        return name, None, ""
    codes = ", ".join(f"{code} {word}" for code, word in words.items())
    meant = words.get(int(value)) if value is not None and value % 1 == 0 else None
    return name, meant, "" if meant else f"{codes}, or {UNKNOWN} for unknown"


def _age(value: float | None) -> tuple[float | None, str]:
    """Return years for a number of days."""
    if value is not None and (value == UNKNOWN or np.isnan(value)):
        return None, ""
    if value is None or not 0 <= value / DAYS_PER_YEAR <= OLDEST_YEARS:
        return None, f"days, up to {OLDEST_YEARS * DAYS_PER_YEAR:,.0f}"
    return value / DAYS_PER_YEAR, ""
