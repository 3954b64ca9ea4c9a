"""From a volume to what a 3D network sees: turned upright, resampled, scaled.

The 2D counterpart is :mod:`napari_dmoe.imaging.preprocessing`; the way back is
:mod:`napari_dmoe.imaging.restoration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging import intensities
from napari_dmoe.imaging.foreground import (
    Box,
    box_around,
    box_words,
    cropped,
)
from napari_dmoe.imaging.intensities import Intensities, Measures, Scale, scale_by
from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.pixels import CONSTANT, floats_of
from napari_dmoe.imaging.slabs import UprightVolume, across, shape_at
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.progress import Pulse, no_pulse

VOLUME_AXES = ("z", "y", "x")

_WHAT = "the volume, as a network sees it, needs"
_REMEDY = "crop it, or state a coarser spacing in the model's card"

_FLOAT = np.dtype(np.float32)

KEPT_BYTES = 2**26
"""Bytes of volumes that are kept as the network sees them: 256 x 256 x 256 voxels."""


@dataclass(frozen=True)
class PreparedVolume:
    """One volume as a 3D network sees it, before it is cut into windows."""

    tensor: torch.Tensor
    """(C, D, H, W) float32 tensor: intensities, most of them in [0, 1]; indices grow
    towards the world's +z, +y and +x."""
    grid: Grid
    """Where its voxels lie in the source image, in the order (z, y, x) whatever the
    source's order is. A step is negative where the source runs the other way."""
    notices: tuple[str, ...] = ()
    """What a person should know."""


