"""Tensor names: ours are readable and stacked, the published ones are kept in files.

Every architecture lists, as :class:`Joined` rows, which published tensors make up each
of its own. Both directions follow from that one list.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

_NAME = re.compile(r"\S{1,200}")


@dataclass(frozen=True, slots=True)
class Joined:
    """One of our tensors and the published tensors it is made of."""

    ours: str
    """Name in our state dict."""
    published: tuple[str, ...]
    """Names in the published state dict, in order."""
    join: Literal["same", "cat", "stack"] = "same"
    """One tensor as it is; several joined along axis 0; several along a new axis 0."""


def pair(
    ours: str, published: str, parts: Sequence[str] = ("weight", "bias")
) -> Iterator[Joined]:
    """Yield a layer's tensors, each of them one published tensor as it is."""
    for part in parts:
        yield Joined(f"{ours}.{part}", (f"{published}.{part}",))


def from_published(
    rows: Iterable[Joined], published: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Build our state dict from a published one."""
    state = {}
    for row in rows:
        parts = [published[name] for name in row.published]
        join = torch.cat if row.join == "cat" else torch.stack
        state[row.ours] = parts[0] if row.join == "same" else join(parts)
    return state


def to_published(
    rows: Iterable[Joined], state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Build a published state dict, each tensor contiguous, from ours."""
    published: dict[str, Tensor] = {}
    for row in rows:
        tensor = state[row.ours]
        parts: tuple[Tensor, ...] = (tensor,)
        if row.join == "cat":
            parts = tensor.chunk(len(row.published))
        elif row.join == "stack":
            parts = tensor.unbind()
        published.update(zip(row.published, parts, strict=True))
    return {name: tensor.contiguous() for name, tensor in published.items()}


def missing(error: KeyError) -> str:
    """Return the name of the tensor that was looked for in vain.

    A name of a tensor is one word; what is none is not repeated.
    """
    name = error.args[0] if error.args else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "a tensor"


def shape_of(
    shapes: Mapping[str, tuple[int, ...]], name: str, n_axes: int
) -> tuple[int, ...]:
    """Return the shape of a published tensor that tells a network's size.

    Raises
    ------
    KeyError
        When the tensor is missing.
    ValueError
        When it has another number of axes, or is empty.
    """
    shape = shapes[name]
    if len(shape) != n_axes:
        raise ValueError(f"{name} has {len(shape)} axes, where {n_axes} are expected")
    if 0 in shape:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    return shape


def count(
    names: Iterable[str], prefix: str, *, first: int = 0, separator: str = "."
) -> int:
    """Count how many consecutive indices follow a prefix in the names."""
    after = (name[len(prefix) :] for name in names if name.startswith(prefix))
    found = {rest.partition(separator)[0] for rest in after}
    return next(i for i in itertools.count() if str(first + i) not in found)
