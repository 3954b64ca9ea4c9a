"""Resampling of planes and volumes in steps; `pulse`, called between them, may stop it.

The results are those of scipy's ``zoom`` and scikit-image's ``resize``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.progress import Pulse, no_pulse

PIXELS_AT_ONCE = 2**23
"""Pixels filtered or made at a time, which takes a third of a second or so."""

_SAMPLES_AT_ONCE = 2**18
"""Samples interpolated at a time, in 64 bits: more would not fit into caches."""


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
    zoomed = scipy.ndimage.zoom(values, factors, order=3, prefilter=False)
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
    everything = slice(0, shape[0])
    return linear_slab(
        values, values.shape, shape, axis=0, rows=everything, first=0, pulse=pulse
    )


def needed_rows(n: int, m: int, rows: slice) -> slice:
    """Return which of n samples decide some of the m that they are resampled to."""
    if n == m:
        return rows
    where = _positions(n, m)[rows]
    beyond = _reach(n / m)
    first = math.floor(where[0]) - beyond
    last = math.floor(where[-1]) + 1 + beyond
    return slice(min(max(0, first), n - 1), min(n, last + 1))


def linear_slab(
    values: NDArray[np.floating],
    source: Sequence[int],
    shape: Sequence[int],
    *,
    axis: int,
    rows: slice,
    first: int,
    pulse: Pulse = no_pulse,
) -> NDArray[np.floating]:
    """Return a slab of what :func:`linear_volume` makes of a volume, of part of it.

    Parameters
    ----------
    values : (d, h, w) float array
        The volume's samples from number `first` on along `axis`, :func:`needed_rows`
        among them, and all along the other axes.
    source, shape : sequence of int
        Shapes of the whole volume and of what it is resampled to.
    axis : int
        Axis that the slab lies across.
    rows : slice
        Which of the resampled volume's planes along it the slab has.
    first : int
        Number of the first of `values`.
    pulse : callable
        Called between the steps; may raise ``Cancelled``.
    """
    where = [_positions(n, m) for n, m in zip(source, shape, strict=True)]
    where[axis] = where[axis][rows] - first
    for each, (n, m) in enumerate(zip(source, shape, strict=True)):
        if n > m:
            values = _smoothed(values, _sigma(n / m), each, pulse)
    made = np.empty(tuple(map(len, where)), values.dtype)
    a_plane = max(values.size // len(values), made.size // len(made))
    step = max(1, _SAMPLES_AT_ONCE // a_plane)
    for begin in range(0, len(made), step):
        pulse()
        part = slice(begin, min(begin + step, len(made)))
        made[part] = _between(values, [where[0][part], *where[1:]])
    return made


def _positions(n: int, m: int) -> NDArray[np.float64]:
    """Return where m samples lie between n, or beyond the outermost, as areas."""
    scale = n / m
    shift = (scale - 1) / 2
    return np.asarray((np.arange(m) + shift / scale) * scale, np.float64)


def _between(
    values: NDArray[np.floating], where: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Interpolate a volume linearly, in float64 and in scipy's order of operations."""
    corners = [
        _neighbours(each, n) for each, n in zip(where, values.shape, strict=True)
    ]
    total = np.zeros(tuple(map(len, where)))
    for planes, share in corners[0]:
        of_plane = np.take(values, planes, 0) * share[:, None, None]
        for rows, own in corners[1]:
            of_row = np.take(of_plane, rows, 1) * own[:, None]
            for columns, last in corners[2]:
                total += np.take(of_row, columns, 2) * last
    return total


_Neighbours = list[tuple[NDArray[np.intp], NDArray[np.float64]]]


def _neighbours(where: NDArray[np.float64], n: int) -> _Neighbours:
    """Return the samples below and above, and their shares; above where any counts."""
    low = np.floor(where).astype(int)
    of_low = 1 - (where - low)
    if (of_low == 1).all():
        return [(low, of_low)]
    below, above = np.clip(low, 0, n - 1), np.clip(low + 1, 0, n - 1)
    return [(below, of_low), (above, 1 - of_low)]


def _sigma(scale: float) -> float:
    """Return how widely a volume is smoothed whose samples become so much larger."""
    return (scale - 1) / 2


def _reach(scale: float) -> int:
    """Return how far smoothing sees; as scipy's ``gaussian_filter1d`` does."""
    return int(4 * _sigma(scale) + 0.5) if scale > 1 else 0


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
        scipy.ndimage.spline_filter1d(values[lines], 3, axis, output=made[lines])
    return made


def _smoothed(
    values: NDArray[np.floating], sigma: float, axis: int, pulse: Pulse
) -> NDArray[np.floating]:
    """Smooth a volume along one axis, in slabs across it."""
    made = np.empty(values.shape, values.dtype)
    for slab in _slabs_across(values, axis):
        pulse()
        scipy.ndimage.gaussian_filter1d(
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
