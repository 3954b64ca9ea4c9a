"""From a case to what a network learns: its classes, and the routers it chooses.

Not every voxel of an image need be annotated. What is not becomes :data:`IGNORED`,
which neither losses nor Dice count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.datasets import Cohort, patients_of
from napari_dmoe.cohorts.labels import OUTSIDE, on_own_voxels, placed_labels
from napari_dmoe.imaging.resampling import prepare_labels
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.gating import LEFT_OUT
from napari_dmoe.patient import PatientError

IGNORED = 255
"""Label, in prepared cases, of what is not annotated."""

_SHOWN = 3
"""Rows or cases that a message names where many are alike."""


class TrainingError(ValueError):
    """A network cannot be trained on what was given, or training went astray."""


@dataclass(frozen=True)
class Annotation:
    """How labels are to be read."""

    unlabelled: int | None = None
    """Label of what is not annotated."""
    background: int = 0
    """Label of the background, where 0 is taken by `unlabelled`."""
    slices: bool = False
    """Whether slices along z without any label count as not annotated."""

    def reading(self, classes: Sequence[str]) -> LabelReading:
        """Return what reads the labels of one cohort as these classes."""
        return LabelReading(
            classes, unlabelled=self.unlabelled, background=self.background
        )


EVERYTHING = Annotation()
"""Every voxel is annotated."""


def read_classes(
    case: Case,
    axes: tuple[str, ...],
    *,
    n_classes: int,
    annotation: Annotation = EVERYTHING,
    reading: LabelReading | None = None,
) -> NDArray[np.uint8]:
    """Return a case's classes on its image's pixels, along `axes`, as uint8 (*S).

    They are below `n_classes`, or :data:`IGNORED` for what is not annotated. `reading`
    is that of the cohort; by default the case is read by itself.

    Raises
    ------
    TrainingError
        When there are no labels, labels that the card has no class for, labels that do
        not fit the image, or none that is annotated.
    """
    try:
        names = ("background", *(f"class {i}" for i in range(1, n_classes)))
        reading = reading or annotation.reading(names)
        return _read_classes(case, axes, reading, annotation)
    except CohortError as error:
        raise TrainingError(str(error)) from error


def _read_classes(
    case: Case, axes: tuple[str, ...], reading: LabelReading, annotation: Annotation
) -> NDArray[np.uint8]:
    _check_least(case, annotation)
    case = on_own_voxels(case)
    reading.note(case.image.notices, case.id)
    reading.note(case.labels.notices if case.labels else (), case.id)
    placed = placed_labels(case, axes)
    is_ignored = placed == OUTSIDE
    if annotation.unlabelled is not None:
        is_ignored |= placed == annotation.unlabelled
    values = reading.read(placed, case.id)
    if annotation.slices and "z" in axes:
        across = tuple(i for i, axis in enumerate(axes) if axis != "z")
        is_empty = ~((values != 0) & ~is_ignored).any(across, keepdims=True)
        is_ignored = is_ignored | is_empty
    counted = values[~is_ignored]
    if not counted.size:
        raise TrainingError(
            f"case {case.id}: nothing is annotated: paint at least one class in it, or "
            "leave the case out"
        )
    return np.where(is_ignored, IGNORED, values).astype(np.uint8)


def _check_least(case: Case, annotation: Annotation) -> None:
    """Refuse labels that would be taken for what the labels do not reach."""
    if case.labels is None or annotation.unlabelled == OUTSIDE:
        return
    data = np.asarray(case.labels.data)
    if data.dtype.kind in "if" and data.size and data.min() < 0:
        raise CohortError(
            f"case {case.id}: labels begin at {data.min():g}. If that stands for what "
            "is not annotated, name it as unlabelled"
        )


def sampled_classes(classes: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Sample classes at a network's grid, without losing sparse annotations.

    Notes
    -----
    To the nearest pixel; where that is not annotated, to the nearest annotated one
    that still lies within the network's pixel.
    """
    sampled = prepare_labels(classes, grid)
    is_annotated = classes != IGNORED
    if is_annotated.all():
        return sampled
    steps = np.abs(np.array(grid.step))
    nearest = ndimage.distance_transform_edt(
        ~is_annotated, sampling=1 / steps, return_distances=False, return_indices=True
    )
    coordinates = [grid.coordinates(axis) for axis in range(classes.ndim)]
    rounded = (
        np.clip(np.floor(c + 0.5), 0, n - 1).astype(int)
        for c, n in zip(coordinates, classes.shape, strict=True)
    )
    found = nearest[:, *np.ix_(*rounded)]
    is_within = np.ones(grid.shape, bool)
    for own, here, step in zip(found, np.ix_(*coordinates), steps, strict=True):
        is_within &= np.abs(own - here) <= max(step, 1) / 2 + 1e-6
    filled = (sampled == IGNORED) & is_within
    sampled[filled] = classes[tuple(found)][filled]
    return sampled


