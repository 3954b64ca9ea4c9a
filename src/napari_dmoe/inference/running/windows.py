"""The windows that a 3D network sees one after another, and the tokens in them.

Positions and weights are MONAI's: windows of one size, their starts a fixed step apart,
the last ones moved back to end with the volume; where they overlap, a Gaussian weighs
each window's answer, so that its middle counts most.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def gone_through(size: int, side: int, overlap: float) -> tuple[tuple[int, ...], ...]:
    """Return where windows begin along an axis, together those of one slab.

    The last ones are moved back to end with the axis, most often far beyond the overlap
    that is asked for. They share a slab with those before where they begin less than
    half a step behind: else most planes of these would be carried over.
    """
    starts = _starts(max(size, side), side, overlap)
    step = max(1, int(side * (1 - overlap)))
    if len(starts) > 2 and 2 * (starts[-1] - starts[-2]) < step:
        return (*((start,) for start in starts[:-2]), tuple(starts[-2:]))
    return tuple((start,) for start in starts)


def longest_axes(shape: Sequence[int]) -> tuple[int, int]:
    """Return the longest axis of a volume, and the longest of the others."""
    axis = int(np.argmax(shape))
    return axis, int(np.argmax([-1 if i == axis else n for i, n in enumerate(shape)]))


@dataclass(frozen=True)
class SlabSizes:
    """Voxels that are held at a time of a volume that is gone through."""

    slab: int
    """All planes of a slab."""
    band: int
    """One band of it."""
    carried: int
    """What the next slab overlaps, at most."""

    @classmethod
    def of(
        cls, shape: Sequence[int], patch: Sequence[int], overlap: float
    ) -> SlabSizes:
        """Return those of a volume (D, H, W)."""
        axis, second = longest_axes(shape)
        n, side = shape[axis], patch[axis]
        spans = [(s[0], s[-1] + side) for s in gone_through(n, side, overlap)]
        deepest = min(n, max(end - begin for begin, end in spans))
        pairs = itertools.pairwise(spans)
        carried = max((a[1] - b[0] for a, b in pairs), default=0)
        a_plane = math.prod(shape) // n
        rows = min(shape[second], patch[second])
        return cls(
            slab=deepest * a_plane,
            band=deepest * (a_plane // shape[second]) * rows,
            carried=carried * a_plane,
        )


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
        self.starts = tuple(map(tuple, starts))
        """Where they begin in the padded volume, along each axis."""
        self.places: list[tuple[slice, ...]] = [
            tuple(slice(s, s + p) for s, p in zip(each, self.patch, strict=True))
            for each in itertools.product(*starts)
        ]
        """Each window's place in the padded volume."""
        self.weights = _gaussian(self.patch)
        """Weight of each voxel of a window, in (0, 1]."""
        self.axis, self.second = longest_axes(self.shape)
        """The longest axis, along which the volume is gone through slab by slab, and
        the longest of the others, along which each slab is."""
        size = self.shape[self.axis]
        self.slabs = gone_through(size, self.patch[self.axis], overlap)
        """Where windows begin along the longest axis that make up a slab together."""
        self._slab_of = {
            start: number for number, each in enumerate(self.slabs) for start in each
        }
        self.order = sorted(range(len(self.places)), key=self._turn)
        """Numbers of the windows, as the volume is gone through."""

    def __len__(self) -> int:
        return len(self.places)

    def _turn(self, number: int) -> tuple[int, int, int]:
        """Return by what windows are put into the order in which they come."""
        along, second = (self.places[number][a].start for a in (self.axis, self.second))
        return self._slab_of[along], second, along

    @property
    def n_planes(self) -> int:
        """Planes across the longest axis that a slab has at most."""
        return max(int(s.stop - s.start) for s in self.spans(self.axis))

    def spans(self, axis: int) -> list[slice]:
        """Return what slabs cover of the longest axis, or bands and columns of others.

        They come from the first to the last.
        """
        if axis != self.axis:
            return [self._span(axis, start, start) for start in self.starts[axis]]
        return [self._span(axis, each[0], each[-1]) for each in self.slabs]

    def position(self, number: int) -> tuple[int, ...]:
        """Return in which of these spans window `number` lies, for each axis."""
        counts = tuple(map(len, self.starts))
        found = [int(i) for i in np.unravel_index(number, counts)]
        found[self.axis] = self._slab_of[self.places[number][self.axis].start]
        return tuple(found)

    def _span(self, axis: int, start: int, last: int) -> slice:
        begin, end = (each - self.before[axis] for each in (start, last))
        return slice(max(begin, 0), min(end + self.patch[axis], self.shape[axis]))

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

    def cut(
        self,
        slab: Tensor,
        number: int,
        *,
        first: int = 0,
        seen: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Return window `number` of a slab (C, d, h, w), padded beyond the volume.

        The slab begins with the volume's plane `first` along `axis`. The padding is
        made window by window: a thin volume of thousands of rows would be many times
        as large with it. `seen` returns what the network sees of a part of the slab.
        """
        in_volume, in_window = self.inside(number)
        place: list[Any] = list(in_volume)
        along = in_volume[self.axis]
        place[self.axis] = slice(along.start - first, along.stop - first)
        ends: list[int] = []
        for part, p in zip(in_window, self.patch, strict=True):
            ends = [part.start, p - part.stop, *ends]  # F.pad begins with the last axis
        window = slab[(..., *place)]
        window = window if seen is None else seen(window)
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
        self.windows, self.axis, self.second = windows, windows.axis, windows.second
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

    def spans(self, axis: int) -> list[slice]:
        """Return the blocks whose centres lie in each of the windows' spans."""
        windows, patch = self.windows, self.windows.patch[axis]
        is_along = axis == self.axis
        found = []
        for each in windows.slabs if is_along else ((s,) for s in windows.starts[axis]):
            blocks = [self._along(axis, slice(s, s + patch))[0] for s in each]
            found.append(slice(blocks[0].start, blocks[-1].stop))
        return found

    def position(self, number: int) -> tuple[int, ...]:
        """Return in which of these spans window `number` lies, for each axis."""
        return self.windows.position(number)

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
