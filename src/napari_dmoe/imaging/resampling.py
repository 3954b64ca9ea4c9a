"""Resampling of planes and volumes in steps; `pulse`, called between them, may stop it.

The results are those of scipy's ``zoom`` and scikit-image's ``resize``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.progress import Pulse, no_pulse

PIXELS_AT_ONCE = 2**23
"""Pixels filtered or made at a time, which takes a third of a second or so."""


def cubic_plane(
    values: NDArray[np.float64], shape: tuple[int, int], *, pulse: Pulse = no_pulse
) -> NDArray[np.float64]:
    """Resample a plane (H, W) to `shape`, as ``scipy.ndimage.zoom(order=3)`` does.

    In float64; `pulse` is called between the steps, and may raise ``Cancelled``.
    """
    for axis in range(values.ndim):
        values = _spline_coefficients(values, axis, pulse)
    pulse()
    factors = [m / n for m, n in zip(shape, values.shape, strict=True)]
    zoomed = ndimage.zoom(values, factors, order=3, prefilter=False)
    return np.asarray(zoomed, np.float64)


def linear_volume(
    values: NDArray[np.floating], shape: tuple[int, ...], *, pulse: Pulse = no_pulse
) -> NDArray[np.floating]:
    """Resample a volume (D, H, W) to `shape`, linearly.

    Notes
    -----
    It is smoothed first along the axes that shrink. The same as
    ``skimage.transform.resize`` with ``order=1`` and its anti-aliasing: voxels are
    areas, and beyond the volume its outermost voxels go on.
    """
    scales = [n / m for n, m in zip(values.shape, shape, strict=True)]
    for axis, scale in enumerate(scales):
        if scale > 1:
            values = _smoothed(values, (scale - 1) / 2, axis, pulse)
    made = np.empty(shape, values.dtype)
    step = max(1, PIXELS_AT_ONCE // max(1, math.prod(shape[1:])))
    for begin in range(0, shape[0], step):
        pulse()
        rows = made[begin : begin + step]
        firsts = (begin, *(0 for _ in shape[1:]))
        ndimage.affine_transform(
            values,
            np.array(scales),
            [s * (i + 0.5) - 0.5 for s, i in zip(scales, firsts, strict=True)],
            output=rows,
            order=1,
            mode="nearest",
        )
    return made


def prepare_labels(labels: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Sample a label map at a prepared image's grid, by nearest neighbour.

    From integers (*S) on the source's pixels, their axes in the order of `grid`, to
    the same type (*T) on `grid`.
    """
    index = [
        np.clip(np.floor(grid.coordinates(axis) + 0.5), 0, n - 1).astype(int)
        for axis, n in enumerate(labels.shape)
    ]
    return np.asarray(labels[np.ix_(*index)])


def _spline_coefficients(
    values: NDArray[np.float64], axis: int, pulse: Pulse
) -> NDArray[np.float64]:
    """Return cubic spline coefficients along one axis; lines are independent."""
    made = np.empty(values.shape, np.float64)
    for lines in _slabs_across(values, axis):
        pulse()
        ndimage.spline_filter1d(values[lines], 3, axis, output=made[lines])
    return made


def _smoothed(
    values: NDArray[np.floating], sigma: float, axis: int, pulse: Pulse
) -> NDArray[np.floating]:
    """Smooth a volume along one axis, in slabs across it."""
    made = np.empty(values.shape, values.dtype)
    for slab in _slabs_across(values, axis):
        pulse()
        ndimage.gaussian_filter1d(
            values[slab], sigma, axis, output=made[slab], mode="nearest"
        )
    return made


def _slabs_across(values: NDArray[Any], axis: int) -> list[tuple[slice, ...]]:
    """Return slabs that hold whole lines along an axis."""
    across = 1 if axis == 0 else 0
    n = values.shape[across]
    step = max(1, n * PIXELS_AT_ONCE // max(1, values.size))
    return [
        (slice(None),) * across + (slice(begin, begin + step),)
        for begin in range(0, n, step)
    ]
