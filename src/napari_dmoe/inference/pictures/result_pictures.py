"""A result as pictures: its mask, and the strongest experts of each block.

Of a volume, the axial slice with the largest mask is drawn, the front above and the
patient's left on the right, as radiologists look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, Grid, SpatialImage
from napari_dmoe.imaging.volumes import VOLUME_AXES
from napari_dmoe.inference.pictures.colours import AIR, CT_WINDOW
from napari_dmoe.inference.pictures.drawing import (
    Picture,
    experts_picture,
    mask_picture,
    picture_of,
)
from napari_dmoe.inference.results.segmentation import Segmentation


@dataclass(frozen=True)
class ResultPictures:
    """Pictures of one result."""

    mask: Picture
    """(H, W, 3) uint8 array: the mask on the image."""
    experts: tuple[Picture, ...]
    """tuple of (H, W, 3) uint8 arrays: the strongest expert of each token, block by
    block."""
    slice: int | None
    """Index of the slice along z; None for an image that is no volume."""


def result_pictures(image: SpatialImage, result: Segmentation) -> ResultPictures:
    """Draw a result, on the image's own pixels, on its image.

    That is one plane or one volume: no axes but y and x, or z, y and x, and channels.
    """
    if len(result.grid.shape) == len(VOLUME_AXES):
        return _of_slice(image, result)
    base = picture_of(image)
    experts = (experts_picture(base, *tokens) for tokens in _tokens(result))
    mask = mask_picture(base, result.by_frame(result.labels), result.classes)
    return ResultPictures(mask, tuple(experts), None)


def _tokens(result: Segmentation) -> Iterator[tuple[NDArray[np.float32], Grid]]:
    """Yield the mean gates of each block, and where they lie."""
    maps = result.routing
    if maps is not None:
        yield from zip(map(maps.mean, maps.blocks), maps.grids, strict=True)


def _of_slice(image: SpatialImage, result: Segmentation) -> ResultPictures:
    labels = result.by_frame(result.labels)
    number = int((labels > 0).sum((1, 2)).argmax())
    base = slice_picture(image, number)
    flips = radiological(image)
    mask = mask_picture(base, labels[number], result.classes)
    experts = (
        experts_picture(base, *_slice_of(gates, grid, number))[flips]
        for gates, grid in _tokens(result)
    )
    return ResultPictures(mask[flips], tuple(experts), number)


def radiological(image: SpatialImage) -> tuple[slice, slice]:
    """Return a slice's flips: the front above, the patient's left on the right."""
    down, right = np.diag(image.affine_along(VOLUME_AXES))[1:3] < 0
    return slice(None, None, -1 if down else 1), slice(None, None, -1 if right else 1)


def slice_picture(image: SpatialImage, number: int) -> Picture:
    """Return slice `number` along z as (H, W, 3) uint8, in the order of its voxels.

    Of several channels the first is drawn.
    """
    channels = [axis for axis in (CHANNEL_AXIS,) if axis in image.axes]
    order = [image.axes.index(axis) for axis in (*channels, *VOLUME_AXES)]
    volume = np.asarray(image.data).transpose(order)
    volume = volume[0] if channels else volume
    plane = volume[number].astype(np.float64)
    low, high = CT_WINDOW
    if volume.min() >= AIR:
        low, high = np.percentile(volume, (0.5, 99.5))
    grey = (np.clip(plane, low, high) - low) / ((high - low) or 1) * 255
    return picture_of(SpatialImage(grey.astype(np.uint8), ("y", "x")))


def _slice_of(
    gates: NDArray[np.float32], grid: Grid, number: int
) -> tuple[NDArray[Any], Grid]:
    """Return the tokens (h, w, E) that a slice of the source lies in."""
    token = round((number - grid.start[0]) / grid.step[0])
    token = min(max(token, 0), grid.shape[0] - 1)
    return gates[token], Grid(grid.shape[1:], grid.start[1:], grid.step[1:])
