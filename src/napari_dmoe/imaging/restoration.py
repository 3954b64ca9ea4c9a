"""From a network's answer back to the image that it was asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid

STRIP_VOXELS = 2**22
"""Class scores restored at a time (16 MB), so that large images need little memory."""


def restore_maps(maps: torch.Tensor, grid: Grid, shape: Sequence[int]) -> torch.Tensor:
    """Resample maps from the network's grid to the source grid, linearly.

    Parameters
    ----------
    maps : (K, h, w) float tensor
        Maps on `grid`.
    grid : Grid
        Where their samples lie.
    shape : (H, W)
        Shape of the source image.

    Returns
    -------
    (K, H, W) float tensor
        Values at every source pixel; outside the grid the nearest sample's.
    """
    return torch.cat([strip for _, strip in _strips(maps, grid, shape)], dim=1)


def restore_labels(
    scores: torch.Tensor,
    grid: Grid,
    shape: Sequence[int],
    crop: tuple[slice, ...],
) -> NDArray[np.uint8]:
    """Resample class scores to the source grid and take the best class.

    Parameters
    ----------
    scores : (K, h, w) float tensor
        Logits or probabilities on `grid`.
    grid : Grid
        Where their samples lie.
    shape : (H, W)
        Shape of the source image.
    crop : tuple of slice
        The part that the network saw; outside it the label is 0.

    Returns
    -------
    (H, W) uint8 array
        Labels.
    """
    labels = np.zeros(tuple(shape), np.uint8)
    for rows, strip in _strips(scores, grid, shape):
        # max is several times faster here than argmax, and breaks ties alike.
        labels[rows] = strip.max(0).indices.to(torch.uint8).cpu().numpy()
    outside = np.ones(labels.shape, bool)
    outside[crop] = False
    labels[outside] = 0
    return labels


def _strips(
    maps: torch.Tensor, grid: Grid, shape: Sequence[int]
) -> Iterator[tuple[slice, torch.Tensor]]:
    height, width = shape
    rows, columns = (
        _linear_weights(where, n, like=maps)
        for where, n in zip(grid.samples_at_source(shape), maps.shape[1:], strict=True)
    )
    across = maps @ columns.T
    step = max(1, STRIP_VOXELS // max(1, width * len(maps)))
    for begin in range(0, height, step):
        strip = slice(begin, min(begin + step, height))
        yield strip, rows[strip] @ across


def _linear_weights(
    where: NDArray[np.float64], n: int, *, like: torch.Tensor
) -> torch.Tensor:
    """Return the (len(where), n) matrix that interpolates n samples at `where`."""
    where = np.clip(where, 0, n - 1)
    low = np.minimum(np.floor(where).astype(int), max(n - 2, 0))
    weight = where - low
    matrix = np.zeros((len(where), n), np.float32)
    index = np.arange(len(where))
    matrix[index, low] = 1 - weight
    if n > 1:
        matrix[index, low + 1] += weight
    return torch.from_numpy(matrix).to(like)
