"""Parts of arrays that may be lazy, read piece by piece so that Stop acts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import ImageError, ImageReadError
from napari_dmoe.progress import Cancelled, Pulse, no_pulse

BYTES_AT_ONCE = 2**26
"""Bytes of a lazy array that are read between two pulses, or one row of chunks."""

_MOST_BYTES = 2**28
"""Bytes of a row of chunks that is read whole rather than in parts, each time anew."""


def read_part(
    data: Any, index: tuple[Any, ...], *, pulse: Pulse = no_pulse
) -> NDArray[Any]:
    """Return ``data[index]`` as an array in memory.

    Lazy arrays (dask, zarr) are read no further than `index`, which has one entry for
    each axis, slices without a step; `pulse` is called between their pieces.

    Raises
    ------
    ImageReadError
        When a lazy array cannot be read, as when its file is gone.
    """
    if isinstance(data, np.ndarray):
        return np.asarray(data[index])
    along = next((i for i, each in enumerate(index) if isinstance(each, slice)), None)
    if along is None:
        return _read(data, index)
    begin, end, _ = index[along].indices(int(data.shape[along]))
    step = _rows_at_once(data, index, along)
    made: NDArray[Any] | None = None
    for start in range(begin, end, step):
        pulse()
        rows = slice(start, min(start + step, end))
        piece = _read(data, (*index[:along], rows, *index[along + 1 :]))
        if made is None:
            made = np.empty((end - begin, *piece.shape[1:]), piece.dtype)
        made[rows.start - begin : rows.stop - begin] = piece
    return _read(data, index) if made is None else made


def in_memory(data: Any) -> NDArray[Any]:
    """Return a whole array in memory; errors are those of :func:`read_part`."""
    return np.asarray(data) if isinstance(data, np.ndarray) else _read(data, ...)


def _read(data: Any, index: Any) -> NDArray[Any]:
    """Return ``data[index]``, or say in words that it cannot be had."""
    try:
        return np.asarray(data[index])
    except (Cancelled, MemoryError, ImageError):
        raise
    # Whoever made the array raises what he likes, and repeats in it what he likes.
    except Exception as error:  # noqa: BLE001
        stated = error.strerror if isinstance(error, OSError) else None
        why = stated or type(error).__name__
        raise ImageReadError(
            f"the image's pixels cannot be read ({why}): they are read only when they "
            "are needed, and what they come from fails. Was its file moved or deleted, "
            "or is it damaged? Open it again"
        ) from None


class LazyFrame:
    """A lazy array with some axes fixed at one index; read only where it is indexed.

    Indexing a zarr array reads it at once, so frames must not be made by indexing.

    `index` has one entry for each of its axes, an int or ``slice(None)``.
    """

    def __init__(self, data: Any, index: tuple[Any, ...]) -> None:
        self._data, self._index = data, index
        self._kept = [i for i, each in enumerate(index) if isinstance(each, slice)]
        self.shape = tuple(int(data.shape[i]) for i in self._kept)
        self.ndim, self.dtype = len(self.shape), data.dtype
        stated = getattr(data, "chunks", None)
        self.chunks = None if stated is None else tuple(stated[i] for i in self._kept)

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        """Read a part; one entry for each axis that was kept."""
        place = list(self._index)
        for axis, each in zip(self._kept, index, strict=True):
            place[axis] = each
        return self._data[tuple(place)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        return np.asarray(_read(self._data, self._index), dtype)


def frame_of(data: Any, index: tuple[Any, ...]) -> Any:
    """Return ``data[index]`` without reading lazy arrays."""
    return data[index] if isinstance(data, np.ndarray) else LazyFrame(data, index)


class _Part:
    """Some rows of a lazy array along one axis; read only where it is indexed."""

    def __init__(self, data: Any, along: int, rows: slice) -> None:
        self._data, self._along, self._rows = data, along, rows
        shape = list(map(int, data.shape))
        shape[along] = rows.stop - rows.start
        self.shape, self.ndim, self.dtype = tuple(shape), len(shape), data.dtype
        stated = getattr(data, "chunks", None)
        if stated is not None:
            stated = tuple(c if isinstance(c, int) else max(c) for c in stated)
        self.chunks = stated

    def __getitem__(self, index: Any) -> Any:
        """Read a part; one entry for each axis, slices without a step."""
        if index is ...:
            index = (slice(None),) * self.ndim
        along, first = self._along, self._rows.start
        each = index[along]
        if isinstance(each, slice):
            begin, end, _ = each.indices(self.shape[along])
            place: Any = slice(first + begin, first + max(begin, end))
        else:
            place = first + each
        return self._data[(*index[:along], place, *index[along + 1 :])]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all of these rows."""
        return np.asarray(_read(self, ...), dtype)


