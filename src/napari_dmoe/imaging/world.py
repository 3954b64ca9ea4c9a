"""Volumes of files in the world of a patient: which axis runs where.

World coordinates run towards the patient's left, the back and the head along x, y and
z: those of DICOM and ITK (LPS). Pixels are never flipped or resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from nibabel.orientations import io_orientation
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage

WORLD_AXES = ("x", "y", "z")


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
    axes = (*reversed(further), *names)
    return SpatialImage(data.T, axes, ours, unit, notices)


def named_axes(
    affine: NDArray[np.float64],
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the names of a volume's axes (k, j, i), and the affine in their order.

    `affine` leads from (i, j, k) to the world's (x, y, z).
    """
    names = [WORLD_AXES[int(place)] for place in io_orientation(affine)[:, 0]]
    axes = tuple(reversed(names))
    rows = [WORLD_AXES.index(name) for name in axes]
    columns = [names.index(name) for name in axes]
    return axes, np.asarray(affine[np.ix_([*rows, 3], [*columns, 3])])
