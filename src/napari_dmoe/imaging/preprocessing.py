"""From an image to what a network sees: cropped, resampled, scaled.

Which settings a model needs stands in its card. The way back is
:mod:`napari_dmoe.imaging.restoration`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch.nn import functional as F

from napari_dmoe.imaging.pixels import (
    CONSTANT,
    NOTHING_FINITE,
    channels_first,
    not_finite,
)
from napari_dmoe.imaging.resampling import PIXELS_AT_ONCE, cubic_plane
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    Grid,
    ImageError,
    ResizeRule,
    SpatialImage,
)
from napari_dmoe.imaging.white import White, finite, rows_of, white_of_values
from napari_dmoe.progress import Pulse, no_pulse

LARGEST_SIDE = 2**17
"""Pixels along a side of a crop or an input: more than any scanner gives."""

MAX_BYTES = 8 * 2**30
"""Memory that preparing one plane may take."""

_BYTES_PER_PIXEL = 24
"""Three arrays of 64-bit floats: scaled, and two while the spline is fitted."""


class Preprocessing(BaseModel, frozen=True, extra="forbid"):
    """How an image becomes a network's input.

    Values are clipped to 0-255 and divided by 255; floats in [0, 1] are taken as
    fractions of 255. See :mod:`napari_dmoe.imaging.white`.
    """

    crop: Annotated[int, Field(ge=2, le=LARGEST_SIDE)] | Literal["square"] | None = (
        Field(
            default=None,
            title="Centre crop",
            description="side of the centre crop in pixels; square = as large as fits",
        )
    )
    side: int = Field(
        default=224,
        gt=0,
        le=LARGEST_SIDE,
        title="Input side",
        description="side of the input in pixels",
    )
    resize: ResizeRule = Field(
        default="corner-aligned",
        title="Resize",
        description="corner-aligned: cubic spline, as published; half-pixel: bilinear, "
        "smoothed where it shrinks",
    )
    standardise: bool = Field(
        default=False,
        title="Standardise",
        description="zero mean and unit variance, for each image and channel",
    )


@dataclass(frozen=True)
class Prepared:
    """One image as a network sees it."""

    tensor: torch.Tensor
    """(C, S, S) float32 tensor: the input; C is 1, or as many as the network takes."""
    grid: Grid
    """Where its samples lie in the source image."""
    crop: tuple[slice, ...]
    """The part of the source image that was seen."""
    white: White
    """What was taken for white."""
    raw: torch.Tensor
    """(C, S, S) float32 tensor: the input before it was standardised."""
    notices: tuple[str, ...] = ()
    """What a person should know: values outside the expected range, for example."""


def prepare(
    image: SpatialImage,
    preprocessing: Preprocessing,
    *,
    n_channels: int = 3,
    white: White | None = None,
    pulse: Pulse = no_pulse,
) -> Prepared:
    """Make one 2D image a network's input.

    Parameters
    ----------
    image : SpatialImage
        Axes y and x, and optionally c with one channel, or as many as the network
        takes. Where that is 3, a fourth one is alpha, and left out.
    preprocessing : Preprocessing
        What the model's card asks for.
    n_channels : int
        Channels that the network takes; it repeats one channel to as many.
    white : White, optional
        What is white, decided for the whole stack that the plane is of; by default it
        is decided for the plane.
    pulse : callable
        Called between the steps, which take a second or so for very large planes.

    Raises
    ------
    ImageError
        For other axes or channel counts, complex values, fewer than 2 x 2 pixels,
        and images without one finite value.

    Notes
    -----
    Corner-aligned: ``scipy.ndimage.zoom(order=3)`` with its defaults in float64, each
    channel alone, not clipped afterwards. The aspect ratio is not kept.
    """
    grid, place = input_grid(image, preprocessing)
    allowed = tuple(sorted({1, n_channels}))
    values, notices = channels_first(
        image, ("y", "x"), place=place, allowed=allowed, pulse=pulse
    )
    white = white or white_of_values(values, pulse=pulse)
    values, scaling = _unit_range(values, white.top, pulse)
    shape = (preprocessing.side, preprocessing.side)
    raw = _resample(values, shape, preprocessing.resize, pulse)
    tensor = standardised(raw) if preprocessing.standardise else raw
    said = (*notices, *scaling, *white.notices)
    return Prepared(tensor, grid, place, white, raw, said)


def input_grid(
    image: SpatialImage, preprocessing: Preprocessing
) -> tuple[Grid, tuple[slice, ...]]:
    """Return where a network's samples would lie in a 2D image; nothing is read.

    Returns
    -------
    Grid
        The samples of the network's input, in the image's pixels.
    tuple of slice
        The part of the image that the network would see.

    Raises
    ------
    ImageError
        For other axes, fewer than 2 x 2 pixels, and a plane that would not fit into
        memory.
    """
    grid = Grid.identity(image.spatial_shape)
    is_plane = image.spatial_axes == ("y", "x") and min(grid.shape) >= 2
    if not is_plane or set(image.axes) - {"y", "x", CHANNEL_AXIS}:
        raise ImageError(
            "a 2D model takes one plane of at least 2 x 2 pixels along y and x, with "
            "or without channels (c): found "
            + " x ".join(
                f"{n} ({a})" for n, a in zip(image.data.shape, image.axes, strict=True)
            )
        )
    crop = preprocessing.crop
    size = min(grid.shape) if crop == "square" else (crop or max(grid.shape))
    grid, place = grid.centre_crop((size, size))
    _refuse_too_large(grid.shape, image.n_channels)
    shape = (preprocessing.side, preprocessing.side)
    return grid.resize(shape, preprocessing.resize), place


def _refuse_too_large(shape: tuple[int, ...], n_channels: int) -> None:
    """Say before anything is read that a plane would not fit into memory."""
    needed = math.prod(shape) * n_channels * _BYTES_PER_PIXEL
    if needed > MAX_BYTES:
        raise ImageError(
            f"the model takes the whole plane of {' x '.join(map(str, shape))} pixels, "
            f"which needs {needed / 2**30:.0f} GiB of memory, more than the "
            f"{MAX_BYTES / 2**30:.0f} GiB that are allowed: crop it, or make it smaller"
        )


def standardised(images: torch.Tensor) -> torch.Tensor:
    """Return images (..., H, W) with zero mean and unit variance, each on its own."""
    mean = images.mean((-2, -1), keepdim=True)
    spread = images.std((-2, -1), keepdim=True)
    return (images - mean) / spread.clamp_min(1e-3)


def _unit_range(
    values: NDArray[Any], top: float, pulse: Pulse
) -> tuple[NDArray[np.float64], list[str]]:
    """Bring any numbers (C, H, W) to [0, 1] as the published 0-255 range does."""
    scaled = np.empty(values.shape, np.float64)
    low, high, n_bad = math.inf, -math.inf, 0
    for rows in rows_of(values, PIXELS_AT_ONCE):
        pulse()
        part, n = finite(values[rows])
        low, high = min(low, float(part.min())), max(high, float(part.max()))
        n_bad += n
        np.clip(part, 0, top, out=part)
        scaled[rows] = part / np.float64(top)
    if n_bad == values.size:
        raise ImageError(NOTHING_FINITE)
    notices = [not_finite(n_bad)] if n_bad else []
    if low == high and values.dtype != bool:
        notices.append(CONSTANT)
    return scaled, notices


def _resample(
    values: NDArray[np.float64], shape: tuple[int, int], rule: ResizeRule, pulse: Pulse
) -> torch.Tensor:
    pulse()
    if rule == "corner-aligned":
        zoomed = [cubic_plane(channel, shape, pulse=pulse) for channel in values]
        return torch.from_numpy(np.stack(zoomed).astype(np.float32))
    tensor = torch.from_numpy(values.astype(np.float32))[np.newaxis]
    return F.interpolate(tensor, shape, mode="bilinear", antialias=True)[0]


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
