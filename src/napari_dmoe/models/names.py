"""Tensor names: ours are readable and stacked, the published ones are kept in files.

Every architecture lists, as :class:`Joined` rows, which published tensors make up each
of its own. Both directions follow from that one list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Joined:
    """One of our tensors and the published tensors it is made of."""

    ours: str
    """Name in our state dict."""
    published: tuple[str, ...]
    """Names in the published state dict, in order."""
    join: Literal["same", "cat", "stack"] = "same"
    """One tensor as it is; several joined along axis 0; several along a new axis 0."""


def from_published(
    rows: Iterable[Joined], published: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Build our state dict from a published one."""
    state = {}
    for row in rows:
        parts = [published[name] for name in row.published]
        if row.join == "same":
            state[row.ours] = parts[0]
        else:
            state[row.ours] = (
                torch.cat(parts) if row.join == "cat" else torch.stack(parts)
            )
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


def count(shapes: Mapping[str, tuple[int, ...]], prefix: str, *, first: int = 0) -> int:
    """Count how many consecutive indices follow a prefix in the names."""
    found = {
        name[len(prefix) :].split(".", 1)[0]
        for name in shapes
        if name.startswith(prefix)
    }
    number = first
    while str(number) in found:
        number += 1
    return number - first
