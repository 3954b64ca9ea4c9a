"""From a network's answer back to the image that it was asked about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.progress import Pulse, no_pulse

STRIP_VOXELS = 2**22
"""Class scores restored at a time (16 MB), so that large images need little memory."""


def restore_maps(maps: torch.Tensor, grid: Grid, shape: Sequence[int]) -> torch.Tensor:
    """Resample maps from the network's grid to the source grid, linearly.

    Parameters
    ----------
    maps : (K, *S) float tensor
        Maps on `grid`.
    grid : Grid
        Where their samples lie.
    shape : tuple of int
        Spatial shape T of the source image, in the order of `grid`.

    Returns
    -------
    (K, *T) float tensor
        Values at every source pixel; outside the grid the nearest sample's.
    """
    return torch.cat([strip for _, strip in _strips(maps, grid, shape)], dim=1)


def restore_labels(
    scores: torch.Tensor,
    grid: Grid,
    shape: Sequence[int],
    crop: tuple[slice, ...] | None = None,
    *,
    pulse: Pulse = no_pulse,
) -> NDArray[np.uint8]:
    """Resample class scores to the source grid and take the best class.

    Parameters
    ----------
    scores : (K, *S) float tensor
        Logits or probabilities on `grid`.
    grid : Grid
        Where their samples lie.
    shape : tuple of int
        Spatial shape T of the source image, in the order of `grid`.
    crop : tuple of slice, optional
        The part that the network saw; outside it the label is 0. All by default.
    pulse : callable
        Called between strips of the image.

    Returns
    -------
    (*T) uint8 array
        Labels.
    """
    labels = np.zeros(tuple(shape), np.uint8)
    for rows, strip in _strips(scores, grid, shape):
        pulse()
        # max is several times faster here than argmax, and breaks ties alike.
        labels[rows] = strip.max(0).indices.to(torch.uint8).cpu().numpy()
    if crop is not None:
        outside = np.ones(labels.shape, bool)
        outside[crop] = False
        labels[outside] = 0
    return labels


def _strips(
    maps: torch.Tensor, grid: Grid, shape: Sequence[int]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield the maps at the source's pixels, some rows of its first axis at a time."""
    first, *others = (
        None if _is_unchanged(grid, axis, n) else _linear_weights(where, m, like=maps)
        for axis, (where, m, n) in enumerate(
            zip(grid.samples_at_source(shape), maps.shape[1:], shape, strict=True)
        )
    )
    for axis, weights in enumerate(others, start=2):
        if weights is not None:
            maps = (maps.movedim(axis, -1) @ weights.T).movedim(-1, axis)
    rows_cost = max(1, math.prod(shape[1:]) * len(maps))
    step = max(1, STRIP_VOXELS // rows_cost)
    for begin in range(0, shape[0], step):
        strip = slice(begin, min(begin + step, shape[0]))
        if first is None:
            yield strip, maps[:, strip]
        else:
            yield strip, torch.tensordot(first[strip], maps, ([1], [1])).movedim(0, 1)


def _is_unchanged(grid: Grid, axis: int, n: int) -> bool:
    return (grid.start[axis], grid.step[axis], grid.shape[axis]) == (0, 1, n)


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
