"""Means of what overlapping windows say, of one part of a volume at a time.

Windows come in rows: slab by slab along the longest axis, and band by band along the
second in each. In full the sums are held of one band only, as many planes deep as a
window is. What no later window reaches is divided by its weights, told, and given up;
what the next slab overlaps is carried over to it. So the memory does not grow with the
longest axis, and without overlap hardly with the second.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from napari_dmoe.inference.running.windows import Tokens

VOXELS_AT_ONCE = 2**20
"""Voxels that are told at a time."""

Told = Callable[[tuple[slice, ...], Tensor], None]
"""Takes a part of the grid, and the means (*leading, d, h, w) there. They are valid
until it returns. Parts come in the order of the slabs, in each in that of its bands,
and in each of these in that of the planes; all bands of a slab have the same ones."""


class Tiles(Protocol):
    """Where windows lie on a grid, and what they say of it."""

    shape: tuple[int, ...]
    """Samples of the grid along z, y and x."""
    axis: int
    """Axis along which it is gone through, slab by slab."""
    second: int
    """Axis along which each slab is, band by band."""

    def spans(self, axis: int) -> Sequence[slice]:
        """Return what slabs, or bands, cover of their axis, from the first one on."""
        ...

    def position(self, number: int) -> tuple[int, ...]:
        """Return in which of these spans window `number` lies, for each axis."""
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
    dtype : dtype
        Type of their numbers.
    """

    def __init__(
        self,
        leading: Sequence[int],
        shape: Sequence[int],
        axis: int,
        n_planes: int,
        dtype: DTypeLike = np.float32,
    ) -> None:
        size = list(shape)
        size[axis] = min(n_planes, size[axis])
        # numpy's zeros take no memory, and no time, until they are written to.
        self.planes = torch.from_numpy(np.zeros((*leading, *size), dtype))
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

    def begin_again(self, first: int) -> None:
        """Give up all planes; those from number `first` on come in, of 0."""
        self.planes.zero_()
        self.first = first


