"""How far two masks overlap, and how far their surfaces are apart: Dice and HD95."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]

PERCENTILE = 95


def dice(first: Mask, second: Mask) -> float:
    """Return ``2 |A and B| / (|A| + |B|)`` of two masks; NaN where both are empty."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero(first & second)) / total if total else math.nan


def class_dice(
    first: NDArray[np.integer], second: NDArray[np.integer], n_classes: int
) -> tuple[float, ...]:
    """Return the Dice of two label maps for each class but the background.

    NaN where neither has the class.
    """
    return tuple(dice(first == k, second == k) for k in range(1, n_classes))


def hd95(first: Mask, second: Mask, spacing: Sequence[float] | None = None) -> float:
    """Return the 95th percentile of the distances between two masks' surfaces.

    The masks are (H, W) or (D, H, W); `spacing` is the size of a pixel along each axis,
    1 by default, and the distance in its unit. NaN where a mask is empty, and for masks
    of other numbers of axes.
    """
    if first.ndim not in (2, 3) or not (first.any() and second.any()):
        return math.nan
    return pooled_hd95(surface_distances(first, second, spacing))


def pooled_hd95(distances: tuple[Distances, Distances]) -> float:
    """Return the 95th percentile of the distances of both directions, pooled.

    References
    ----------
    MedPy, ``medpy.metric.binary.hd95``. MONAI takes the larger of both directions'
    percentiles instead.
    """
    return float(np.percentile(np.concatenate(distances), PERCENTILE))


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
    (around,) = scipy.ndimage.find_objects((first | second).astype(np.uint8))
    sides = np.ones(first.ndim) if spacing is None else np.asarray(spacing, np.float64)
    ours, theirs = (np.argwhere(_surface(m[around])) * sides for m in (first, second))
    return _nearest(ours, theirs), _nearest(theirs, ours)


def _surface(mask: Mask) -> Mask:
    """Return where a mask ends; by slices, which take a tenth of an erosion's time."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        along, kept = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        kept[1:] &= along[:-1]
        kept[:-1] &= along[1:]
        kept[0] = kept[-1] = False
    return np.asarray(mask & ~inner, np.bool_)


def _nearest(points: Distances, others: Distances) -> Distances:
    """Return the distance of each of some points (P, S) to the nearest of others.

    A surface has few points, so that a tree is several times as fast as a map of the
    distance of every pixel.
    """
    distances, _ = scipy.spatial.KDTree(others, balanced_tree=False).query(points)
    return np.asarray(distances, np.float64)
