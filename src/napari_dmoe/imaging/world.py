"""Volumes of files in the world of a patient: which axis runs where.

World coordinates run towards the patient's left, the back and the head along x, y and
z: those of DICOM and ITK (LPS). Pixels are never flipped or resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage

WORLD_AXES = ("x", "y", "z")

SHEARED = "its axes are no right angles: sizes and distances are measured along them"
_RIGHT = 1e-3
"""Cosine of two axes that are taken for a right angle: headers are rounded."""


def placed_image(
    data: NDArray[Any],
    affine: NDArray[np.float64],
    further: Sequence[str] = (),
    *,
    unit: str | None,
    notices: tuple[str, ...] = (),
) -> SpatialImage:
    """Name a volume's axes by the world axes that they run along most.

    Parameters
    ----------
    data : (I, J, K, ...) array
        Voxels, with axes of time or channels behind those of space.
    affine : (4, 4) float64 array
        From (i, j, k) to the world's (x, y, z).
    further : sequence of str
        Names of the axes behind the first three.
    unit : str, optional
        Unit of the world.
    notices : tuple of str
        What a person should know of the image.

    Returns
    -------
    SpatialImage
        The array as (..., k, j, i), a view of what came in.

    Raises
    ------
    ImageError
        For an affine that is not finite.
    """
    names, ours = named_axes(affine)
    notices = (*notices, SHEARED) if _most_cosine(affine) > _RIGHT else notices
    axes = (*reversed(further), *names)
    return SpatialImage(data.T, axes, ours, unit, notices)


def named_axes(
    affine: NDArray[np.float64],
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names of a volume's axes (k, j, i), and the affine in their order.

    `affine` leads from (i, j, k) to the world's (x, y, z).
    """
    # Not at the top, as in `nifti`: it costs most of a second.
    from nibabel.orientations import io_orientation

    names = [WORLD_AXES[int(place)] for place in io_orientation(affine)[:, 0]]
    axes = tuple(reversed(names))
    rows = [WORLD_AXES.index(name) for name in axes]
    columns = [names.index(name) for name in axes]
    return axes, np.asarray(affine[np.ix_([*rows, 3], [*columns, 3])])


def file_affine(image: SpatialImage, spatial: Sequence[str]) -> NDArray[np.float64]:
    """Return the (4, 4) affine from a file's (i, j, k) to the world's (x, y, z).

    It undoes :func:`placed_image`: `spatial` are the axes z, y and x in the order in
    which an array has them, which is (k, j, i). The unit stays that of the image.
    """
    affine = np.eye(4)
    rows = [image.spatial_axes.index(name) for name in WORLD_AXES]
    columns = [image.spatial_axes.index(name) for name in reversed(spatial)]
    affine[:3] = image.affine[np.ix_(rows, [*columns, 3])]
    return affine


def _most_cosine(affine: NDArray[np.float64]) -> float:
    """Return how far two axes are from a right angle at most, as a cosine."""
    sides = affine[:3, :3] / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-300)
    return float(np.abs(np.triu(sides.T @ sides, 1)).max())
