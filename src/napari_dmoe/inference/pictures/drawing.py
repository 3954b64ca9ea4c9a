"""Pictures of a result, as plain RGB arrays: the mask's outline, the experts' map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries
from skimage.transform import resize

from napari_dmoe.imaging.spatial import CHANNEL_AXIS, Grid, SpatialImage
from napari_dmoe.inference.pictures.colours import class_colours, expert_colours
from napari_dmoe.inference.results.routing import dominant_expert

Picture = NDArray[np.uint8]
"""A picture, (H, W, 3)."""

LONGEST_SIDE = 720
"""Pictures are shrunk to this many pixels along their longer side."""

FILL = 0.35
"""Opacity of a filled class."""

TINT = 0.5
"""Opacity of the experts' colours."""


def picture_of(plane: SpatialImage) -> Picture:
    """Return a 2D image as (H, W, 3) uint8, stretched to its own range if not 8 bit.

    Of more channels than three the first three are drawn, of two the first.
    """
    order = [a for a in ("y", "x", CHANNEL_AXIS) if a in plane.axes]
    values = np.asarray(plane.data).transpose([plane.axes.index(a) for a in order])
    values = values[..., np.newaxis] if values.ndim == 2 else values
    values = values[..., : 3 if values.shape[-1] > 2 else 1]
    if values.dtype != np.uint8:
        values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
        low, high = values.min(), values.max()
        values = (values - low) / ((high - low) or 1) * 255
    grey_to_rgb = 3 if values.shape[-1] == 1 else 1
    return np.repeat(values.astype(np.uint8), grey_to_rgb, axis=-1)


def mask_picture(
    image: Picture, labels: NDArray[Any], classes: tuple[str, ...]
) -> Picture:
    """Draw a mask (H, W) over a picture: classes tinted, borders in full colour.

    The result (h, w, 3) uint8 is at most :data:`LONGEST_SIDE` pixels long.
    """
    small, mask = _shrunk(image), _shrunk_labels(labels)
    drawn = small.astype(np.float32)
    border = find_boundaries(mask, mode="inner")
    for label, colour in class_colours(classes).items():
        inside = mask == label
        drawn[inside] = (1 - FILL) * drawn[inside] + FILL * np.array(colour, np.float32)
        drawn[inside & border] = colour
    return drawn.astype(np.uint8)


def experts_picture(image: Picture, gates: NDArray[np.float32], grid: Grid) -> Picture:
    """Tint every token with the colour of its strongest expert.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        The picture; grey under the tint, and untinted where the network saw nothing.
    gates : (h, w, E) float32 array
        Gates of one block.
    grid : Grid
        Where the tokens lie in the image.
    """
    palette = np.array(expert_colours(gates.shape[-1]), np.float32)
    experts = dominant_expert(gates)
    small = _shrunk(image)
    grey = small.mean(-1, keepdims=True).repeat(3, -1)
    index, seen = [], []
    for axis, n in enumerate(small.shape[:2]):
        source = (np.arange(n) + 0.5) * image.shape[axis] / n - 0.5
        where = (source - grid.start[axis]) / grid.step[axis]
        index.append(np.clip(np.rint(where), 0, grid.shape[axis] - 1).astype(int))
        seen.append((where > -0.5) & (where < grid.shape[axis] - 0.5))
    tint = palette[experts[np.ix_(*index)]]
    is_seen = np.outer(*seen)[..., np.newaxis]
    tinted = (1 - TINT) * grey + TINT * tint
    return np.asarray(np.where(is_seen, tinted, grey), np.uint8)


def _factor(shape: tuple[int, ...]) -> int:
    return max(1, -(-max(shape[:2]) // LONGEST_SIDE))


def _shrunk(image: Picture) -> Picture:
    factor = _factor(image.shape)
    shape = tuple(max(1, n // factor) for n in image.shape[:2])
    if factor == 1:
        return image
    small = resize(image, shape, anti_aliasing=True, preserve_range=True)
    return np.asarray(small).astype(np.uint8)


def _shrunk_labels(labels: NDArray[Any]) -> NDArray[Any]:
    factor = _factor(labels.shape)
    height, width = (max(1, n // factor) for n in labels.shape)
    return labels[factor // 2 :: factor, factor // 2 :: factor][:height, :width]