def category_of(
    case: Case, card: ModelCard, *, may_be_unknown: bool = False
) -> list[int]:
    """Return the router of each of the card's attributes, -1 where it is unknown.

    It is ``[0]`` for a card without attributes.

    Raises
    ------
    TrainingError
        When no attribute is known, unless that `may_be` so: of cases that are only
        measured.
    PatientError
        When the card does not know a value.
    """
    if not card.attributes:
        return [0]
    categories = card.categories(case.patient)
    if not may_be_unknown and all(category is None for category in categories):
        drivers = " and ".join(a.label.lower() for a in card.attributes)
        be, drive = ("is", "drives") if len(categories) == 1 else ("are", "drive")
        raise TrainingError(
            f"case {case.id}: {drivers} {be} not known, but {drive} the model: fill it "
            "in, or leave the case out"
        )
    return [LEFT_OUT if category is None else category for category in categories]


def refuse_unknown_values(
    cases: Sequence[Case], attributes: Sequence[CardAttribute]
) -> None:
    """Refuse cases whose values no attribute has, before an image is read.

    Raises
    ------
    PatientError
        When there are any: names rows of a table, else cases, each kind once.
    """
    found: dict[str, list[str]] = {}
    for place, patient in enumerate(patients_of(cases)):
        for attribute in attributes:
            try:
                attribute.category_of(patient)
            except PatientError as error:
                if isinstance(cases, Cohort):
                    name = str(cases.rows[place].number)
                else:
                    name = cases[place].id
                found.setdefault(str(error), []).append(name)
    kind = "row" if isinstance(cases, Cohort) else "case"
    lines = [f"{_named(kind, names)}: {said}" for said, names in found.items()]
    if lines:
        raise PatientError("; ".join(lines))


def _named(kind: str, names: Sequence[str]) -> str:
    """Say which rows or cases: ``rows 2, 5, 9 and 40 others``."""
    more = len(names) - _SHOWN
    others = f" and {more:,} other{'s' * (more > 1)}" if more > 0 else ""
    return f"{kind}{'s' * (len(names) > 1)} {', '.join(names[:_SHOWN])}{others}"


def labels_of(
    case: Case,
    axes: tuple[str, ...],
    grid: Grid,
    *,
    n_classes: int,
    annotation: Annotation = EVERYTHING,
    reading: LabelReading | None = None,
) -> NDArray[np.uint8]:
    """Return a case's classes as :func:`read_classes`, at the samples of a grid.

    Raises
    ------
    CohortError, TrainingError
        As :func:`read_classes` raises them, and for what lies outside of the grid.
    """
    classes = read_classes(
        case, axes, n_classes=n_classes, annotation=annotation, reading=reading
    )
    sampled = sampled_classes(classes, grid)
    if (sampled == IGNORED).all():
        raise TrainingError(
            f"case {case.id}: what is annotated lies outside of what the network sees"
        )
    return sampled
