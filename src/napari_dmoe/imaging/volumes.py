"""From a volume to what a 3D network sees: turned upright, resampled, scaled.

The 2D counterpart is :mod:`napari_dmoe.imaging.preprocessing`; the way back is
:mod:`napari_dmoe.imaging.restoration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, field_validator

from napari_dmoe.imaging import intensities
from napari_dmoe.imaging.intensities import (
    Intensities,
    Window,
    own_window,
    unlike_the_window,
    windowed,
)
from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.pixels import CONSTANT, floats_of
from napari_dmoe.imaging.slabs import UprightVolume, across, shape_at
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.progress import Pulse, no_pulse

VOLUME_AXES = ("z", "y", "x")

PATCH_STEP = 32
"""Sides of a patch are multiples of this: the network halves them five times."""

LEAST_LONG_SIDE = 64
"""One side at least: of 32 voxels each, the last stage would have one voxel to norm."""

MOST_VOXELS = 2**26
"""Voxels of a patch. Networks see patches of 96 to 192 voxels a side; 406 are this."""

FINEST_MM, COARSEST_MM = 1e-3, 1e3
"""Spacings that images of people can have, generously."""

WIDEST_WINDOW, NARROWEST_WINDOW = 1e9, 1e-6
"""Ends of a window, and the least between them; also in shares of its ends, because
intensities are 32-bit floats."""

_WHAT = "the volume, as a network sees it, needs"
_REMEDY = "crop it, or state a coarser spacing in the model's card"

_FLOAT = np.dtype(np.float32)

KEPT_BYTES = 2**26
"""Bytes of volumes that are kept as the network sees them: 256 x 256 x 256 voxels."""


class VolumePreprocessing(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How a volume becomes a 3D network's input."""

    spacing: tuple[float, float, float] | None = Field(
        default=None,
        title="Spacing",
        description="voxel size that the network sees, in mm, (z, y, x); none = as is",
    )
    window: tuple[float, float] | None = Field(
        default=None,
        title="Window",
        description="intensities that become 0 and 1, such as Hounsfield units; none = "
        "the image's own percentiles 0.5 and 99.5",
    )
    patch: tuple[int, int, int] = Field(
        default=(96, 96, 96),
        title="Patch",
        description="voxels that the network sees at once, (z, y, x)",
    )

    @property
    def words(self) -> str:
        """Say how a volume of any size meets the network."""
        return "a volume is seen window by window; one smaller than a window is padded"

    @property
    def mask_words(self) -> str:
        """Say nothing: volumes take one pass, and their masks stay as they come."""
        return ""

    @field_validator("spacing")
    @classmethod
    def _is_positive(
        cls, spacing: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        if spacing is None:
            return None
        if not all(FINEST_MM <= each <= COARSEST_MM for each in spacing):
            raise ValueError(
                f"spacing must be {FINEST_MM:g} to {COARSEST_MM:g} mm: found {spacing}"
            )
        return spacing

    @field_validator("window")
    @classmethod
    def _rises(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and window[0] >= window[1]:
            raise ValueError(f"a window rises: found {window}")
        if window is not None:
            farthest = max(map(abs, window))
            least = NARROWEST_WINDOW * max(1, farthest)
            if farthest > WIDEST_WINDOW or window[1] - window[0] < least:
                raise ValueError(
                    f"a window lies within {WIDEST_WINDOW:g} and is {least:g} wide or "
                    f"more: found {window}"
                )
        return window

    @field_validator("patch")
    @classmethod
    def _fits_the_network(cls, patch: tuple[int, int, int]) -> tuple[int, int, int]:
        fits = all(n > 0 and n % PATCH_STEP == 0 for n in patch)
        if not fits or max(patch) < LEAST_LONG_SIDE:
            raise ValueError(
                f"sides of a patch are multiples of {PATCH_STEP}, one of them at least "
                f"{LEAST_LONG_SIDE}: found {patch}"
            )
        if math.prod(patch) > MOST_VOXELS:
            raise ValueError(
                f"a patch has {MOST_VOXELS:,} voxels at most: found {patch}, which is "
                f"{math.prod(patch):,}"
            )
        return patch


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
    window : (float, float), optional
        Intensities that become 0 and 1, decided for all volumes of an image; by default
        those of the card, or of the volume.
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
        window: Window | None = None,
        most_kept: int = KEPT_BYTES,
        pulse: Pulse = no_pulse,
    ) -> None:
        self._volume = UprightVolume(
            image, preprocessing.spacing, n_channels=n_channels
        )
        self.shape, self.grid = self._volume.shape, self._volume.grid
        is_kept = 4 * math.prod(self.shape) <= most_kept
        is_chosen = preprocessing.window is not None or window is not None
        n_thinned = intensities.VOXELS_FOR_PERCENTILES
        if is_chosen:
            n_thinned = intensities.VOXELS_FOR_A_LOOK
        self._known, kept = _looked_at(self._volume, n_thinned, pulse, is_kept=is_kept)
        self.is_constant = self._known.least == self._known.most
        """Whether all of its numbers are the same."""
        notices = [*self._volume.notices, *self._known.notices]
        if self.is_constant:
            notices.append(CONSTANT)
        pulse()
        self._window, more = self._chosen(preprocessing.window, window)
        pulse()
        self.notices = (*notices, *more)
        """What a person should know."""
        self._kept = None if kept is None else self._all_scaled(kept, pulse)

    def _chosen(
        self, of_card: Window | None, of_all: Window | None
    ) -> tuple[Window, list[str]]:
        """Return what becomes 0 and 1, and what a person should know of it."""
        ends = self._known.least, self._known.most
        if of_card is not None:
            thinned = self._known.thinned()
            return of_card, unlike_the_window(thinned, of_card, *ends)
        if of_all is not None:
            return of_all, []
        return own_window(self._known.thinned(), *ends)

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
        return windowed(self._known.within_reach(values), self._window)

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
    window: Window | None = None,
    pulse: Pulse = no_pulse,
) -> PreparedVolume:
    """Make one volume a 3D network's input, all of it in memory.

    Arguments, errors and what is done are those of :class:`ModelVolume`.
    """
    n_bytes = 4 * n_channels * math.prod(model_shape(image, preprocessing))
    refuse_beyond_memory(2 * n_bytes, what=_WHAT, remedy=_REMEDY)
    volume = ModelVolume(
        image,
        preprocessing,
        n_channels=n_channels,
        window=window,
        most_kept=n_bytes,
        pulse=pulse,
    )
    values = volume.slab(0, slice(0, volume.shape[1]))
    return PreparedVolume(torch.from_numpy(values), volume.grid, volume.notices)


def window_of_all(
    volumes: Iterable[SpatialImage],
    preprocessing: VolumePreprocessing,
    *,
    number: int,
    n_channels: int = 1,
    pulse: Pulse = no_pulse,
) -> tuple[Window, tuple[str, ...]]:
    """Return what becomes 0 and 1 in all volumes of an image, where no card says it.

    The `number` volumes are read one by one, and not kept. Arguments and errors are
    those of :class:`ModelVolume`; the strings are what a person should know.
    """
    kept, ends = [], []
    n_thinned = intensities.VOXELS_FOR_PERCENTILES // number
    for image in volumes:
        volume = UprightVolume(image, preprocessing.spacing, n_channels=n_channels)
        known, _ = _looked_at(volume, n_thinned, pulse, is_kept=False)
        ends += [known.least, known.most]
        kept.append(known.thinned())
        pulse()
    window, notices = own_window(np.concatenate(kept), min(ends), max(ends))
    return window, tuple(notices)


def model_shape(
    image: SpatialImage, preprocessing: VolumePreprocessing
) -> tuple[int, ...]:
    """Return the shape (z, y, x) that a volume has when it is prepared."""
    return shape_at(image, preprocessing.spacing)
