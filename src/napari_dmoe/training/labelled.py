"""What training asks of a case: labels that the card has classes for, and a driver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.gating import LEFT_OUT
from napari_dmoe.training.cases.annotation import (
    IGNORED,
    Annotation,
    TrainingError,
    placed_labels,
    read_classes,
    sampled_classes,
)

__all__ = ["IGNORED", "Annotation", "TrainingError", "category_of", "labels_of"]

EVERYTHING = Annotation()


def category_of(case: Case, card: ModelCard) -> list[int]:
    """Return the router of each of the card's attributes; some may be unknown.

    Returns
    -------
    list of int
        One entry per attribute, -1 where it is unknown; ``[0]`` for a card without
        attributes.

    Raises
    ------
    TrainingError
        When no attribute is known.
    PatientError
        When the card does not know a value.
    """
    if not card.attributes:
        return [0]
    categories = card.categories(case.patient)
    if all(category is None for category in categories):
        drivers = " and ".join(a.label.lower() for a in card.attributes)
        be, drive = ("is", "drives") if len(categories) == 1 else ("are", "drive")
        raise TrainingError(
            f"case {case.id}: {drivers} {be} not known, but {drive} the model: fill it "
            "in, or leave the case out"
        )
    return [LEFT_OUT if category is None else category for category in categories]


def labels_of(
    case: Case,
    axes: tuple[str, ...],
    grid: Grid,
    *,
    n_classes: int,
    annotation: Annotation = EVERYTHING,
) -> NDArray[np.uint8]:
    """Return a case's classes on the network's grid.

    Parameters
    ----------
    case : Case
        The case.
    axes : tuple of str
        Order of the axes of `grid`.
    grid : Grid
        Where the network's samples lie.
    n_classes : int
        Classes of the card, counted from 0.
    annotation : Annotation
        How the labels are to be read.

    Returns
    -------
    uint8 array
        Classes, and :data:`IGNORED` for what is not annotated.

    Raises
    ------
    TrainingError
        When there are no labels, labels that the card has no class for, or labels that
        do not fit the image.
    """
    classes = read_classes(
        placed_labels(case, axes),
        axes,
        annotation=annotation,
        n_classes=n_classes,
        case=case.id,
    )
    sampled = sampled_classes(classes, grid)
    if (sampled == IGNORED).all():
        raise TrainingError(
            f"case {case.id}: what is annotated lies outside of what the network sees"
        )
    return sampled
