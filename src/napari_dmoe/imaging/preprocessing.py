"""From an image to what a network sees: cropped, resampled, scaled.

Which settings a model needs stands in its card. The way back is
:mod:`napari_dmoe.imaging.restoration`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator
from torch.nn import functional as F

from napari_dmoe.imaging.fitting import Fit, Placement, place
from napari_dmoe.imaging.focusing import Focus
from napari_dmoe.imaging.parts import Keep
from napari_dmoe.imaging.pixels import (
    CONSTANT,
    NOTHING_FINITE,
    channels_first,
    not_finite,
)
from napari_dmoe.imaging.resampling import cubic_plane
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    Grid,
    ImageError,
    ResizeRule,
    SpatialImage,
)
from napari_dmoe.imaging.white import White, unit_range, white_of_values
from napari_dmoe.progress import Pulse, no_pulse

LARGEST_SIDE = 2**17
"""Pixels along a side of a crop or an input: more than any scanner gives."""

MAX_BYTES = 8 * 2**30
"""Memory that preparing one plane may take."""

_BYTES_PER_PIXEL = 24
"""Three arrays of 64-bit floats: scaled, and two while the spline is fitted."""


class Preprocessing(BaseModel, frozen=True, extra="forbid"):
    """How an image becomes a network's input, and what it says of it a mask.

    Values are clipped to 0-255 and divided by 255; floats in [0, 1] are taken as
    fractions of 255. See :mod:`napari_dmoe.imaging.white`.

    Cards that are older than `fit` state a crop or none: these are cropped, or
    stretched.
    """

    fit: Fit = Field(
        default="stretch",
        title="Fit",
        description="how a picture that is not square meets the input. pad: whole, its "
        "proportions kept, what is left over filled and never segmented; crop: the "
        "middle alone; stretch: whole, both sides made alike",
    )
    crop: Annotated[int, Field(ge=2, le=LARGEST_SIDE)] | Literal["square"] | None = (
        Field(
            default=None,
            title="Centre crop",
            description="of fit crop: side of the centre crop in pixels; square = as "
            "large as fits",
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
        description="zero mean and unit variance, for each image and channel, over the "
        "picture alone",
    )
    focus: Focus | None = Field(
        default=None,
        title="Focus",
        description="a first pass over the whole picture finds the structure, and a "
        "second one sees a square around it; null = one pass",
    )
    keep: Keep = Field(
        default="all",
        title="Keep",
        description="which parts of a mask stay. all; largest: the largest connected "
        "one of all classes together, and within it of each class",
    )
    fill: bool = Field(
        default=False,
        title="Fill",
        description="whether holes of a mask take the class around them",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, stated: Any) -> Any:
        """Let a crop without a fit mean what it meant before there was one."""
        if not isinstance(stated, dict):
            return stated
        fit, crop = stated.get("fit"), stated.get("crop")
        if fit is None:
            fit = "stretch" if crop is None else "crop"
        return {**stated, "fit": fit, "crop": _crop_of(fit, crop)}

    @model_validator(mode="after")
    def _fit_and_crop_agree(self) -> Preprocessing:
        if self.fit != "crop" and self.crop is not None:
            seen = "shows the whole picture"
            raise ValueError(
                f"fit {self.fit} {seen}, and crop {self.crop} a part of it: state fit "
                "crop, or no crop"
            )
        return self

    def fitted(self, fit: Fit) -> Preprocessing:
        """Return the same with another fit; a crop then is the largest square."""
        if fit == self.fit:
            return self
        return self.model_copy(update={"fit": fit, "crop": _crop_of(fit, None)})

    def place(self, shape: tuple[int, int]) -> Placement:
        """Return where a picture of a size along y and x lies in the input."""
        return place(
            shape, side=self.side, fit=self.fit, crop=self.crop, resize=self.resize
        )

    @property
    def words(self) -> str:
        """Say how a picture that is not square meets the network."""
        if self.fit == "crop" and isinstance(self.crop, int):
            return f"of a picture the middle {self.crop} x {self.crop} pixels are seen"
        return _FITS[self.fit]

    @property
    def mask_words(self) -> str:
        """Say what is done for the mask beyond one pass; empty where nothing is."""
        focused = "a second pass sees a square around what the first one finds"
        said = (
            (focused, self.focus is not None),
            ("the largest part is kept", self.keep == "largest"),
            ("holes are filled", self.fill),
        )
        return "; ".join(words for words, is_done in said if is_done)


_FITS: Mapping[Fit, str] = {
    "pad": "a picture is seen whole, in its proportions",
    "crop": "of a picture the largest square in its middle is seen",
    "stretch": "a picture is seen whole, stretched to a square",
}


def _crop_of(fit: object, crop: Any) -> Any:
    """Return what is cropped: the largest square where only the fit says so."""
    return "square" if fit == "crop" and crop is None else crop


@dataclass(frozen=True)
class Prepared:
    """One image as a network sees it."""

    tensor: torch.Tensor
    """(C, S, S) float32 tensor: the input; C is 1, or as many as the network takes."""
    placement: Placement
    """Where the picture lies in it, and what of it is seen."""
    white: White
    """What was taken for white."""
    raw: torch.Tensor
    """(C, h, w) float32 tensor: the picture in it, before it was standardised."""
    pixels: NDArray[Any]
    """(C, H, W) array: what is seen of the picture, as it is stored."""
    notices: tuple[str, ...] = ()
    """What a person should know: values outside the expected range, for example."""

    @property
    def grid(self) -> Grid:
        """Where the samples that show the picture lie in the source image."""
        return self.placement.grid


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
    channel alone, not clipped afterwards. Where it is padded, the
    picture's edge goes on.
    """
    placement = input_placement(image, preprocessing)
    pixels, notices = _read(image, placement, n_channels, pulse)
    white = white or white_of_values(pixels, pulse=pulse)
    values, n_bad, is_constant = unit_range(pixels, white.top, pulse)
    if n_bad == values.size:
        raise ImageError(NOTHING_FINITE)
    if n_bad:
        notices.append(not_finite(n_bad))
    if is_constant and pixels.dtype != bool:
        notices.append(CONSTANT)
    raw, tensor = _placed(values, placement, preprocessing, pulse)
    said = (*notices, *white.notices)
    return Prepared(tensor, placement, white, raw, pixels, said)


