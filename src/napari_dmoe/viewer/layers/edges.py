"""The lines between the regions of a plane of labels, as runs of pixels' edges.

Knows neither napari nor Qt: large planes are looked through in a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_RUNS = 20_000
"""So many runs are drawn anew at each step of the zoom within some 30 ms."""


@dataclass(frozen=True)
class Edges:
    """Straight runs of edges, each between pixels that differ along it."""

    starts: NDArray[np.float64]
    """``(n, 2)``: where each begins, in pixels whose centres are whole numbers."""
    along: NDArray[np.float64]
    """``(n, 2)``: how far each goes, along one of the axes."""
    labels: NDArray[Any]
    """``(n,)``: the region around which each goes, the greater label of both."""
    others: NDArray[Any]
    """``(n,)``: the label on the other side."""
    step: int = 1
    """Every how many pixels were looked at, where all would have been too many runs."""

    def __len__(self) -> int:
        """Return how many runs there are."""
        return len(self.labels)


def edges_of(plane: NDArray[Any], most: int = MOST_RUNS) -> Edges:
    """Return the edges between different labels of a plane.

    Nothing goes along the border of the plane. Where there are more than `most` runs
    every second pixel is looked at, or fewer: a line is then up to as many pixels off.

    Parameters
    ----------
    plane : ndarray
        ``(height, width)`` of any integers or bools; 0 is the background.
    most : int
        The greatest number of runs.
    """
    corner, part = _filled(plane)
    step, found = 1, None
    while found is None:
        seen = part[::step, ::step]
        found = _runs(seen, most, is_bounded=max(seen.shape) > 2)
        step *= 1 if found is not None else 2
    starts, along, labels, others = found
    return Edges(starts * step + corner, along * step, labels, others, step)


def _filled(plane: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the part of a plane that holds labels, with a pixel around, and where."""
    places = []
    for axis in (1, 0):
        there = np.flatnonzero(plane.any(axis=axis))
        if not len(there):
            return np.zeros(2), plane[:0, :0]
        places.append((max(int(there[0]) - 1, 0), int(there[-1]) + 2))
    (top, bottom), (left, right) = places
    return np.array([top, left], float), plane[top:bottom, left:right]


_Found = tuple[NDArray[Any], ...]


def _runs(part: NDArray[Any], most: int, *, is_bounded: bool) -> _Found | None:
    """Return the runs along both axes; None where there are too many of them."""
    starts, along, labels, others = [], [], [], []
    n = 0
    for axis in (0, 1):
        turned = part if axis == 0 else part.T
        line, first, length, label, other = _runs_along_rows(turned)
        n += len(line)
        if is_bounded and n > most:
            return None
        ends = np.stack([line + 0.5, first - 0.5], axis=1)
        reach = np.stack([np.zeros(len(length)), length.astype(float)], axis=1)
        starts.append(ends if axis == 0 else ends[:, ::-1])
        along.append(reach if axis == 0 else reach[:, ::-1])
        labels.append(label)
        others.append(other)
    return tuple(map(np.concatenate, (starts, along, labels, others)))


def _runs_along_rows(part: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the row above each run, its first column, its length and both labels."""
    above, below = part[:-1], part[1:]
    row, column = np.nonzero(above != below)
    both = above[row, column], below[row, column]
    label, other = np.maximum(*both), np.minimum(*both)
    is_new = np.ones(len(row), bool)
    is_new[1:] = (
        (row[1:] != row[:-1])
        | (column[1:] != column[:-1] + 1)
        | (label[1:] != label[:-1])
        | (other[1:] != other[:-1])
    )
    first = np.flatnonzero(is_new)
    length = np.diff(np.append(first, len(row)))
    return row[first], column[first], length, label[first], other[first]
