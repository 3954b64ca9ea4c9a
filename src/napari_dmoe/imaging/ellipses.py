"""How well an ellipse of its own size and lie describes a mask."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

_PIXEL = 1 / 12
"""Variance of the places within one pixel."""


_SIDE = 256
"""Places along an axis that tell enough: of twice as many, every second counts."""


def filled_share(mask: NDArray[np.bool_]) -> float:
    """Return how much of its ellipse a mask fills: 1 for an ellipse, less for others.

    Parameters
    ----------
    mask : (H, W) or (D, H, W) bool array
        The mask; the size of its pixels does not matter.

    Returns
    -------
    float
        A little above 1 at most; NaN for an empty mask.

    Notes
    -----
    The pixels of the mask by those of the ellipse, or ellipsoid, with the same second
    moments. What is ragged, bent, hollow or in pieces fills less of it.

    Examples
    --------
    >>> y, x = np.mgrid[-50:51, -50:51]
    >>> disc = x**2 + 2 * y**2 < 40**2
    >>> crescent = disc & ((x - 20) ** 2 + 2 * y**2 > 40**2)
    >>> round(filled_share(disc), 2), round(filled_share(crescent), 2)
    (1.0, 0.54)
    """
    inner = _around(mask)
    n, d = int(np.count_nonzero(inner)), mask.ndim
    if not n:
        return math.nan
    covariance = np.zeros((d, d))
    for one, other in combinations(range(d), 2):
        counts = _along(inner, (one, other))
        y, x = _centred(counts.sum(1)), _centred(counts.sum(0))
        covariance[one, one] = (counts.sum(1) @ y**2) / n + _PIXEL
        covariance[other, other] = (counts.sum(0) @ x**2) / n + _PIXEL
        covariance[one, other] = covariance[other, one] = y @ counts @ x / n
    unit_ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    ellipse = unit_ball * math.sqrt((d + 2) ** d * np.linalg.det(covariance))
    return float(n / ellipse)


def _around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the smallest box that holds all of a mask, of large ones a part."""
    box = []
    for axis in range(mask.ndim):
        found = np.flatnonzero(mask.any(_but(mask.ndim, (axis,))))
        side = int(found[-1] - found[0] + 1) if len(found) else 0
        first = int(found[0]) if side else 0
        box.append(slice(first, first + side, max(1, side // _SIDE)))
    return mask[tuple(box)]


def _along(mask: NDArray[np.bool_], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return how many pixels of a mask there are at each place along two axes."""
    if mask.ndim == len(axes):
        return mask.astype(np.float64)
    summed = mask.sum(_but(mask.ndim, axes), dtype=np.float64)
    return np.asarray(summed)


def _centred(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places along an axis, from the middle of what lies there."""
    places = np.arange(len(profile), dtype=np.float64)
    return np.asarray(places - (profile @ places) / profile.sum())


def _but(ndim: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis for axis in range(ndim) if axis not in axes)