def prepare_part(
    image: SpatialImage,
    placement: Placement,
    preprocessing: Preprocessing,
    *,
    white: White,
    n_channels: int = 3,
    known: Prepared | None = None,
    pulse: Pulse = no_pulse,
) -> torch.Tensor:
    """Make a part of an image that was prepared before a network's input.

    Parameters
    ----------
    image, preprocessing, n_channels, pulse
        As in :func:`prepare`.
    placement : Placement
        Where the part lies in the input; a part of what was seen of the image before.
    white : White
        What was taken for white, so that the part looks as it did in the whole.
    known : Prepared, optional
        The whole image, whose pixels are then not read once more.

    Returns
    -------
    (C, S, S) float32 tensor
        The input.
    """
    if known is None:
        pixels, _ = _read(image, placement, n_channels, pulse)
    else:
        pairs = zip(placement.seen, known.placement.seen, strict=True)
        part = [slice(p.start - at.start, p.stop - at.start) for p, at in pairs]
        pixels = known.pixels[(slice(None), *part)]
    values, _, _ = unit_range(pixels, white.top, pulse)
    return _placed(values, placement, preprocessing, pulse)[1]


def _read(
    image: SpatialImage, placement: Placement, n_channels: int, pulse: Pulse
) -> tuple[NDArray[Any], list[str]]:
    """Read what is seen of an image as (C, H, W); say what is to be known of it."""
    allowed = tuple(sorted({1, n_channels}))
    axes, seen = ("y", "x"), placement.seen
    return channels_first(image, axes, place=seen, allowed=allowed, pulse=pulse)


