"""From a case to what a network learns: its classes, and the routers it chooses.

Not every voxel of an image need be annotated. What is not becomes :data:`IGNORED`,
which neither losses nor Dice count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import prepare_labels
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.gating import LEFT_OUT

IGNORED = 255
"""Label, in prepared cases, of what is not annotated."""

Labels = NDArray[Any]


class TrainingError(ValueError):
    """A network cannot be trained on what was given, or training went astray."""


@dataclass(frozen=True)
class Annotation:
    """How labels are to be read.

    Parameters
    ----------
    unlabelled : int, optional
        Label of what is not annotated.
    background : int
        Label of the background, where 0 is taken by `unlabelled`.
    slices : bool
        Whether slices along z without any label count as not annotated.
    """

    unlabelled: int | None = None
    background: int = 0
    slices: bool = False


EVERYTHING = Annotation()
"""Every voxel is annotated."""


def placed_labels(case: Case, axes: tuple[str, ...]) -> Labels:
    """Return a case's labels on the pixels of its image, before they are read.

    Labels of another shape are placed by where they lie in the world, to the nearest;
    -1 stands where they do not reach.

    Raises
    ------
    TrainingError
        When there are none, they are no integers, or they do not fit the image.
    """
    if case.labels is None:
        raise TrainingError(f"case {case.id} has no labels: training needs them")
    labels = case.labels
    if set(labels.axes) != set(axes):
        raise TrainingError(
            f"case {case.id}: the labels have the axes {', '.join(labels.axes)}, where "
            f"{', '.join(axes)} are expected"
        )
    values = _integers(np.asarray(labels.data), case.id)
    values = values.transpose([labels.axes.index(axis) for axis in axes])
    shape = _ordered_shape(case.image, axes)
    return values if values.shape == shape else _resampled(case, values, axes, shape)


def _integers(values: Labels, case: str) -> Labels:
    if values.dtype.kind in "iub":
        return values
    rounded = np.rint(values) if values.dtype.kind == "f" else values
    if values.dtype.kind != "f" or not np.array_equal(rounded, values):
        raise TrainingError(
            f"case {case}: labels are whole numbers, one a class; found {values.dtype} "
            "with fractions. Are these probabilities?"
        )
    return rounded.astype(np.int64)


def _ordered_shape(image: SpatialImage, axes: tuple[str, ...]) -> tuple[int, ...]:
    sizes = dict(zip(image.spatial_axes, image.spatial_shape, strict=True))
    return tuple(sizes[axis] for axis in axes)


def _ordered_affine(image: SpatialImage, axes: tuple[str, ...]) -> NDArray[np.float64]:
    order = [*(image.spatial_axes.index(axis) for axis in axes), -1]
    affine: NDArray[np.float64] = image.affine[np.ix_(order, order)]
    return affine


def _resampled(
    case: Case, values: Labels, axes: tuple[str, ...], shape: tuple[int, ...]
) -> Labels:
    image, labels = case.image, case.labels
    if labels is None or image.unit is None or image.unit != labels.unit:
        raise TrainingError(
            f"case {case.id}: the labels have {values.shape} pixels, but the image has "
            f"{shape}, and where they lie is not stated in one unit for both"
        )
    to_labels = np.linalg.solve(
        _ordered_affine(labels, axes), _ordered_affine(image, axes)
    )
    placed: Labels = ndimage.affine_transform(
        values.astype(np.int64),
        to_labels,
        output_shape=shape,
        order=0,
        mode="grid-constant",  # a pixel reaches half a pixel beyond its middle
        cval=-1,
    )
    if (placed == -1).all():
        raise TrainingError(
            f"case {case.id}: the labels lie elsewhere than the image: they do not "
            "overlap in the world"
        )
    return placed


def read_classes(
    placed: Labels,
    axes: tuple[str, ...],
    *,
    annotation: Annotation,
    n_classes: int,
    case: str,
) -> NDArray[np.uint8]:
    """Return classes, and :data:`IGNORED` for what is not annotated.

    Parameters
    ----------
    placed : (*S) integer array
        Labels on the image's pixels; -1 is never annotated.
    axes : tuple of str
        Their axes.
    annotation : Annotation
        How they are to be read.
    n_classes : int
        Classes of the card, counted from 0.
    case : str
        Id of the case, for errors.

    Raises
    ------
    TrainingError
        For labels that the card has no class for, and where nothing is annotated.
    """
    is_ignored = placed == -1
    if annotation.unlabelled is not None:
        is_ignored |= placed == annotation.unlabelled
    values = np.where(placed == annotation.background, 0, placed)
    if annotation.slices and "z" in axes:
        across = tuple(i for i, axis in enumerate(axes) if axis != "z")
        is_empty = ~((values != 0) & ~is_ignored).any(across, keepdims=True)
        is_ignored = is_ignored | is_empty
    counted = values[~is_ignored]
    if not counted.size:
        raise TrainingError(
            f"case {case}: nothing is annotated: paint at least one class in it, or "
            "leave the case out"
        )
    if counted.min() < 0 or counted.max() >= n_classes:
        raise TrainingError(
            f"case {case}: labels reach from {counted.min()} to {counted.max()}, but "
            f"the card has {n_classes} classes, counted from 0. If a label stands for "
            "what is not annotated, name it as unlabelled"
        )
    return np.where(is_ignored, IGNORED, values).astype(np.uint8)


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
    places = np.ix_(
        *(
            np.clip(np.floor(c + 0.5), 0, n - 1).astype(int)
            for c, n in zip(coordinates, classes.shape, strict=True)
        )
    )
    found = [axis_indices[places] for axis_indices in nearest]
    is_within = np.ones(grid.shape, bool)
    for axis, step in enumerate(steps):
        here = coordinates[axis].reshape(
            [-1 if a == axis else 1 for a in range(len(steps))]
        )
        is_within &= np.abs(found[axis] - here) <= max(step, 1) / 2 + 1e-6
    filled = (sampled == IGNORED) & is_within
    sampled[filled] = classes[tuple(found)][filled]
    return sampled


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
