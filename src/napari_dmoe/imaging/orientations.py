"""The way in which a 3D network meets volumes, where that is not this program's own.

Volumes are always prepared along z, y and x, which run to the patient's head, back and
left. A network that was trained otherwise is shown each window turned, and what it says
of it is turned back, so that the rest of the program knows one order of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator

if TYPE_CHECKING:
    from torch import Tensor

OURS = "SPL"
"""To the head, the back and the left: how volumes are prepared."""

_LETTERS = ("SI", "PA", "LR")
"""Ends of z, y and x; the first is where the axis runs to."""

_ENDS = {
    "S": "head",
    "I": "feet",
    "P": "back",
    "A": "front",
    "L": "left",
    "R": "right",
}

_T = TypeVar("_T")


def _valid(code: str) -> str:
    """Return three letters that name every axis of a patient once."""
    found = code.upper()
    named = sorted(i for c in found for i, ends in enumerate(_LETTERS) if c in ends)
    if len(found) != len(_LETTERS) or named != [0, 1, 2]:
        raise ValueError(
            "an orientation has one letter of each of S or I, P or A, and L or R, in "
            f"the order of the network's axes, such as {OURS} or RAS"
        )
    return found


Orientation = Annotated[str, AfterValidator(_valid)]
"""Where a network's three axes run to, in their order: as nibabel's axis codes."""


def words_of(code: str) -> str:
    """Say where a network's axes run to.

    Examples
    --------
    >>> words_of("RAS")
    'its axes run to the right, the front and the head of the patient'
    """
    first, second, third = (_ENDS[letter] for letter in code)
    return f"its axes run to the {first}, the {second} and the {third} of the patient"


def order_of(code: str) -> tuple[int, ...]:
    """Return which of z, y and x each of the network's axes is."""
    return tuple(next(i for i, e in enumerate(_LETTERS) if c in e) for c in code)


def in_order(sizes: Sequence[_T], code: str) -> tuple[_T, ...]:
    """Return what is said of z, y and x in the order of the network's axes."""
    return tuple(sizes[axis] for axis in order_of(code))


def _flipped(code: str) -> list[int]:
    """Return which of the network's axes run against ours, counted from the end."""
    own = [_LETTERS[axis][0] for axis in order_of(code)]
    return [i - 3 for i, (c, o) in enumerate(zip(code, own, strict=True)) if c != o]


def turned(values: Tensor, code: str) -> Tensor:
    """Return values (*leading, z, y, x) as a network of that orientation sees them."""
    if code == OURS:
        return values
    n = values.ndim - len(_LETTERS)
    places = (*range(n), *(n + axis for axis in order_of(code)))
    return values.permute(places).flip(_flipped(code))


def turned_back(values: Tensor, code: str) -> Tensor:
    """Return what a network says along its own last three axes along z, y and x."""
    if code == OURS:
        return values
    n, order = values.ndim - len(_LETTERS), order_of(code)
    places = (*range(n), *(n + order.index(axis) for axis in range(len(order))))
    return values.flip(_flipped(code)).permute(places)


def tokens_back(gates: Tensor, patch: Sequence[int], code: str) -> Tensor:
    """Return the gates (*leading, T, E) of a window with its tokens along z, y and x.

    `patch` is the size of the window along z, y and x.
    """
    if code == OURS:
        return gates
    n_voxels = patch[0] * patch[1] * patch[2]
    side = round((n_voxels / gates.shape[-2]) ** (1 / 3))
    blocks = [n // side for n in in_order(patch, code)]
    own = gates.unflatten(-2, blocks).movedim(-1, 0)
    return turned_back(own, code).movedim(0, -1).flatten(-4, -2)
