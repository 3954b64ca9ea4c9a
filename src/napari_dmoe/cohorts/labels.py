"""Labels as they are read: whole numbers, one a class, on the pixels of their image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.places import on_voxels
from napari_dmoe.imaging import label_values
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.units import millimetres

Labels = NDArray[Any]

OUTSIDE = -1
"""Stands for pixels of the image that its labels do not reach."""


def whole_numbers(values: Labels) -> Labels:
    """Return labels as integers; see :mod:`napari_dmoe.imaging.label_values`.

    Raises
    ------
    CohortError
        When they have fractions, or are no numbers.
    """
    try:
        return label_values.whole_numbers(values)
    except label_values.LabelError as error:
        raise CohortError(str(error)) from error


def fitting(labels: SpatialImage, image: SpatialImage) -> SpatialImage:
    """Return labels as whole numbers on the voxels of their image.

    See :func:`napari_dmoe.cohorts.places.on_voxels`.

    Raises
    ------
    CohortError
        When they are no whole numbers, one a pixel of the image, or lie elsewhere.
    """
    labels = _one_a_pixel(labels, image.axes)
    if set(labels.axes) == set(image.spatial_axes):
        labels = on_voxels(labels, image)
    if labels.spatial_shape != image.spatial_shape:
        raise CohortError(
            f"the labels have {labels.spatial_shape} pixels, but the image has "
            f"{image.spatial_shape}"
        )
    return _in_whole_numbers(labels)


def whole_labels(labels: SpatialImage) -> SpatialImage:
    """Return labels as whole numbers, as they are stored; no image is needed.

    Raises
    ------
    CohortError
        When they are no whole numbers, one a pixel.
    """
    return _in_whole_numbers(_one_a_pixel(labels, labels.spatial_axes))


def _one_a_pixel(labels: SpatialImage, axes: tuple[str, ...]) -> SpatialImage:
    try:
        labels = label_values.one_number_a_pixel(labels, axes)
    except label_values.LabelError as error:
        raise CohortError(str(error)) from error
    if labels.axes != labels.spatial_axes:
        raise CohortError(
            f"labels are one number a pixel, but these have the axes "
            f"{', '.join(labels.axes)}: save them as a grey image"
        )
    return labels


def _in_whole_numbers(labels: SpatialImage) -> SpatialImage:
    values = np.asarray(labels.data)
    whole = whole_numbers(values)
    return labels if whole is values else replace(labels, data=whole.astype(np.int32))


def on_own_voxels(case: Case) -> Case:
    """Return a case with its labels along its image's axes, as its voxels run.

    Its labels' notices say what was assumed. Labels along other axes stay as they are.

    Raises
    ------
    CohortError
        When they lie elsewhere; the message names the case.
    """
    labels = case.labels
    if labels is None or set(labels.axes) != set(case.image.spatial_axes):
        return case
    try:
        return replace(case, labels=on_voxels(labels, case.image))
    except CohortError as error:
        raise CohortError(f"case {case.id}: {error}") from error


def placed_labels(case: Case, axes: tuple[str, ...]) -> Labels:
    """Return a case's labels on the pixels of its image.

    The same voxels in another order are put right. Labels of another shape are placed
    by where they lie in the world, to the nearest; :data:`OUTSIDE` stands where they do
    not reach.

    Raises
    ------
    CohortError
        When there are none, they are no integers, or they do not fit the image.
    """
    labels = on_own_voxels(case).labels
    if labels is None:
        raise CohortError(f"case {case.id} has no labels: training needs them")
    if set(labels.axes) != set(axes):
        raise CohortError(
            f"case {case.id}: the labels have the axes {', '.join(labels.axes)}, where "
            f"{', '.join(axes)} are expected"
        )
    try:
        values = whole_numbers(np.asarray(labels.data))
    except CohortError as error:
        raise CohortError(f"case {case.id}: {error}") from error
    values = values.transpose([labels.axes.index(axis) for axis in axes])
    sizes = dict(zip(case.image.axes, map(int, case.image.data.shape), strict=True))
    shape = tuple(sizes[axis] for axis in axes)
    if values.shape == shape:
        return values
    of_labels, of_image = millimetres(labels.unit), millimetres(case.image.unit)
    if of_labels is None or of_image is None or set(axes) - set(SPATIAL_AXES):
        raise CohortError(
            f"case {case.id}: the labels have {values.shape} pixels, but the image has "
            f"{shape}, and where they lie is not stated for both"
        )
    placed: Labels = scipy.ndimage.affine_transform(
        values.astype(np.int64),
        np.linalg.solve(
            _in_mm(labels, of_labels, axes), _in_mm(case.image, of_image, axes)
        ),
        output_shape=shape,
        order=0,
        mode="grid-constant",  # a pixel reaches half a pixel beyond its middle
        cval=OUTSIDE,
    )
    if (placed == OUTSIDE).all():
        raise CohortError(
            f"case {case.id}: the labels lie elsewhere than the image: they do not "
            "overlap in the world"
        )
    return placed


def _in_mm(
    image: SpatialImage, factor: float, axes: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return the affine along some axes, in mm."""
    affine = image.affine_along(axes)
    affine[:-1] *= factor
    return affine


def check_classes(counted: Labels, n_classes: int, *, case: str) -> None:
    """Refuse labels, those that count, that a card has no class for.

    Raises
    ------
    CohortError
        The message names the case and the least and largest label.
    """
    if counted.size and (counted.min() < 0 or counted.max() >= n_classes):
        found = label_values.counted(counted)
        said = label_values.not_classes(found, n_classes)
        raise CohortError(f"case {case}: {said}")