def _placed(
    values: NDArray[np.float64],
    placement: Placement,
    preprocessing: Preprocessing,
    pulse: Pulse,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a picture (C, H, W) in [0, 1] at its samples, and as the input."""
    height, width = placement.grid.shape
    raw = _resample(values, (height, width), preprocessing.resize, pulse)
    shown = standardised(raw) if preprocessing.standardise else raw
    return raw, padded(shown, placement)


def input_placement(image: SpatialImage, preprocessing: Preprocessing) -> Placement:
    """Return where a 2D image lies in a network's input; nothing is read.

    Raises
    ------
    ImageError
        For other axes, fewer than 2 x 2 pixels, and a plane that would not fit into
        memory.
    """
    shape = image.spatial_shape
    is_plane = image.spatial_axes == ("y", "x") and min(shape) >= 2
    if not is_plane or set(image.axes) - {"y", "x", CHANNEL_AXIS}:
        raise ImageError(
            "a 2D model takes one plane of at least 2 x 2 pixels along y and x, with "
            "or without channels (c): found "
            + " x ".join(
                f"{n} ({a})" for n, a in zip(image.data.shape, image.axes, strict=True)
            )
        )
    placement = preprocessing.place((shape[0], shape[1]))
    seen = tuple(part.stop - part.start for part in placement.seen)
    _refuse_too_large(seen, image.n_channels)
    return placement


def _refuse_too_large(shape: tuple[int, ...], n_channels: int) -> None:
    """Say before anything is read that a plane would not fit into memory."""
    needed = math.prod(shape) * n_channels * _BYTES_PER_PIXEL
    if needed > MAX_BYTES:
        raise ImageError(
            f"the model takes the whole plane of {' x '.join(map(str, shape))} pixels, "
            f"which needs {needed / 2**30:.0f} GiB of memory, more than the "
            f"{MAX_BYTES / 2**30:.0f} GiB that are allowed: crop it, or make it smaller"
        )


def standardised(
    images: torch.Tensor, shown: torch.Tensor | None = None
) -> torch.Tensor:
    """Return images (..., H, W) with zero mean and unit variance, each on its own.

    Where `shown` is given, a boolean tensor that is expanded to their shape, these are
    the mean and the variance of what it shows; the rest is scaled with it.
    """
    if shown is None:
        mean = images.mean((-2, -1), keepdim=True)
        spread = images.std((-2, -1), keepdim=True)
        return (images - mean) / spread.clamp_min(1e-3)
    shown = shown.expand_as(images)
    n = shown.sum((-2, -1), keepdim=True)
    mean = (images * shown).sum((-2, -1), keepdim=True) / n.clamp_min(1)
    squares = ((images - mean) * shown).square().sum((-2, -1), keepdim=True)
    spread = (squares / (n - 1).clamp_min(1)).sqrt()
    return (images - mean) / spread.clamp_min(1e-3)


def padded(picture: torch.Tensor, placement: Placement) -> torch.Tensor:
    """Return a picture (C, h, w) in its place in the input, (C, S, S).

    Around it its edge goes on. Of the bundled models' masks that cost least, beside
    black, its mean and its mirror image (benchmarks/whole_image.py): these draw an
    outline where there is none, or a second organ.
    """
    if not placement.is_padded:
        return picture
    rows, columns = placement.picture
    side = placement.side
    margins = (columns.start, side - columns.stop, rows.start, side - rows.stop)
    return F.pad(picture[None], margins, mode="replicate")[0]


def _resample(
    values: NDArray[np.float64], shape: tuple[int, int], rule: ResizeRule, pulse: Pulse
) -> torch.Tensor:
    pulse()
    if rule == "corner-aligned":
        zoomed = [cubic_plane(channel, shape, pulse=pulse) for channel in values]
        return torch.from_numpy(np.stack(zoomed).astype(np.float32))
    tensor = torch.from_numpy(values.astype(np.float32))[np.newaxis]
    return F.interpolate(tensor, shape, mode="bilinear", antialias=True)[0]
