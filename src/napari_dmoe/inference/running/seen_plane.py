"""A plane of an image as a network sees it, to be looked at while a card is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.orientations import (
    OURS,
    in_order,
    order_of,
    turned,
    words_of,
)
from napari_dmoe.imaging.preprocessing import Preprocessing, prepare
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import VOLUME_AXES, ModelVolume, model_shape
from napari_dmoe.progress import ProgressHook, Pulse, beats

MOST_VOXELS = 2**27
"""Voxels beyond which a volume is not prepared just to be looked at."""

_BEATS = 32


@dataclass(frozen=True)
class SeenPlane:
    """A plane as a network sees it."""

    picture: NDArray[np.uint8]
    """(H, W, 3) array: black is the lowest number of the range in `words`."""
    words: str
    """Which plane it is, how large, and which numbers are black and white."""
    notices: tuple[str, ...] = ()
    """What a person should know of it."""


def seen_plane(
    image: SpatialImage,
    how: Preprocessing | VolumePreprocessing,
    *,
    n_channels: int,
    at: Mapping[str, int] | None = None,
    progress: ProgressHook,
) -> SeenPlane:
    """Prepare an image as a card states it, and return one plane of what comes of it.

    Parameters
    ----------
    image : SpatialImage
        The image.
    how : Preprocessing or VolumePreprocessing
        What the card states.
    n_channels : int
        Channels that the network takes.
    at : mapping of str to int, optional
        Indices along axes of the image; the middle of those that are not there.
    progress : callable
        May raise ``Cancelled``.

    Raises
    ------
    ImageError
        Where such an image cannot be prepared so.
    """
    pulse = beats(progress, _BEATS, "looking at the image")
    where = dict(at or {})
    if isinstance(how, VolumePreprocessing):
        return _of_volume(image, how, n_channels, where, pulse)
    frames = Frames(image, ("y", "x"), upright=True)
    plane = frames[_number(frames, where)]
    prepared = prepare(plane, how, n_channels=n_channels, pulse=pulse)
    said = f"{how.side} × {how.side} pixels"
    return _shown(prepared.tensor, said, prepared.notices, free=how.standardise)


def _of_volume(
    image: SpatialImage,
    how: VolumePreprocessing,
    n_channels: int,
    where: Mapping[str, int],
    pulse: Pulse,
) -> SeenPlane:
    """Return the plane across the network's first axis that is asked for."""
    frames = Frames(image, VOLUME_AXES)
    source = frames[_number(frames, where)]
    shape = model_shape(source, how)
    if max(math.prod(shape), math.prod(frames.frame_shape)) > MOST_VOXELS:
        raise ImageError("the volume is too large to be looked at here")
    volume = ModelVolume(source, how, n_channels=n_channels, pulse=pulse)
    axis, grid = order_of(how.orientation)[0], volume.grid
    n, name = grid.shape[axis], VOLUME_AXES[axis]
    start, step = grid.start[axis], grid.step[axis]
    asked = where.get(name, start + step * (n - 1) / 2)
    index = min(max(round((asked - start) / step), 0), n - 1)
    slab = torch.from_numpy(volume.slab(axis, slice(index, index + 1), pulse=pulse))
    picture = turned(slab, how.orientation)[:, 0]
    sides = " × ".join(map(str, in_order(grid.shape, how.orientation)))
    said = f"plane {index + 1} of {n} along {name}; {sides} voxels in all"
    if how.orientation != OURS:
        said += f", {words_of(how.orientation)}"
    return _shown(picture, said, volume.notices, free=how.standardise)


def _number(frames: Frames, where: Mapping[str, int]) -> int:
    """Return the number of the frame at some indices, or in the middle."""
    if not frames.shape:
        return 0
    indices = [
        min(max(where.get(axis, n // 2), 0), n - 1)
        for axis, n in zip(frames.axes, frames.shape, strict=True)
    ]
    for place, (axis, n) in enumerate(zip(frames.axes, frames.shape, strict=True)):
        if axis in frames.backwards:
            indices[place] = n - 1 - indices[place]
    return int(np.ravel_multi_index(indices, frames.shape))


def _shown(
    tensor: torch.Tensor, said: str, notices: tuple[str, ...], *, free: bool
) -> SeenPlane:
    """Return numbers (C, H, W) as a picture; from 0 to 1 unless they are free."""
    values = tensor.numpy().astype(np.float64)
    found = float(values.min()), float(values.max())
    low, high = found if free else (0.0, 1.0)
    shares = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    rgb = shares[:3] if len(shares) >= 3 else shares[:1].repeat(3, 0)
    picture = np.ascontiguousarray(
        (255 * rgb).round().astype(np.uint8).transpose(1, 2, 0)
    )
    words = f"{said}; numbers from {found[0]:.2f} to {found[1]:.2f}"
    return SeenPlane(picture, words, notices)
