"""What training asks of a case: labels that the card has classes for, and a driver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import prepare_labels
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.gating import LEFT_OUT


class TrainingError(ValueError):
    """A network cannot be trained on what was given, or training went astray."""


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
    case: Case, axes: tuple[str, ...], grid: Grid, *, n_classes: int
) -> NDArray[np.uint8]:
    """Return a case's labels on the network's grid.

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

    Raises
    ------
    TrainingError
        When there are no labels, or labels that the card has no class for.
    """
    if case.labels is None:
        raise TrainingError(f"case {case.id} has no labels: training needs them")
    stated = np.asarray(case.labels.data)
    order = [case.labels.axes.index(axis) for axis in axes]
    labels = prepare_labels(stated.transpose(order), grid)
    if labels.min() < 0 or labels.max() >= n_classes:
        raise TrainingError(
            f"case {case.id}: labels reach from {labels.min()} to {labels.max()}, but "
            f"the card has {n_classes} classes, counted from 0"
        )
    return labels.astype(np.uint8)
