"""The windows that a 3D network sees one after another, and the tokens in them.

Positions and weights are MONAI's: windows of one size, their starts a fixed step apart,
the last ones moved back to end with the volume; where they overlap, a Gaussian weighs
each window's answer, so that its middle counts most.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_SIGMA_SCALE = 0.125
"""Standard deviation of the weights, in sides of a window: MONAI's default."""

_LEAST_WEIGHT = 1e-3
"""Weights below this are raised to it, as MONAI does, so that no sum is 0."""


def n_windows(shape: Sequence[int], patch: Sequence[int], overlap: float) -> int:
    """Return how many :class:`Windows` a volume has."""
    n = 1
    for size, side in zip(shape, patch, strict=True):
        n *= len(_starts(max(size, side), side, overlap))
    return n


def _starts(size: int, side: int, overlap: float) -> list[int]:
    """Return where the windows begin along an axis that is at least as long as one."""
    step = max(1, int(side * (1 - overlap)))
    n = 1 + -(-(size - side) // step)
    return [min(i * step, size - side) for i in range(n)]


def _gaussian(patch: Sequence[int]) -> Tensor:
    """Return the weight of each voxel of a window, in (0, 1]."""
    weights = torch.ones(())
    for side in patch:
        at = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        along = torch.exp(at**2 / (-2 * (_SIGMA_SCALE * side) ** 2))
        weights = weights.unsqueeze(-1) * along
    return weights.clamp_min(_LEAST_WEIGHT)


class Windows:
    """Where the windows of one volume (D, H, W) lie.

    A volume that is smaller than a window, the `patch`, is padded with 0 on both sides.
    `overlap` is the share of a window that it has in common with the next, in [0, 1).
    """

    def __init__(
        self, shape: Sequence[int], patch: Sequence[int], overlap: float
    ) -> None:
        self.patch = tuple(patch)
        missing = [max(0, p - n) for n, p in zip(shape, patch, strict=True)]
        self.before = tuple(m // 2 for m in missing)
        """Voxels of padding before the volume, along each axis."""
        self.shape = tuple(shape)
        padded = tuple(n + m for n, m in zip(shape, missing, strict=True))
        starts = [
            _starts(n, p, overlap) for n, p in zip(padded, self.patch, strict=True)
        ]
        self.places: list[tuple[slice, ...]] = [
            tuple(slice(s, s + p) for s, p in zip(each, self.patch, strict=True))
            for each in itertools.product(*starts)
        ]
        """Each window's place in the padded volume."""
        self.weights = _gaussian(self.patch)
        """Weight of each voxel of a window, in (0, 1]."""
        self.axis = int(np.argmax(self.shape))
        """The longest axis, along which the volume is gone through."""
        self.order = sorted(
            range(len(self.places)), key=lambda i: self.places[i][self.axis].start
        )
        """Numbers of the windows, as the volume is gone through."""

    def __len__(self) -> int:
        return len(self.places)

    @property
    def n_planes(self) -> int:
        """Planes across the longest axis that a window covers at most."""
        return min(self.patch[self.axis], self.shape[self.axis])

    def reaching(self, plane: int) -> list[int]:
        """Return the numbers of the windows that reach a plane, or those behind it."""
        return [i for i in self.order if self.place(i)[self.axis].stop > plane]

    def place(self, number: int) -> tuple[slice, ...]:
        """Return the part of the volume that window `number` covers."""
        return self.inside(number)[0]

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

    def cut(self, slab: Tensor, number: int, *, first: int = 0) -> Tensor:
        """Return window `number` of a slab (C, d, h, w), padded beyond the volume.

        The slab begins with the volume's plane `first` along `axis`. The padding is
        made window by window: a thin volume of thousands of rows would be many times
        as large with it.
        """
        in_volume, in_window = self.inside(number)
        place: list[Any] = list(in_volume)
        along = in_volume[self.axis]
        place[self.axis] = slice(along.start - first, along.stop - first)
        ends: list[int] = []
        for part, p in zip(in_window, self.patch, strict=True):
            ends = [part.start, p - part.stop, *ends]  # F.pad begins with the last axis
        window = slab[(..., *place)]
        return F.pad(window, ends) if any(ends) else window

    def answer(self, number: int, answer: Tensor) -> Tensor:
        """Return what window `number` says (*leading, d, h, w) of its place."""
        part: Any = self.inside(number)[1]
        return answer[(..., *part)]

    def weights_at(self, number: int) -> Tensor:
        """Return how much that counts, (d, h, w)."""
        part: Any = self.inside(number)[1]
        return self.weights[part]


class Tokens:
    """The tokens of one stage, on the stage's own grid, which is coarser.

    A token is a block of `step` voxels along each axis. Windows that do not begin on a
    block's border give each block the token that covers its centre.

    Parameters
    ----------
    windows : Windows
        The windows.
    n_tokens : int
        Tokens that the stage has in a window.
    """

    def __init__(self, windows: Windows, n_tokens: int) -> None:
        self.windows, self.axis = windows, windows.axis
        self.step = round((windows.weights.numel() / n_tokens) ** (1 / 3))
        """Side of a token in voxels."""
        self._first, shape = [], []
        for n, before in zip(windows.shape, windows.before, strict=True):
            first = before // self.step
            self._first.append(first)
            shape.append((before + n - 1) // self.step - first + 1)
        self.shape = tuple(shape)
        """Blocks that the volume consists of, along each axis."""
        self._tokens = tuple(p // self.step for p in windows.patch)
        self._weights = F.avg_pool3d(windows.weights[None, None], self.step)[0, 0]
        self._known: dict[tuple[int, int], tuple[slice, Tensor]] = {}

    @property
    def first_centre(self) -> tuple[float, ...]:
        """Centre of the first token, in voxels of the volume."""
        return tuple(
            first * self.step + (self.step - 1) / 2 - before
            for first, before in zip(self._first, self.windows.before, strict=True)
        )

    def first_voxel(self, plane: int) -> int:
        """Return the first plane of voxels whose windows decide a plane of blocks.

        The number of the volume's planes behind the last block.
        """
        axis = self.axis
        if plane >= self.shape[axis]:
            return int(self.windows.shape[axis])
        before = self.windows.before[axis]
        centre = (plane + self._first[axis] + 0.5) * self.step - 0.5
        end = before + self.windows.shape[axis] - 1
        return int(min(max(centre, before), end)) - int(before)

    @property
    def n_planes(self) -> int:
        """Planes of blocks that a window covers at most, with those at both ends."""
        return int(min(self._tokens[self.axis] + 2, self.shape[self.axis]))

    def place(self, number: int) -> tuple[slice, ...]:
        """Return the blocks whose centre window `number` covers."""
        return tuple(blocks for blocks, _ in self._covered(number))

    def answer(self, number: int, answer: Tensor) -> Tensor:
        """Return the gates (V, E, d, h, w) of these blocks, from its own (V, T, E)."""
        gates: Tensor = answer.unflatten(1, self._tokens).movedim(-1, 1)
        for axis, (_, tokens) in enumerate(self._covered(number), 2):
            gates = gates.index_select(axis, tokens)
        return gates

    def weights_at(self, number: int) -> Tensor:
        """Return how much these count, (d, h, w)."""
        weights = self._weights
        for axis, (_, tokens) in enumerate(self._covered(number)):
            weights = weights.index_select(axis, tokens)
        return weights

    def _covered(self, number: int) -> list[tuple[slice, Tensor]]:
        """Return the blocks that a window covers along each axis, and its tokens."""
        return [
            self._along(axis, place)
            for axis, place in enumerate(self.windows.places[number])
        ]

    def _along(self, axis: int, place: slice) -> tuple[slice, Tensor]:
        known = self._known.get((axis, place.start))
        if known is not None:
            return known
        index = torch.arange(self.shape[axis])
        centre = (index + self._first[axis] + 0.5) * self.step - 0.5
        end = self.windows.before[axis] + self.windows.shape[axis] - 1
        centre = centre.clamp(self.windows.before[axis], end)
        inside = (centre >= place.start) & (centre <= place.stop - 1)
        token = torch.floor((centre[inside] - place.start) / self.step).long()
        first = int((centre < place.start).sum())  # maybe no centre lies in the window
        found = slice(first, first + len(token)), token
        self._known[axis, place.start] = found
        return found
