"""Labels of a volume on the voxels of their image, wherever both are stored.

The same place in another order of the axes, or from the other end, is put right without
any resampling; another place is refused.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.units import millimetres

ONE_PLACE = (
    "{which} states where it lies, so the labels were taken for the image's own "
    "voxels, one by one"
)


def on_voxels(labels: SpatialImage, image: SpatialImage) -> SpatialImage:
    """Return labels along the image's axes, and as its voxels run.

    Parameters
    ----------
    labels : SpatialImage
        Along spatial axes only, the image's, in any order.
    image : SpatialImage
        The image that they belong to.

    Returns
    -------
    SpatialImage
        The labels; of another shape where they are no relabelling of the image's
        voxels. Where only one of both states a place, a notice says what was done.

    Raises
    ------
    CohortError
        When they have the image's shape and lie elsewhere, or when nobody can tell how
        they lie.
    """
    factors = millimetres(labels.unit), millimetres(image.unit)
    if None in factors:
        return _without_place(labels, image, *factors)
    unit_of_labels, unit_of_image = (factor or 1.0 for factor in factors)
    to_image = _between(labels, unit_of_labels, image, unit_of_image)
    ordered = _stored_alike(labels, image, to_image)
    if ordered.spatial_shape != image.spatial_shape:
        _refuse_sizes_alone(labels, image)
        return ordered
    apart = _apart(ordered, unit_of_labels, image, unit_of_image)
    sides = np.linalg.norm(ordered.affine[:-1, :-1], axis=0) * unit_of_labels
    if not apart <= float(sides.min()) / 2:
        _refuse_sizes_alone(labels, image)
        raise CohortError(
            f"the labels lie up to {apart:.3g} mm away from the image: resample them "
            "onto it, or give labels that were drawn on it"
        )
    return ordered


def _without_place(
    labels: SpatialImage,
    image: SpatialImage,
    of_labels: float | None,
    of_image: float | None,
) -> SpatialImage:
    """Take labels as they are stored, where only one of both says where it lies."""
    is_volume = set(image.spatial_axes) == set(SPATIAL_AXES)
    if not is_volume or of_labels is of_image is None:
        return _transposed(labels, image.spatial_axes)
    which = "only the image" if of_labels is None else "only the labels' file"
    if labels.spatial_axes != image.spatial_axes:
        raise CohortError(
            f"{which} states where it lies, and the axes of the labels "
            f"({', '.join(labels.axes)}) are not in the order of the image's "
            f"({', '.join(image.spatial_axes)}): save both as NIfTI"
        )
    said = ONE_PLACE.format(which=which)
    return replace(labels, notices=tuple(dict.fromkeys((*labels.notices, said))))


def _refuse_sizes_alone(labels: SpatialImage, image: SpatialImage) -> None:
    """Refuse labels of a volume where one file of both states voxel sizes alone."""
    is_volume = set(image.spatial_axes) == set(SPATIAL_AXES)
    if not is_volume or labels.is_placed == image.is_placed:
        return
    one, other = "image", "labels"
    if labels.is_placed:
        one, other = other, one
    raise CohortError(
        f"only the {one} state{'s' * (one == 'image')} where the voxels lie; the file "
        f"of the {other} states their sizes alone, so nobody can tell whether both are "
        "stored alike: save both as NIfTI with one affine"
    )


def _between(
    labels: SpatialImage, of_labels: float, image: SpatialImage, of_image: float
) -> NDArray[np.float64]:
    """Return the affine from the labels' indices to the image's."""
    try:
        return np.asarray(
            np.linalg.solve(
                _in_mm(image, of_image, image.spatial_axes),
                _in_mm(labels, of_labels, image.spatial_axes),
            )
        )
    except np.linalg.LinAlgError as error:
        raise CohortError(
            "the image's affine has no volume, so nobody can tell where its labels lie"
        ) from error


def _in_mm(
    image: SpatialImage, factor: float, world: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return the affine from indices as they are stored to mm along `world`."""
    rows = [*(image.spatial_axes.index(axis) for axis in world), -1]
    affine = np.array(image.affine[rows], float)
    affine[:-1] *= factor
    return affine


def _stored_alike(
    labels: SpatialImage, image: SpatialImage, to_image: NDArray[np.float64]
) -> SpatialImage:
    """Turn labels whose voxels are the image's; else order their axes by name."""
    turn = np.rint(to_image[:-1, :-1])
    n, places = len(turn), np.abs(turn)
    if not ((places.sum(0) == 1).all() and (places.sum(1) == 1).all()):
        return _transposed(labels, image.spatial_axes)
    order = places.argmax(1)
    flips = tuple(
        slice(None, None, -1 if turn[row, column] < 0 else 1)
        for row, column in enumerate(order)
    )
    data = np.asarray(labels.data).transpose(order)[flips]
    back = np.eye(n + 1)
    back[:-1, :-1] = 0
    for row, column in enumerate(order):
        sign = -1.0 if turn[row, column] < 0 else 1.0
        back[column, row] = sign
        back[column, -1] = data.shape[row] - 1 if sign < 0 else 0
    affine = _in_mm(labels, 1.0, image.spatial_axes) @ back
    return replace(labels, data=data, axes=image.spatial_axes, affine=affine)


def _transposed(labels: SpatialImage, order: tuple[str, ...]) -> SpatialImage:
    """Return labels with their axes in another order."""
    if labels.axes == order:
        return labels
    data = np.asarray(labels.data).transpose([labels.axes.index(a) for a in order])
    return replace(labels, data=data, axes=order, affine=labels.affine_along(order))


def _apart(
    labels: SpatialImage, of_labels: float, image: SpatialImage, of_image: float
) -> float:
    """Return how far the corners of labels and of their image are apart, in mm."""
    last = [side - 1 for side in labels.spatial_shape]
    corners = np.array([*itertools.product(*((0, end) for end in last))]).T
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    world = image.spatial_axes
    ours, theirs = _in_mm(image, of_image, world), _in_mm(labels, of_labels, world)
    return float(np.linalg.norm(((theirs - ours) @ corners)[:-1], axis=0).max())
