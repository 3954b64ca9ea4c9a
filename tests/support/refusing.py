"""A lazy array that is never read whole: it refuses slabs that are too thick."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Refusing:
    """Wraps an array; no more of it than a share can be read at once."""

    def __init__(
        self, data: NDArray[Any], most: float, chunks: tuple[int, ...] | None = None
    ) -> None:
        self._data, self._most = data, most
        self.shape, self.ndim, self.dtype = data.shape, data.ndim, data.dtype
        self.size = data.size
        self.n_read = 0
        """Numbers that were read so far."""
        if chunks:
            self.chunks = chunks

    def __array__(self, dtype: object = None, copy: bool | None = None) -> NDArray[Any]:
        raise AssertionError("the whole array was asked for")

    def __getitem__(self, index: Any) -> NDArray[Any]:
        part = self._data[index]
        assert part.size <= self._most * math.prod(self.shape), part.shape
        self.n_read += part.size
        return np.array(part)