class ModelVolume:
    """One volume as a 3D network sees it, slab by slab.

    Its numbers are read once to know them. Those of a small volume are kept; a large
    one is read anew for every slab.

    Parameters
    ----------
    image : SpatialImage
        Axes z, y and x in any order, and optionally c.
    preprocessing : VolumePreprocessing
        What the model's card asks for.
    n_channels : int
        Channels that the network takes.
    scale : Scale, optional
        What is done to intensities, decided for all volumes of an image; by default as
        the card says it, or for the volume alone.
    box : tuple of slice, optional
        The part along z, y and x that is seen; by default all of it, cropped to its
        foreground where the card asks for that.
    most_kept : int
        Bytes that it may keep.
    pulse : callable
        Called between the steps, which take a fraction of a second or so.

    Raises
    ------
    ImageError
        For other axes or channel counts, an empty axis, complex values, and volumes
        without one finite value.

    Notes
    -----
    Axes are flipped, never rotated, so that each runs as the world axis nearest to it;
    then the volume is resampled linearly, smoothed where it shrinks.
    """

    def __init__(
        self,
        image: SpatialImage,
        preprocessing: VolumePreprocessing,
        *,
        n_channels: int = 1,
        scale: Scale | None = None,
        box: Box | None = None,
        most_kept: int = KEPT_BYTES,
        pulse: Pulse = no_pulse,
    ) -> None:
        said: list[str] = []
        if box is None and preprocessing.crop is not None:
            box, said = seen_box([image], preprocessing, n_channels, pulse)
        seen = image if box is None else cropped(image, box)
        self._volume = UprightVolume(seen, preprocessing.spacing, n_channels=n_channels)
        self.shape, self.grid = self._volume.shape, self._volume.grid
        if box is not None:
            start = (
                s + part.start for s, part in zip(self.grid.start, box, strict=True)
            )
            self.grid = replace(self.grid, start=tuple(start))
        is_kept = 4 * math.prod(self.shape) <= most_kept
        n_thinned = intensities.VOXELS_FOR_A_LOOK
        if preprocessing.measures.are_own and scale is None:
            n_thinned = intensities.VOXELS_FOR_PERCENTILES
        self._known, kept = _looked_at(self._volume, n_thinned, pulse, is_kept=is_kept)
        self.is_constant = self._known.least == self._known.most
        """Whether all of its numbers are the same."""
        notices = [*said, *self._volume.notices, *self._known.notices]
        if self.is_constant:
            notices.append(CONSTANT)
        pulse()
        self._scale, more = self._chosen(preprocessing.measures, scale)
        pulse()
        self.notices = (*notices, *more)
        """What a person should know."""
        self._kept = None if kept is None else self._all_scaled(kept, pulse)

    def _chosen(self, how: Measures, of_all: Scale | None) -> tuple[Scale, list[str]]:
        """Return what is done to intensities, and what a person should know of it."""
        if of_all is not None:
            return of_all, []
        return scale_by(self._known.thinned(), how, self._known.least, self._known.most)

    @property
    def checksum(self) -> str:
        """What tells its numbers from those of other volumes."""
        return f"{self._known.checksum:08x}"

    @property
    def is_kept(self) -> bool:
        """Whether slabs are parts of what is in memory."""
        return self._kept is not None

    def pieces(self) -> list[slice]:
        """Return planes along z that are best read together."""
        return self._volume.pieces()

    def slab(
        self, axis: int, rows: slice, *, pulse: Pulse = no_pulse
    ) -> NDArray[np.float32]:
        """Return some planes (C, d, h, w) across an axis, most numbers in [0, 1].

        Parameters
        ----------
        axis : int
            Axis of `grid`.
        rows : slice
            Which of its planes.
        pulse : callable
            Called between parts that are read.
        """
        if self._kept is not None:
            return np.asarray(self._kept[across(axis, rows)])
        shape = list(self.shape)
        shape[axis + 1] = rows.stop - rows.start
        slab = np.empty(shape, np.float32)
        for planes, stored in self.parts(axis, rows, pulse=pulse):
            own = slice(planes.start - rows.start, planes.stop - rows.start)
            slab[across(axis, own)] = self.seen(stored)
        return slab

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """Type in which slabs of a volume that is not kept take the least memory."""
        dtype = self._volume.dtype
        if self._volume.is_resampled or dtype is None:
            return _FLOAT
        is_small = dtype.kind in "bui" and dtype.itemsize < _FLOAT.itemsize
        return dtype if is_small else _FLOAT

    def parts(
        self, axis: int, rows: slice, *, pulse: Pulse = no_pulse
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Read some planes across an axis, of a volume that is not kept.

        Yields the planes of each part, and its numbers (C, d, h, w), of
        `stored_dtype`: :meth:`seen` makes of them what a network sees. Arguments are
        those of :meth:`slab`.
        """
        if self.stored_dtype != _FLOAT:
            yield from self._volume.read_as_is(axis, rows, pulse=pulse)
            return
        for planes, values, _ in self._volume.read(axis, rows, pulse=pulse):
            yield planes, self._scaled(values).astype(_FLOAT, copy=False)

    def seen(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return what a network sees of numbers of `stored_dtype`."""
        if stored.dtype == _FLOAT:
            return stored
        return self._scaled(floats_of(stored)[0]).astype(_FLOAT, copy=False)

    def _scaled(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        return self._scale.of(self._known.within_reach(values))

    def _all_scaled(
        self, values: NDArray[np.floating], pulse: Pulse
    ) -> NDArray[np.float32]:
        """Scale what is kept, in its place where it is of the type that is wanted."""
        is_same = values.dtype == np.float32
        scaled = values if is_same else np.empty(values.shape, np.float32)
        for planes in self.pieces():
            pulse()
            scaled[:, planes] = self._scaled(values[:, planes])
        return np.asarray(scaled)


def _looked_at(
    volume: UprightVolume, n_thinned: int, pulse: Pulse, *, is_kept: bool
) -> tuple[Intensities, NDArray[np.floating] | None]:
    """Look at all numbers of a volume, and return them too where they are kept."""
    known, kept = Intensities(volume.shape, n_thinned), None
    for rows in volume.pieces():
        pulse()
        for planes, values, n_bad in volume.read(0, rows, pulse=pulse):
            known.see(values, planes.start, n_bad)
            if is_kept:
                kept = np.empty(volume.shape, values.dtype) if kept is None else kept
                kept[:, planes] = values
    known.refuse_nothing(volume.n_source)
    return known, kept


def prepare_volume(
    image: SpatialImage,
    preprocessing: VolumePreprocessing,
    *,
    n_channels: int = 1,
    pulse: Pulse = no_pulse,
) -> PreparedVolume:
    """Make one volume a 3D network's input, all of it in memory.

    Arguments, errors and what is done are those of :class:`ModelVolume`.
    """
    n_bytes = 4 * n_channels * math.prod(model_shape(image, preprocessing))
    refuse_beyond_memory(2 * n_bytes, what=_WHAT, remedy=_REMEDY)
    volume = ModelVolume(
        image, preprocessing, n_channels=n_channels, most_kept=n_bytes, pulse=pulse
    )
    values = volume.slab(0, slice(0, volume.shape[1]))
    return PreparedVolume(torch.from_numpy(values), volume.grid, volume.notices)


def scale_of_all(
    volumes: Iterable[SpatialImage],
    preprocessing: VolumePreprocessing,
    *,
    number: int,
    n_channels: int = 1,
    box: Box | None = None,
    pulse: Pulse = no_pulse,
) -> tuple[Scale, tuple[str, ...]]:
    """Return what is done to all volumes of an image, where its own numbers decide.

    The `number` volumes are read one by one, and not kept. Arguments and errors are
    those of :class:`ModelVolume`; the strings are what a person should know.
    """
    kept, ends = [], []
    n_thinned = intensities.VOXELS_FOR_PERCENTILES // number
    for image in volumes:
        seen = image if box is None else cropped(image, box)
        volume = UprightVolume(seen, preprocessing.spacing, n_channels=n_channels)
        known, _ = _looked_at(volume, n_thinned, pulse, is_kept=False)
        ends += [known.least, known.most]
        kept.append(known.thinned())
        pulse()
    thinned = np.concatenate(kept, 1)
    scale, notices = scale_by(thinned, preprocessing.measures, min(ends), max(ends))
    return scale, tuple(notices)


def seen_box(
    volumes: Iterable[SpatialImage],
    preprocessing: VolumePreprocessing,
    n_channels: int,
    pulse: Pulse = no_pulse,
) -> tuple[Box | None, list[str]]:
    """Return what of all volumes of an image a network sees, and what is to be said.

    None where they are seen whole. They are read once where the card has them cropped.
    """
    ground = preprocessing.crop
    if ground is None:
        return None, []
    box = box_around(volumes, ground, n_channels=n_channels, pulse=pulse)
    if box is None:
        nothing = f"no intensity is above {ground.above:g}, so nothing was cropped"
        return None, [nothing]
    return box, [f"only the box around the foreground was seen: {box_words(box)}"]


def known_of_all(
    volumes: Sequence[SpatialImage],
    preprocessing: VolumePreprocessing,
    *,
    n_channels: int,
    is_scaled: bool,
    pulse: Pulse = no_pulse,
) -> tuple[Box | None, Scale | None, list[str]]:
    """Return what :func:`seen_box` and, where wanted, :func:`scale_of_all` find."""
    box, said = seen_box(volumes, preprocessing, n_channels, pulse)
    if not is_scaled:
        return box, None, said
    known: dict[str, Any] = {"number": len(volumes), "n_channels": n_channels}
    scale, more = scale_of_all(volumes, preprocessing, **known, box=box, pulse=pulse)
    return box, scale, [*said, *more]


def model_shape(
    image: SpatialImage, preprocessing: VolumePreprocessing
) -> tuple[int, ...]:
    """Return the shape (z, y, x) that a volume has when it is prepared, uncropped."""
    return shape_at(image, preprocessing.spacing)
