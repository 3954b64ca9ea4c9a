"""From a volume to what a 3D network sees: turned upright, resampled, scaled.

The 2D counterpart is :mod:`napari_dmoe.imaging.preprocessing`; the way back is
:mod:`napari_dmoe.imaging.restoration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, field_validator

from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.pixels import CONSTANT, channels_first, finite_numbers
from napari_dmoe.imaging.resampling import PIXELS_AT_ONCE, linear_volume
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
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

MUCH_FINER, _MANY_VOXELS = 4096, 2**27
"""Voxels for each of the volume's own, and in all, beyond which no training went."""

Window = tuple[float, float]
"""Intensities that become 0 and 1."""

_PERCENTILES = (0.5, 99.5)

_WIDEST_RANGE, _FARTHEST = 1e37, 1e300
"""Ranges whose differences would be infinite as 32-bit and as 64-bit floats."""

VOXELS_FOR_PERCENTILES = 2**25
"""Larger volumes are thinned out for their percentiles, evenly along each axis."""


_VOXELS_FOR_A_LOOK = 2**20
"""Voxels that tell whether nearly all of a volume is one value."""


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


def prepare_volume(
    image: SpatialImage,
    preprocessing: VolumePreprocessing,
    *,
    n_channels: int = 1,
    window: Window | None = None,
    pulse: Pulse = no_pulse,
) -> PreparedVolume:
    """Make one volume a 3D network's input.

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
    pulse : callable
        Called between the steps, which take a second or so for 512 voxels a side.

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
    grid, values, notices = _at_the_models_size(
        image, preprocessing, n_channels=n_channels, pulse=pulse
    )
    values, least, most = _within_reach(values)
    if least == most:
        notices.append(CONSTANT)
    pulse()
    if preprocessing.window is not None:
        window = preprocessing.window
        notices += _unlike_the_window(values, window, least, most)
    elif window is None:
        thinned = _thinned(values, VOXELS_FOR_PERCENTILES)
        window, more = _own_window(thinned, least, most)
        notices += more
    scaled = _windowed(values, window, pulse)
    return PreparedVolume(torch.from_numpy(scaled), grid, tuple(notices))


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
    those of :func:`prepare_volume`; the strings are what a person should know.
    """
    kept, ends = [], []
    for volume in volumes:
        _, values, _ = _at_the_models_size(
            volume, preprocessing, n_channels=n_channels, pulse=pulse
        )
        values, *reached = _within_reach(values)
        ends += reached
        kept.append(_thinned(values, VOXELS_FOR_PERCENTILES // number).ravel())
        pulse()
    window, notices = _own_window(np.concatenate(kept), min(ends), max(ends))
    return window, tuple(notices)


def _at_the_models_size(
    image: SpatialImage,
    preprocessing: VolumePreprocessing,
    *,
    n_channels: int,
    pulse: Pulse,
) -> tuple[Grid, NDArray[np.floating], list[str]]:
    """Return a volume (C, D, H, W) upright and resampled, and where it lies."""
    if set(image.spatial_axes) != set(VOLUME_AXES) or 0 in image.data.shape:
        raise ImageError(
            "a 3D model takes a volume with the axes z, y and x: found "
            + " x ".join(
                f"{n} ({a})" for n, a in zip(image.data.shape, image.axes, strict=True)
            )
            + ". Name the axes, or choose a 2D model for single planes"
        )
    values, notices = channels_first(
        image, VOLUME_AXES, allowed=(n_channels,), pulse=pulse
    )
    pulse()
    values, more = finite_numbers(values)
    pulse()
    notices = [*notices, *more]
    affine = image.affine_along(VOLUME_AXES)
    grid, values = _along_the_world(affine, values)
    spacing = np.linalg.norm(affine[:-1, :-1], axis=0)
    if preprocessing.spacing is not None:
        if image.unit != "mm":
            notices.append(
                "the voxel size is not known in mm, so the volume was not resampled to "
                f"the model's {' x '.join(f'{s:g}' for s in preprocessing.spacing)} mm"
            )
        else:
            shape = _shape_at(grid, spacing, preprocessing.spacing)
            if shape != grid.shape:
                _refuse_finer(shape, grid.shape, preprocessing.spacing)
                values = np.stack(
                    [linear_volume(v, shape, pulse=pulse) for v in values]
                )
                grid = grid.resize(shape, "half-pixel")
    pulse()
    return grid, values, notices


def _along_the_world(
    affine: NDArray[np.float64], values: NDArray[np.floating]
) -> tuple[Grid, NDArray[np.floating]]:
    """Flip the axes (C, z, y, x) that run against the world's."""
    backwards = np.diag(affine)[:-1] < 0
    flips = tuple(slice(None, None, -1 if back else 1) for back in backwards)
    shape = values.shape[1:]
    start = tuple(n - 1.0 if b else 0.0 for n, b in zip(shape, backwards, strict=True))
    step = tuple(-1.0 if back else 1.0 for back in backwards)
    return Grid(shape, start, step), values[(slice(None), *flips)]


def _shape_at(
    grid: Grid, spacing: NDArray[np.float64], wanted: tuple[float, float, float]
) -> tuple[int, ...]:
    """Return the shape that a volume has at another spacing."""
    return tuple(
        max(1, round(n * have / want))
        for n, have, want in zip(grid.shape, spacing, wanted, strict=True)
    )


def model_shape(
    image: SpatialImage, preprocessing: VolumePreprocessing
) -> tuple[int, ...]:
    """Return the shape (z, y, x) that a volume has when it is prepared."""
    sizes = dict(zip(image.spatial_axes, image.spatial_shape, strict=True))
    shape = tuple(sizes[axis] for axis in VOLUME_AXES)
    if preprocessing.spacing is None or image.unit != "mm":
        return shape
    spacing = np.linalg.norm(image.affine_along(VOLUME_AXES)[:-1, :-1], axis=0)
    return _shape_at(Grid.identity(shape), spacing, preprocessing.spacing)


def _refuse_finer(
    shape: tuple[int, ...], found: tuple[int, ...], wanted: tuple[float, float, float]
) -> None:
    """Refuse a spacing that makes far more of a volume than there is memory for."""
    n, at = math.prod(shape), " x ".join(f"{each:g}" for each in wanted)
    what = f"the volume at the {at} mm that the model's card asks for needs"
    remedy = "state the spacing that it was trained at in the card"
    if n > MUCH_FINER * math.prod(found) and n > _MANY_VOXELS:
        raise NotEnoughMemory(
            f"{what} {n:,} voxels, for {math.prod(found):,}: {remedy}"
        )
    refuse_beyond_memory(8 * n, what=what, remedy=remedy)


def _windowed(
    values: NDArray[np.floating], window: Window, pulse: Pulse
) -> NDArray[np.float32]:
    """Scale intensities to [0, 1]."""
    low, high = window
    scaled = np.empty(values.shape, np.float32)
    step = max(1, values.shape[1] * PIXELS_AT_ONCE // values.size)
    for begin in range(0, values.shape[1], step):
        pulse()
        rows = (slice(None), slice(begin, begin + step))
        scaled[rows] = (np.clip(values[rows], low, high) - low) / ((high - low) or 1.0)
    return scaled


def _within_reach(
    values: NDArray[np.floating],
) -> tuple[NDArray[np.floating], float, float]:
    """Return values whose differences are finite numbers, the least and the most."""
    least, most = float(values.min()), float(values.max())
    if most - least > _WIDEST_RANGE:
        values = np.clip(values.astype(np.float64), -_FARTHEST, _FARTHEST)
        least, most = max(least, -_FARTHEST), min(most, _FARTHEST)
    return values, least, most


def _own_window(
    thinned: NDArray[np.floating], least: float, most: float
) -> tuple[Window, list[str]]:
    """Return the percentiles that become 0 and 1, or the range where they agree."""
    low, high = map(float, np.percentile(thinned, _PERCENTILES))
    if low < high or least == most:
        return (low, high), []
    notice = (
        f"nearly all intensities are {low:g}: not the percentiles but the whole range, "
        f"{least:g} to {most:g}, was scaled to 0 to 1"
    )
    return (least, most), [notice]


def _unlike_the_window(
    values: NDArray[np.floating], window: Window, least: float, most: float
) -> list[str]:
    """Say so where a volume hardly reaches a window, or hardly varies in it."""
    low, high = window
    if most <= low or least >= high:
        return [
            f"all intensities ({least:g} to {most:g}) lie outside the model's window "
            f"of {low:g} to {high:g}: is this the kind of image that it was made for?"
        ]
    notices = []
    if least >= 0 > low:
        notices.append(
            f"intensities begin at {least:g}, where the model expects values below 0 "
            "such as Hounsfield units"
        )
    thinned = _thinned(values, _VOXELS_FOR_A_LOOK)
    first, last = np.clip(np.percentile(thinned, _PERCENTILES), low, high)
    if first == last and least < most:
        where = {low: "lie below", high: "lie above"}.get(float(first), "are alike in")
        notices.append(
            f"nearly all intensities {where} the model's window of {low:g} to "
            f"{high:g}, though they reach from {least:g} to {most:g}: it sees hardly "
            "anything"
        )
    return notices


def _thinned(values: NDArray[np.floating], n: int) -> NDArray[np.floating]:
    """Return about `n` of the voxels (C, D, H, W), evenly along each axis."""
    skip = math.ceil((values.size / max(1, n)) ** (1 / 3))
    return values[(slice(None), *(slice(None, None, skip),) * 3)]