class SlabMeans:
    """Adds up what windows say, and tells the means of what is done.

    Parameters
    ----------
    tiles : Tiles
        Where the windows lie.
    leading : sequence of int
        First axes of an answer: combinations of values and classes, or experts.
    told : callable
        Takes the means, part after part.
    begin : int
        The first plane that is told; not all windows on those before it come.
    blank : tensor of shape `leading`, optional
        What is told where all windows were skipped; 0 by default.

    Notes
    -----
    A sum is made in the order in which the windows come, whatever is told when: so its
    bits do not depend on what is held of it.
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
        self._blank = torch.zeros(*leading) if blank is None else blank
        self._begin, self._has_skipped, n = begin, False, math.prod(leading)
        self._planes, self._rows = tiles.spans(tiles.axis), tiles.spans(tiles.second)
        size = list(tiles.shape)
        size[tiles.axis] = _longest(self._planes)
        self._band = Ring((n,), size, tiles.second, _longest(self._rows))
        size[tiles.axis] = max(
            (a.stop - b.start for a, b in itertools.pairwise(self._planes)), default=0
        )
        # As in a ring, what is never written to takes no memory.
        self._carried = torch.from_numpy(np.zeros((n, *size), np.float32))
        """(n, d, h, w) tensor: what is known of planes that the next slab overlaps."""
        self._n_carried = 0
        """Planes of the slab that the last one has added to."""
        self._slab, self._at = -1, 0
        """Which slab, and which band of it, is added to."""
        self._covering: list[int] = []
        """Windows that cover planes that are not told yet, as they came."""

    def add(self, number: int, answer: Tensor) -> None:
        """Take window `number`'s answer; windows come in the order of their places."""
        place = self._reach(number)
        weights = self._tiles.weights_at(number)
        own = self._tiles.answer(number, answer).flatten(0, len(self._leading) - 1)
        for total, each in zip(self._band.at(place), own, strict=True):
            total += each * weights
        self._covering.append(number)

    def skip(self, number: int) -> None:
        """Pass over window `number`, which comes in its turn and says nothing."""
        self._has_skipped = True
        self._reach(number)

    def _reach(self, number: int) -> tuple[slice, ...]:
        """Go on to a window, and return its place in its slab."""
        tiles, position = self._tiles, self._tiles.position(number)
        if self._slab < 0:
            self._slab = position[tiles.axis]
        while (self._slab, self._at) != (position[tiles.axis], position[tiles.second]):
            self._end_band()
        place = list(tiles.place(number))
        along, first = place[tiles.axis], self._planes[self._slab].start
        place[tiles.axis] = slice(along.start - first, along.stop - first)
        return tuple(place)

    def end(self) -> None:
        """Tell what is left, after the last window."""
        while 0 <= self._slab < len(self._planes):
            self._end_band()

    def _end_band(self) -> None:
        """Tell what no later window reaches, carry the rest over, and go on."""
        tiles, planes, rows = self._tiles, *self._here
        done = slice(rows.start, self._first(tiles.second, self._at + 1))
        end = self._first(tiles.axis, self._slab + 1)
        self._tell(slice(max(planes.start, self._begin), end), done)
        if end < planes.stop and done.start < done.stop:
            part = self._band.between(done.start, done.stop)
            rest = slice(end - planes.start, planes.stop - planes.start)
            self._carried_at(done, planes.stop - end).copy_(self._deep(part, rest))
        self._at += 1
        known = rows.stop
        if self._at == len(self._rows):
            self._at, known, self._n_carried = 0, 0, max(0, planes.stop - end)
            self._slab += 1
            self._covering = [
                number
                for number in self._covering
                if tiles.place(number)[tiles.axis].stop > end
            ]
        if self._slab < len(self._planes):
            self._enter(known)

    def _enter(self, known: int) -> None:
        """Go on with a band, whose rows before number `known` are there already."""
        rows = self._rows[self._at]
        if self._at:
            self._band.go_on(rows.start)
        else:
            self._band.begin_again(rows.start)
        new = slice(max(rows.start, known), rows.stop)
        if self._n_carried and new.start < new.stop:
            part = self._band.between(new.start, new.stop)
            carried = self._carried_at(new, self._n_carried)
            self._deep(part, slice(0, self._n_carried)).copy_(carried)

    @property
    def _here(self) -> tuple[slice, slice]:
        """Planes and rows of the band that is added to."""
        return self._planes[self._slab], self._rows[self._at]

    def _first(self, axis: int, number: int) -> int:
        """Return where a span begins along an axis; behind the last one, its end."""
        spans = self._planes if axis == self._tiles.axis else self._rows
        return spans[number].start if number < len(spans) else self._tiles.shape[axis]

    def _deep(self, part: Tensor, planes: slice) -> Tensor:
        """Return some planes across the longest axis of a part (n, d, h, w)."""
        return part.narrow(self._tiles.axis - 3, planes.start, _length(planes))

    def _carried_at(self, rows: slice, n_planes: int) -> Tensor:
        carried = self._deep(self._carried, slice(0, n_planes))
        return carried.narrow(self._tiles.second - 3, rows.start, _length(rows))

    def _tell(self, planes: slice, rows: slice) -> None:
        """Tell the means of some planes of the band's first rows."""
        axis, first = self._tiles.axis, self._planes[self._slab].start
        if rows.start >= rows.stop:
            return
        part = self._band.between(rows.start, rows.stop)
        band = self._band.planes[0]
        step = max(1, VOXELS_AT_ONCE * band.shape[axis] // max(1, band.numel()))
        for begin in range(planes.start, planes.stop, step):
            deep = slice(begin, min(begin + step, planes.stop))
            place = [slice(0, n) for n in self._tiles.shape]
            place[axis], place[self._tiles.second] = deep, rows
            means = self._deep(part, slice(begin - first, deep.stop - first))
            self._divide(means, self._weights(tuple(place)))
            self._told(tuple(place), means.unflatten(0, self._leading))

    def _divide(self, sums: Tensor, weights: Tensor) -> None:
        """Make means of sums (n, d, h, w), in place."""
        if self._has_skipped:
            nothing = weights == 0
            weights[nothing] = 1
            sums[:, nothing] = self._blank.flatten()[:, None]
        sums /= weights

    def _weights(self, part: tuple[slice, ...]) -> Tensor:
        """Return the weights of all windows on a part, added as they came."""
        total = torch.zeros([_length(each) for each in part])
        for number in self._covering:
            here, there = [], []
            for place, own in zip(self._tiles.place(number), part, strict=True):
                low, high = max(place.start, own.start), min(place.stop, own.stop)
                if low >= high:
                    break
                here.append(slice(low - own.start, high - own.start))
                there.append(slice(low - place.start, high - place.start))
            else:
                weights = self._tiles.weights_at(number)
                total[tuple(here)] += weights[tuple(there)]
        return total


class WholePlanes:
    """Takes the means of bands, and tells them once all of some planes are there.

    Parameters
    ----------
    tiles : Tiles
        Where the windows lie.
    told : callable
        Takes whole planes, in their order.
    """

    def __init__(self, tiles: Tiles, told: Told) -> None:
        self._tiles, self._told = tiles, told
        self._waiting: dict[int, Tensor] = {}
        """Planes of which bands are missing, by the number of the first."""

    def take(self, place: tuple[slice, ...], means: Tensor) -> None:
        """Take what :class:`SlabMeans` tells."""
        tiles, rows = self._tiles, place[self._tiles.second]
        first, n = place[tiles.axis].start, tiles.shape[tiles.second]
        if _length(rows) == n:
            self._told(place, means)
            return
        if first not in self._waiting:
            size = list(means.shape)
            size[tiles.second - 3] = n
            self._waiting[first] = means.new_empty(size)
        band = self._waiting[first].narrow(tiles.second - 3, rows.start, _length(rows))
        band.copy_(means)
        if rows.stop == n:
            whole = list(place)
            whole[tiles.second] = slice(0, n)
            self._told(tuple(whole), self._waiting.pop(first))


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def _longest(spans: Sequence[slice]) -> int:
    return max(map(_length, spans))


def whole_gates(
    tokens: Tokens, *, n_values: int, n_experts: int
) -> tuple[SlabMeans, NDArray[np.float32]]:
    """Return the sums of a stage's gates, and where their means are put together.

    That is a (V, d, h, w, E) array, 0 where nothing was told yet.
    """
    whole = np.zeros((n_values, *tokens.shape, n_experts), np.float32)

    def keep(place: tuple[slice, ...], means: Tensor) -> None:
        gates_at(whole, place, means)

    return SlabMeans(tokens, (n_values, n_experts), keep), whole


def gates_at(
    whole: NDArray[np.floating], place: tuple[slice, ...], means: Tensor
) -> None:
    """Write gates (V, E, d, h, w) into those of a volume, (V, d, h, w, E)."""
    whole[(slice(None), *place)] = means.movedim(1, -1).numpy()
