"""A volume on a 3D network's grid, read slab by slab; its intensities stay as they are.

It is turned upright and resampled. Lazy arrays are read no further than a slab needs,
and a voxel has the same bits whatever the slabs are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.lazy import rows_of_chunks
from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.imaging.pixels import channels_first, floats_of
from napari_dmoe.imaging.resampling import PIXELS_AT_ONCE, linear_slab, needed_rows
from napari_dmoe.imaging.spatial import (
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.progress import Pulse, no_pulse

MUCH_FINER, _MANY_VOXELS = 4096, 2**27
"""Voxels for each of the volume's own, and in all, beyond which no training went."""

NUMBERS_AT_ONCE = 2**21
"""Numbers that are made floats at a time, as several copies of them are."""

Spacing = tuple[float, float, float]


class UprightVolume:
    """A volume whose axes run as the world's do, at the spacing of a model.

    Parameters
    ----------
    image : SpatialImage
        Axes z, y and x in any order, and optionally c. No voxel is read yet.
    spacing : (float, float, float), optional
        Voxel size that the network sees, in mm; as it is by default.
    n_channels : int
        Channels that the network takes.

    Raises
    ------
    ImageError
        For other axes, an empty one, and a spacing where its own is not known.
    NotEnoughMemory
        For a spacing that makes far too many voxels of it.
    """

    def __init__(
        self, image: SpatialImage, spacing: Spacing | None, *, n_channels: int
    ) -> None:
        if set(image.spatial_axes) != set(SPATIAL_AXES) or 0 in image.data.shape:
            raise ImageError(_other_axes(image))
        self._image, self._n_channels = image, n_channels
        self._has = _shape_of(image)
        along = np.diag(image.affine_along(SPATIAL_AXES))[:-1]
        self._backwards = tuple(bool(step < 0) for step in along)
        grid = _upright(self._has, self._backwards)
        shape = shape_at(image, spacing)
        if shape != self._has:
            grid = grid.resize(shape, "half-pixel")
        self.grid: Grid = grid
        """Where its voxels lie in the source image, along z, y and x."""
        self.notices: dict[str, None] = {}
        """What a person should know, as far as it was read."""
        self.dtype: np.dtype[Any] | None = None
        """Type of the source's numbers; None while nothing was read."""
        if spacing is not None and millimetres(image.unit) is None:
            self.notices[_not_resampled(spacing)] = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape (C, D, H, W)."""
        return (self._n_channels, *self.grid.shape)

    @property
    def is_resampled(self) -> bool:
        """Whether its voxels are not those of the source."""
        return self.grid.shape != self._has

    @property
    def n_source(self) -> int:
        """Numbers that it is made from."""
        return self._n_channels * math.prod(self._has)

    def pieces(self) -> list[slice]:
        """Return planes along z that are read at a time: neither many, nor few."""
        n = self.grid.shape[0]
        n_source = math.prod(self._has) / n
        a_plane = self._n_channels * max(n_source, math.prod(self.grid.shape[1:]))
        step = max(1, int(PIXELS_AT_ONCE // a_plane))
        if not self.is_resampled:
            along = self._image.axes.index(SPATIAL_AXES[0])
            step = rows_of_chunks(self._image.data, along, step)
        return [slice(i, min(i + step, n)) for i in range(0, n, step)]

    def read(
        self, axis: int, rows: slice, *, pulse: Pulse = no_pulse
    ) -> Iterator[tuple[slice, NDArray[np.floating], int]]:
        """Read a slab, and return it in parts that follow one another.

        Parameters
        ----------
        axis : int
            Axis of `grid` that it lies across.
        rows : slice
            Which of the grid's planes along it.
        pulse : callable
            Called between parts.

        Yields
        ------
        slice
            Which of the planes a part has.
        (C, d, h, w) float array
            Their numbers; 0 for those that are not finite.
        int
            How many were not. Slabs that follow one another count each once.
        """
        if self.is_resampled:
            yield self._resampled(axis, rows, pulse)
            return
        for planes, own in self.read_as_is(axis, rows, pulse=pulse):
            values, finite = floats_of(own)
            yield planes, values, _n_not(finite)

    def read_as_is(
        self, axis: int, rows: slice, *, pulse: Pulse = no_pulse
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Read a slab as :meth:`read` does, of a volume that is not resampled.

        Yields the planes of each part, and its numbers (C, d, h, w) as the source has
        them.
        """
        source = self._source(axis, rows, pulse)
        n = rows.stop - rows.start
        step = max(1, n * NUMBERS_AT_ONCE // source.size)
        for begin in range(0, n, step):
            pulse()
            part = slice(begin, min(begin + step, n))
            planes = slice(rows.start + part.start, rows.start + part.stop)
            yield planes, source[across(axis, part)]

    def _resampled(
        self, axis: int, rows: slice, pulse: Pulse
    ) -> tuple[slice, NDArray[np.floating], int]:
        n, m = self._has[axis], self.grid.shape[axis]
        own = slice(rows.start * n // m, rows.stop * n // m)
        needed = needed_rows(n, m, rows)
        part = slice(min(own.start, needed.start), max(own.stop, needed.stop))
        values, finite = floats_of(self._source(axis, part, pulse))
        if finite is not None:
            place = slice(own.start - part.start, own.stop - part.start)
            finite = finite[across(axis, place)]
        made = [
            linear_slab(
                each,
                self._has,
                self.grid.shape,
                axis=axis,
                rows=rows,
                first=part.start,
                pulse=pulse,
            )
            for each in values
        ]
        return rows, np.stack(made), _n_not(finite)

    def _source(self, axis: int, rows: slice, pulse: Pulse) -> NDArray[Any]:
        """Read some rows of the source, upright, along one of its axes."""
        n = self._has[axis]
        if self._backwards[axis]:
            rows = slice(n - rows.stop, n - rows.start)
        place = tuple(
            rows if name == SPATIAL_AXES[axis] else slice(None)
            for name in self._image.spatial_axes
        )
        values, notices = channels_first(
            self._image,
            SPATIAL_AXES,
            place=place,
            allowed=(self._n_channels,),
            pulse=pulse,
        )
        self.notices.update(dict.fromkeys(notices))
        types = (values.dtype, self.dtype or values.dtype)
        self.dtype = np.result_type(*types)  # in the order of this machine's bytes
        flips = (slice(None, None, -1 if back else 1) for back in self._backwards)
        return values[(slice(None), *flips)]


def across(axis: int, planes: slice) -> tuple[slice, ...]:
    """Return where some planes across an axis lie in an array (C, D, H, W)."""
    return (slice(None), *(slice(None),) * axis, planes)


def _n_not(finite: NDArray[np.bool_] | None) -> int:
    """Return how many numbers are not finite."""
    return 0 if finite is None else finite.size - int(np.count_nonzero(finite))


def shape_at(image: SpatialImage, spacing: Spacing | None) -> tuple[int, ...]:
    """Return the shape (z, y, x) that a volume has at a spacing in mm, if any.

    It keeps its own where the size of its voxels is not known.

    Raises
    ------
    NotEnoughMemory
        For a spacing that makes far too many voxels of it.
    """
    shape = _shape_of(image)
    if spacing is None:
        return shape
    mm = millimetres(image.unit)
    if mm is None:
        return shape
    have = mm * np.linalg.norm(image.affine_along(SPATIAL_AXES)[:-1, :-1], axis=0)
    at_spacing = tuple(
        max(1, round(n * own / want))
        for n, own, want in zip(shape, have, spacing, strict=True)
    )
    _refuse_finer(at_spacing, shape, spacing)
    return at_spacing


def _shape_of(image: SpatialImage) -> tuple[int, ...]:
    sizes = dict(zip(image.spatial_axes, image.spatial_shape, strict=True))
    return tuple(sizes[axis] for axis in SPATIAL_AXES)


def _other_axes(image: SpatialImage) -> str:
    found = zip(image.data.shape, image.axes, strict=True)
    return (
        "a 3D model takes a volume with the axes z, y and x: found "
        + " x ".join(f"{n} ({axis})" for n, axis in found)
        + ". Name the axes, or choose a 2D model for single planes"
    )


def _not_resampled(spacing: Spacing) -> str:
    wanted = " x ".join(f"{side:g}" for side in spacing)
    return (
        "the voxel size is not known, so the volume was not resampled to the model's "
        f"{wanted} mm"
    )


def _upright(shape: Sequence[int], backwards: Sequence[bool]) -> Grid:
    """Return the grid of a volume some of whose axes run against the world's."""
    start = tuple(n - 1.0 if b else 0.0 for n, b in zip(shape, backwards, strict=True))
    return Grid(tuple(shape), start, tuple(-1.0 if back else 1.0 for back in backwards))


def _refuse_finer(
    shape: tuple[int, ...], found: tuple[int, ...], spacing: Spacing
) -> None:
    """Refuse a spacing that makes far more of a volume than any training saw."""
    n, at = math.prod(shape), " x ".join(f"{each:g}" for each in spacing)
    if n > MUCH_FINER * math.prod(found) and n > _MANY_VOXELS:
        raise NotEnoughMemory(
            f"the volume at the {at} mm that the model's card asks for needs {n:,} "
            f"voxels, for {math.prod(found):,}: state the spacing that it was trained "
            "at in the card"
        )
