"""The windows that a 3D network sees one after another, and their sum.

Positions and weights are MONAI's: windows of one size, their starts a fixed step apart,
the last ones moved back to end with the volume; where they overlap, a Gaussian weighs
each window's answer, so that its middle counts most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.progress import Pulse, no_pulse

_SIGMA_SCALE = 0.125
"""Standard deviation of the weights, in sides of a window: MONAI's default."""

_LEAST_WEIGHT = 1e-3
"""Weights below this are raised to it, as MONAI does, so that no sum is 0."""


def n_windows(shape: Sequence[int], patch: Sequence[int], overlap: float) -> int:
    """Return how many :class:`Windows` a volume has."""
    n = 1
    for size, side in zip(shape, patch, strict=True):
        step = max(1, int(side * (1 - overlap)))
        n *= 1 + -(-max(0, size - side) // step)
    return n


class Windows:
    """Where the windows of one volume (D, H, W) lie.

    A volume that is smaller than a window, the `patch`, is padded with 0 on both sides.
    `overlap` is the share of a window that it has in common with the next, in [0, 1).
    """

    def __init__(
        self, shape: Sequence[int], patch: Sequence[int], overlap: float
    ) -> None:
        from monai.data.utils import (  # with the first volume: it takes seconds
            compute_importance_map,
            dense_patch_slices,
        )

        self.patch = tuple(patch)
        missing = [max(0, p - n) for n, p in zip(shape, patch, strict=True)]
        self.before = tuple(m // 2 for m in missing)
        """Voxels of padding before the volume, along each axis."""
        self.shape = tuple(shape)
        padded = tuple(n + m for n, m in zip(shape, missing, strict=True))
        step = [
            p if p == n else max(1, int(p * (1 - overlap)))
            for n, p in zip(padded, self.patch, strict=True)
        ]
        self.places: list[tuple[slice, ...]] = dense_patch_slices(
            padded, self.patch, step
        )
        """Each window's place in the padded volume."""
        weights = compute_importance_map(
            self.patch, mode="gaussian", sigma_scale=_SIGMA_SCALE, dtype=torch.float32
        )
        self.weights: Tensor = weights.clamp_min(_LEAST_WEIGHT)
        """Weight of each voxel of a window, in (0, 1]."""

    def __len__(self) -> int:
        return len(self.places)

    def inside(self, number: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return where window `number` is no padding: in the volume, in the window."""
        in_volume, in_window = [], []
        for place, before, n in zip(
            self.places[number], self.before, self.shape, strict=True
        ):
            first = place.start - before
            begin, end = max(first, 0), min(place.stop - before, n)
            in_volume.append(slice(begin, end))
            in_window.append(slice(begin - first, end - first))
        return tuple(in_volume), tuple(in_window)

    def cut(self, volume: Tensor, number: int) -> Tensor:
        """Return window `number` of a volume (C, D, H, W), padded where it is beyond.

        The padding is made window by window: a thin volume of thousands of rows would
        be many times as large with it.
        """
        in_volume, in_window = self.inside(number)
        ends: list[int] = []
        for part, p in zip(in_window, self.patch, strict=True):
            ends = [part.start, p - part.stop, *ends]  # F.pad begins with the last axis
        place: Any = in_volume
        window = volume[(..., *place)]
        return F.pad(window, ends) if any(ends) else window


class WeightedSum:
    """Adds up what windows answer, and divides by their weights.

    `leading` are the first axes of an answer: combinations of values and classes.
    """

    def __init__(self, windows: Windows, leading: Sequence[int]) -> None:
        self.windows = windows
        # numpy's zeros take no memory, and no time, until they are written to.
        self._sum = torch.from_numpy(np.zeros((*leading, *windows.shape), np.float32))
        self._weight = torch.from_numpy(np.zeros(windows.shape, np.float32))

    def add(self, number: int, answer: Tensor) -> None:
        """Take window `number`'s answer (*leading, d, h, w)."""
        place: Any
        part: Any
        place, part = self.windows.inside(number)
        weights = self.windows.weights[part]
        self._sum[(..., *place)] += answer[(..., *part)] * weights
        self._weight[place] += weights

    def result(self, *, pulse: Pulse = no_pulse) -> Tensor:
        """Return the mean (*leading, D, H, W); the sum itself is gone after it."""
        for each in self._sum:
            pulse()
            each /= self._weight
        return self._sum


class GateSum:
    """Adds up the gates of one stage on the stage's own, coarser grid.

    A token of a stage is a block of `step` voxels along each axis. Windows that do not
    begin on a block's border give each block the token that covers its centre. A
    window's gates are (n_values, n_tokens, n_experts).
    """

    def __init__(
        self, windows: Windows, *, n_values: int, n_tokens: int, n_experts: int
    ) -> None:
        self.windows = windows
        voxels = windows.weights.numel()
        self.step = round((voxels / n_tokens) ** (1 / 3))
        """Side of a token in voxels."""
        self._first, self._shape = [], []
        for n, before in zip(windows.shape, windows.before, strict=True):
            first = before // self.step
            self._first.append(first)
            self._shape.append((before + n - 1) // self.step - first + 1)
        self._tokens = tuple(p // self.step for p in windows.patch)
        self._sum = torch.zeros(n_values, *self._shape, n_experts)
        self._weight = torch.zeros(*self._shape)
        self._token_weights = F.avg_pool3d(windows.weights[None, None], self.step)[0, 0]

    @property
    def first_centre(self) -> tuple[float, ...]:
        """Centre of the first token, in voxels of the volume."""
        return tuple(
            first * self.step + (self.step - 1) / 2 - before
            for first, before in zip(self._first, self.windows.before, strict=True)
        )

    def add(self, number: int, gates: Tensor) -> None:
        """Take window `number`'s gates (V, T, E)."""
        gates = gates.unflatten(1, self._tokens)
        cells, tokens = [], []
        for axis, place in enumerate(self.windows.places[number]):
            inside, covered_by = self._covered(axis, place)
            cells.append(inside)
            tokens.append(covered_by)
        where: Any = torch.meshgrid(*cells, indexing="ij")
        which: Any = torch.meshgrid(*tokens, indexing="ij")
        weight = self._token_weights[which]
        self._sum[(slice(None), *where)] += (
            gates[(slice(None), *which)] * weight[None, ..., None]
        )
        self._weight[where] += weight

    def _covered(self, axis: int, place: slice) -> tuple[Tensor, Tensor]:
        """Return the blocks whose centre a window covers, and its tokens there."""
        index = torch.arange(self._shape[axis])
        centre = (index + self._first[axis] + 0.5) * self.step - 0.5
        end = self.windows.before[axis] + self.windows.shape[axis] - 1
        centre = centre.clamp(self.windows.before[axis], end)
        inside = (centre >= place.start) & (centre <= place.stop - 1)
        token = torch.floor((centre[inside] - place.start) / self.step).long()
        return index[inside], token

    def result(self) -> Tensor:
        """Return the mean gates (V, d, h, w, E)."""
        return self._sum / self._weight[None, ..., None]
