"""Which parts of a mask stay, and what becomes of its holes.

Nothing here knows what the classes are: 0 is background, and all others together are
one structure, such as an optic disc of rim and cup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

Keep = Literal["all", "largest"]

_AROUND = np.ones((3, 3), bool)
"""Pixels that touch at a corner belong together; so the background's do not."""

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tidied:
    """A mask whose smaller parts are gone and whose holes are filled."""

    labels: Labels
    """(H, W) uint8 array; the one that was given, where nothing changed."""
    n_left_out: int = 0
    """Pixels of smaller parts, which are background now."""
    n_parts: int = 0
    """How many parts these were."""
    n_joined: int = 0
    """Pixels of islands of one class that took the class around them."""
    n_filled: int = 0
    """Pixels of holes, which have the class around them now."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know."""
        said = []
        if self.n_left_out:
            parts = "part" if self.n_parts == 1 else "parts"
            said.append(
                f"only the largest part of the mask is kept: {self.n_parts} other "
                f"{parts} of {self.n_left_out} pixels became background"
            )
        if self.n_joined:
            said.append(
                f"of each class only the largest part is kept where others enclose it: "
                f"{self.n_joined} pixels took the class around them"
            )
        if self.n_filled:
            said.append(f"holes of {self.n_filled} pixels were filled")
        return tuple(said)


def tidied(labels: Labels, *, keep: Keep, fill: bool) -> Tidied:
    """Leave out smaller parts of a plane's mask, and fill its holes.

    Parameters
    ----------
    labels : (H, W) uint8 array
        Classes; 0 is background. It is not changed.
    keep : {"all", "largest"}
        ``largest``: of everything that is no background, the largest connected part
        stays (pixels that touch at a corner are connected; of equal ones the first).
        Within it the largest part of each class stays, too: a smaller one that other
        classes enclose takes the class that most of its border has. One that reaches
        the background stays, as a rim that the cup cuts in two does.
    fill : bool
        Background that is enclosed takes the class that most of its border has, the
        lowest of equal ones: a hole in the cup becomes cup, one in the rim rim. A
        class within another one is no hole.
    """
    if keep == "all" and not fill:
        return Tidied(labels)
    box = _box(labels != 0)
    if box is None:
        return Tidied(labels)
    own = np.pad(labels[box], 1)  # background all around
    n_left_out = n_parts = n_joined = 0
    if keep == "largest":
        n_left_out, n_parts = _keep_largest(own)
        n_joined = _join_islands(own)
    n_filled = _fill_holes(own) if fill else 0
    if not (n_left_out or n_joined or n_filled):
        return Tidied(labels)
    made = labels.copy()
    made[box] = own[1:-1, 1:-1]
    return Tidied(made, n_left_out, n_parts, n_joined, n_filled)


def largest_part(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected part of a plane (H, W), the first of equal ones."""
    parts, n = scipy.ndimage.label(found, _AROUND)
    return found if n < 2 else parts == _largest(parts)


def _largest(parts: NDArray[np.integer]) -> int:
    return int(np.bincount(parts.ravel())[1:].argmax()) + 1


def _box(found: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Return the smallest box around what is found; None where nothing is."""
    rows = np.flatnonzero(found.any(1))
    if not len(rows):
        return None
    columns = np.flatnonzero(found.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _keep_largest(own: Labels) -> tuple[int, int]:
    """Leave the largest part; return how many pixels and parts went."""
    parts, n = scipy.ndimage.label(own != 0, _AROUND)
    if n < 2:
        return 0, 0
    gone = (parts != 0) & (parts != _largest(parts))
    own[gone] = 0
    return int(np.count_nonzero(gone)), n - 1


def _join_islands(own: Labels) -> int:
    """Give each class's smaller parts the class that encloses them."""
    n_joined = 0
    for label in np.unique(own)[1:]:
        parts, n = scipy.ndimage.label(own == label, _AROUND)
        if n < 2:
            continue
        largest = _largest(parts)
        for number, part, near in _each(parts):
            around = own[near][_border(part)]
            if number != largest and around.all():
                own[near][part] = _commonest(around)
                n_joined += int(np.count_nonzero(part))
    return n_joined


def _fill_holes(own: Labels) -> int:
    """Give enclosed background the class around it; the edge is not enclosed."""
    parts, _ = scipy.ndimage.label(own == 0)
    outside, n_filled = parts[0, 0], 0
    for number, part, near in _each(parts):
        if number != outside:
            around = own[near][_border(part)]
            own[near][part] = _commonest(around[around != 0])
            n_filled += int(np.count_nonzero(part))
    return n_filled


def _each(
    parts: NDArray[np.integer],
) -> Iterator[tuple[int, NDArray[np.bool_], tuple[slice, slice]]]:
    """Yield the number of each part, and its pixels in a box with room around it."""
    for number, found in enumerate(scipy.ndimage.find_objects(parts), 1):
        near = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in found)
        yield number, parts[near] == number, (near[0], near[1])


def _border(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels around a part, corners included."""
    return np.asarray(scipy.ndimage.binary_dilation(part, _AROUND)) & ~part


def _commonest(labels: Labels) -> int:
    return int(np.bincount(labels).argmax())
