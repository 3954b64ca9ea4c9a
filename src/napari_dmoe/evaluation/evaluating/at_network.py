"""The truth where the network sees it: the published scripts score there.

They never bring a mask back to the image's pixels, but the truth to the network's: it
is cropped as the image is, and resampled to the nearest pixel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.resampling import prepare_labels
from napari_dmoe.imaging.spatial import Grid


def truth_at_network(truth: NDArray[Any], grid: Grid) -> NDArray[Any]:
    """Sample a truth at the network's samples of its image, by nearest neighbour.

    Parameters
    ----------
    truth : (..., *S) integer array
        Labels on the image's pixels, their last axes in the order of `grid`.
    grid : Grid
        Where the network's samples lie, T of them along each axis; those that show
        nothing of the image are not among them.

    Returns
    -------
    (..., *T) integer array
        Labels of the same type.

    Notes
    -----
    The same as ``scipy.ndimage.zoom(order=0)`` after the centre crop, with the
    corner-aligned grid of the published cards.
    """
    n = len(grid.shape)
    first, shape = truth.shape[:-n], truth.shape[-n:]
    frames = truth.reshape(math.prod(first), *shape)
    sampled = [prepare_labels(frame, grid) for frame in frames]
    return np.stack(sampled).reshape(*first, *grid.shape)
