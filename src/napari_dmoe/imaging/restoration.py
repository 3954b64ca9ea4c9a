"""From a network's answer back to the image that it was asked about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import MOST_CLASSES, Grid, ImageError
from napari_dmoe.progress import Progress, ProgressHook, part_of, silent

STRIP_VOXELS = 2**22
"""Class scores restored at a time (16 MB), so that large images need little memory."""

MULTIPLICATIONS_AT_ONCE = 2**33
"""Products that one matrix multiplication makes, in a tenth of a second or so."""


def restore_maps(
    maps: torch.Tensor,
    grid: Grid,
    shape: Sequence[int],
    crop: tuple[slice, ...] | None = None,
    *,
    out: torch.Tensor | None = None,
    progress: ProgressHook = silent,
) -> torch.Tensor:
    """Resample maps from the network's grid to the source grid, linearly.

    Parameters
    ----------
    maps : (K, *S) float tensor
        Maps on `grid`.
    grid : Grid
        Where their samples lie.
    shape : tuple of int
        Spatial shape T of the source image, in the order of `grid`.
    crop : tuple of slice, optional
        The part that the network saw; outside it all maps are 0. All by default.
    out : (K, *T) float tensor of 0, optional
        Tensor to write into; a new one by default.
    progress : callable
        Told before every strip of the image; may raise ``Cancelled``.

    Returns
    -------
    (K, *T) float tensor
        Values at the source pixels that were seen; beyond the grid the nearest
        sample's.
    """
    restored = maps.new_zeros((len(maps), *shape)) if out is None else out
    crop = crop or _whole(shape)
    seen = restored[(slice(None), *crop)]
    for rows, strip in _strips(maps, grid, shape, crop, progress):
        seen[:, rows] = strip
    return restored


def restore_labels(
    scores: torch.Tensor,
    grid: Grid,
    shape: Sequence[int],
    crop: tuple[slice, ...] | None = None,
    *,
    out: NDArray[np.uint8] | None = None,
    progress: ProgressHook = silent,
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
    out : (*T) uint8 array of 0, optional
        Array to write into; a new one by default.
    progress : callable
        Told before every strip of the image; may raise ``Cancelled``.

    Returns
    -------
    (*T) uint8 array
        Labels.
    """
    labels = np.zeros(tuple(shape), np.uint8) if out is None else out
    crop = crop or _whole(shape)
    seen = labels[crop]  # a view: what lies outside is neither made nor touched
    for rows, strip in _strips(scores, grid, shape, crop, progress):
        seen[rows] = best_class(strip)
    return labels


def best_class(scores: torch.Tensor) -> NDArray[np.uint8]:
    """Return the number of the highest of the scores (K, *S), the first of equal ones.

    Raises
    ------
    ImageError
        For more classes than a byte can tell apart.

    Notes
    -----
    ``max`` is several times faster here than ``argmax``, and breaks ties alike.
    """
    if len(scores) > MOST_CLASSES:
        raise ImageError(
            f"the model has {len(scores)} classes, and masks hold {MOST_CLASSES} at "
            "most, background included"
        )
    return np.asarray(scores.max(0).indices.to(torch.uint8).cpu().numpy())


def _whole(shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in shape)


def _strips(
    maps: torch.Tensor,
    grid: Grid,
    shape: Sequence[int],
    crop: tuple[slice, ...],
    progress: ProgressHook,
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield the maps at the crop's pixels, some rows of its first axis at a time."""
    where = grid.samples_at_source(shape)
    first, *others = (
        None
        if _is_unchanged(grid, axis, n) and len(where[axis][part]) == n
        else _linear_weights(where[axis][part], maps.shape[axis + 1], like=maps)
        for axis, (n, part) in enumerate(zip(shape, crop, strict=True))
    )
    wide = [(axis, each) for axis, each in enumerate(others, 2) if each is not None]
    for number, (axis, weights) in enumerate(wide):
        part = part_of(progress, number, len(wide) + 1)
        maps = _along(maps, axis, weights, part)
    last = part_of(progress, len(wide), len(wide) + 1)
    n_rows, *size = (len(each[part]) for each, part in zip(where, crop, strict=True))
    step = max(1, STRIP_VOXELS // max(1, math.prod(size) * len(maps)))
    for begin in range(0, n_rows, step):
        last(Progress(begin, n_rows))
        strip = slice(begin, min(begin + step, n_rows))
        if first is None:
            yield strip, maps[:, strip]
        else:
            used = first[strip].any(0).nonzero()  # a few rows of many
            near = slice(int(used[0]), int(used[-1]) + 1)
            made = torch.tensordot(first[strip, near], maps[:, near], ([1], [1]))
            yield strip, made.movedim(0, 1)


def _along(
    maps: torch.Tensor, axis: int, weights: torch.Tensor, progress: ProgressHook
) -> torch.Tensor:
    """Interpolate maps (K, *S) along one axis behind the first spatial one."""
    shape = list(maps.shape)
    shape[axis] = len(weights)
    made = maps.new_empty(shape)
    a_row = math.prod(maps.shape) // maps.shape[1] * len(weights)
    step = max(1, MULTIPLICATIONS_AT_ONCE // a_row)
    for begin in range(0, shape[1], step):
        progress(Progress(begin, shape[1]))
        rows = slice(begin, begin + step)
        part = maps[:, rows].movedim(axis, -1) @ weights.T
        made[:, rows] = part.movedim(-1, axis)
    return made


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
