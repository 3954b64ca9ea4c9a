"""Distances between the surfaces of two masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]


def surface_distances(
    first: Mask, second: Mask, spacing: Sequence[float] | None = None
) -> tuple[Distances, Distances]:
    """Return how far each surface pixel is from the other mask's surface.

    Parameters
    ----------
    first, second : (*S) bool array
        The masks, neither of them empty.
    spacing : sequence of float, optional
        Pixel size along each axis; 1 by default.

    Returns
    -------
    to_second : (P,) float array
        One for each surface pixel of the first mask, in the unit of the spacing.
    to_first : (Q,) float array
        One for each surface pixel of the second.

    Notes
    -----
    A surface pixel belongs to the mask and has a neighbour along an axis that does not;
    outside of the image is outside of the mask.

    References
    ----------
    MedPy, ``medpy.metric.binary``, with connectivity 1.
    """
    # Nothing outside of the box around both masks changes a distance.
    (around,) = ndimage.find_objects((first | second).astype(np.uint8))
    ours, theirs = _surface(first[around]), _surface(second[around])
    return _distance_to(theirs, spacing)[ours], _distance_to(ours, spacing)[theirs]


def _surface(mask: Mask) -> Mask:
    return np.asarray(mask & ~ndimage.binary_erosion(mask), np.bool_)


def _distance_to(surface: Mask, spacing: Sequence[float] | None) -> Distances:
    distance = ndimage.distance_transform_edt(~surface, sampling=spacing)
    return np.asarray(distance, np.float64)