def part_along(data: Any, along: int, rows: slice) -> Any:
    """Return some rows of an array along one axis, without reading lazy arrays."""
    if isinstance(data, np.ndarray):
        return data[(*(slice(None),) * along, rows)]
    return _Part(data, along, rows)


class _Turned:
    """A lazy array with its axes in another order, some of them from end to start."""

    def __init__(
        self, data: Any, order: tuple[int, ...], backwards: tuple[int, ...]
    ) -> None:
        self._data, self._order, self._backwards = data, order, backwards
        self._flips = tuple(
            slice(None, None, -1 if axis in backwards else 1) for axis in order
        )
        self.shape = tuple(int(data.shape[axis]) for axis in order)
        self.ndim, self.dtype = data.ndim, data.dtype
        stated = getattr(data, "chunks", None)
        self.chunks = None if stated is None else tuple(stated[i] for i in order)

    def __getitem__(self, index: tuple[slice, ...]) -> Any:
        """Read a part; one slice without a step for each axis."""
        place = [slice(None)] * self.ndim
        for axis, part in zip(self._order, index, strict=True):
            n = int(self._data.shape[axis])
            begin, end, _ = part.indices(n)
            is_back = axis in self._backwards
            place[axis] = slice(n - end, n - begin) if is_back else slice(begin, end)
        read = _read(self._data, tuple(place))
        return read.transpose(self._order)[self._flips]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        read = in_memory(self._data).transpose(self._order)
        return np.asarray(read[self._flips], dtype)


def turned(data: Any, order: tuple[int, ...], backwards: tuple[int, ...]) -> Any:
    """Return an array with its axes in another order, some from end to start.

    Lazy ones are not read. `backwards` counts the axes as they stand in `data`.
    """
    if isinstance(data, np.ndarray):
        return np.flip(data, backwards).transpose(order)
    return _Turned(data, order, backwards)


def rows_of_chunks(data: Any, axis: int, rows: int) -> int:
    """Return about so many rows along an axis: whole chunks, unless they are large."""
    chunk = _rows_of_a_chunk(data, axis)
    if rows >= chunk:
        return rows // chunk * chunk
    a_row = math.prod(map(int, data.shape)) // int(data.shape[axis])
    is_small = chunk * a_row * int(np.dtype(data.dtype).itemsize) <= _MOST_BYTES
    return chunk if is_small else rows


def _rows_at_once(data: Any, index: tuple[Any, ...], along: int) -> int:
    """Return rows that are read at a time: whole chunks, and not too many of them."""
    others = [
        len(range(*each.indices(int(n))))
        for axis, (each, n) in enumerate(zip(index, data.shape, strict=True))
        if axis != along and isinstance(each, slice)
    ]
    row_bytes = max(1, math.prod(others) * int(np.dtype(data.dtype).itemsize))
    rows = _rows_of_a_chunk(data, along)
    return rows * max(1, BYTES_AT_ONCE // (row_bytes * rows))


def _rows_of_a_chunk(data: Any, along: int) -> int:
    stated = getattr(data, "chunks", None)
    chunk = 1 if stated is None else stated[along]
    return max(1, int(max(chunk) if isinstance(chunk, tuple) else chunk))
