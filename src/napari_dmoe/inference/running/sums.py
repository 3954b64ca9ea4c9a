"""Means of what overlapping windows say, of one slab of a volume at a time.

Windows come in their order along the longest axis. The sums are held of as many planes
across it as a window covers; planes that no later window reaches are divided by their
weights, told, and given up for new ones. So the memory does not grow with the axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.inference.running.windows import Tokens

VOXELS_AT_ONCE = 2**20
"""Voxels of a slab that are told at a time."""

Told = Callable[[int, Tensor], None]
"""Takes the number of a plane, and the means (*leading, d, h, w) from it on. They are
valid until it returns."""


class Tiles(Protocol):
    """Where windows lie on a grid, and what they say of it."""

    shape: tuple[int, ...]
    """Samples of the grid along z, y and x."""
    axis: int
    """Axis along which it is gone through."""

    @property
    def n_planes(self) -> int:
        """Planes across it that a window covers at most."""
        ...

    def place(self, number: int) -> tuple[slice, ...]:
        """Return the part of the grid that window `number` covers."""
        ...

    def answer(self, number: int, answer: Tensor) -> Tensor:
        """Return what it says of its place, (*leading, d, h, w)."""
        ...

    def weights_at(self, number: int) -> Tensor:
        """Return how much that counts, (d, h, w)."""
        ...


class Ring:
    """Some planes of a long array: those from number `first` on.

    Parameters
    ----------
    leading : sequence of int
        Sizes of the axes before the spatial ones.
    shape : sequence of int
        Spatial shape of the whole array.
    axis : int
        Spatial axis along which only some planes are there.
    n_planes : int
        How many are.
    """

    def __init__(
        self, leading: Sequence[int], shape: Sequence[int], axis: int, n_planes: int
    ) -> None:
        size = list(shape)
        size[axis] = min(n_planes, size[axis])
        # numpy's zeros take no memory, and no time, until they are written to.
        self.planes = torch.from_numpy(np.zeros((*leading, *size), np.float32))
        """(*leading, d, h, w) tensor: the planes that are there."""
        self.first = 0
        """Number of the first of them."""
        self._axis, self._along = axis, axis - len(size)

    def between(self, begin: int, end: int) -> Tensor:
        """Return the planes from number `begin` to before `end`."""
        return self.planes.narrow(self._along, begin - self.first, end - begin)

    def at(self, place: Sequence[slice]) -> Tensor:
        """Return the part of the planes that lies at a place of the whole array."""
        where: list[Any] = list(place)
        along = where[self._axis]
        where[self._axis] = slice(along.start - self.first, along.stop - self.first)
        return self.planes[(..., *where)]

    def go_on(self, first: int) -> None:
        """Give up the planes before number `first`; new ones, of 0, come in."""
        size, n = self.planes.shape[self._along], first - self.first
        stays = max(0, size - n)
        for begin in range(0, stays, max(1, n)):  # no two of them overlap
            width = min(n, stays - begin)
            target = self.planes.narrow(self._along, begin, width)
            target.copy_(self.planes.narrow(self._along, begin + n, width))
        self.planes.narrow(self._along, stays, size - stays).zero_()
        self.first = first


class SlabMeans:
    """Adds up what windows say, and tells the means of planes that are done.

    Parameters
    ----------
    tiles : Tiles
        Where the windows lie.
    leading : sequence of int
        First axes of an answer: combinations of values and classes, or experts.
    told : callable
        Takes the means, plane after plane.
    begin : int
        The first plane that is told; not all windows on those before it come.
    blank : tensor of shape `leading`, optional
        What is told where all windows were skipped; 0 by default.
    """

    def __init__(
        self,
        tiles: Tiles,
        leading: Sequence[int],
        told: Told,
        *,
        begin: int = 0,
        blank: Tensor | None = None,
    ) -> None:
        self._tiles, self._leading, self._told = tiles, tuple(leading), told
        self._begin, self._is_new, self._has_skipped = begin, True, False
        self._blank = torch.zeros(*leading) if blank is None else blank
        n = math.prod(leading)
        self._ring = Ring((n,), tiles.shape, tiles.axis, tiles.n_planes)
        self._covering: list[int] = []
        """Windows that cover planes that are not told yet, as they came."""

    def add(self, number: int, answer: Tensor) -> None:
        """Take window `number`'s answer; windows come in order along the axis."""
        place = self._reach(number)
        weights = self._tiles.weights_at(number)
        own = self._tiles.answer(number, answer).flatten(0, len(self._leading) - 1)
        for total, each in zip(self._ring.at(place), own, strict=True):
            total += each * weights
        self._covering.append(number)

    def skip(self, number: int) -> None:
        """Pass over window `number`, which comes in its turn and says nothing."""
        self._has_skipped = True
        self._reach(number)

    def _reach(self, number: int) -> tuple[slice, ...]:
        """Go on to a window, and return its place."""
        place = self._tiles.place(number)
        start = place[self._tiles.axis].start
        if self._is_new and start:  # what lies before is never told
            self._ring.go_on(start)
        self._is_new = False
        self._tell_before(start)
        return place

    def end(self) -> None:
        """Tell the planes that are left, after the last window."""
        self._tell_before(self._tiles.shape[self._tiles.axis])

    def _tell_before(self, end: int) -> None:
        """Tell the planes before number `end`, and give them up."""
        ring, axis, shape = self._ring, self._tiles.axis, self._tiles.shape
        if end <= ring.first:
            return
        step = max(1, VOXELS_AT_ONCE * shape[axis] // math.prod(shape))
        for begin in range(max(ring.first, self._begin), end, step):
            stop = min(begin + step, end)
            means = ring.between(begin, stop)
            weights = self._weights(begin, stop)
            if self._has_skipped:
                nothing = weights == 0
                weights[nothing] = 1
                means[:, nothing] = self._blank.flatten()[:, None]
            means /= weights
            self._told(begin, means.unflatten(0, self._leading))
        ring.go_on(end)
        self._covering = [
            number
            for number in self._covering
            if self._tiles.place(number)[axis].stop > end
        ]

    def _weights(self, begin: int, stop: int) -> Tensor:
        """Return the weights of all windows on some planes, added as they came."""
        axis, size = self._tiles.axis, list(self._tiles.shape)
        size[axis] = stop - begin
        total = torch.zeros(size)
        for number in self._covering:
            place: list[Any] = list(self._tiles.place(number))
            along = place[axis]
            low, high = max(along.start, begin), min(along.stop, stop)
            if low < high:
                place[axis] = slice(low - begin, high - begin)
                own = self._tiles.weights_at(number)
                total[tuple(place)] += own.narrow(axis, low - along.start, high - low)
        return total


def whole_gates(
    tokens: Tokens, *, n_values: int, n_experts: int
) -> tuple[SlabMeans, NDArray[np.float32]]:
    """Return the sums of a stage's gates, and where their means are put together.

    That is a (V, d, h, w, E) array, 0 where nothing was told yet.
    """
    whole = np.zeros((n_values, *tokens.shape, n_experts), np.float32)

    def keep(first: int, means: Tensor) -> None:
        gates_along(whole, tokens.axis, first, means)

    return SlabMeans(tokens, (n_values, n_experts), keep), whole


def gates_along(
    whole: NDArray[np.floating], axis: int, first: int, means: Tensor
) -> None:
    """Write gates (V, E, d, h, w) into those of a volume, (V, d, h, w, E).

    They begin with plane number `first` along an axis.
    """
    gates = means.movedim(1, -1).numpy()
    stop = first + gates.shape[axis + 1]
    whole[(slice(None), *(slice(None),) * axis, slice(first, stop))] = gates
