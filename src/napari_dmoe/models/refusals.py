"""Errors of checkpoints, and how the names of a foreign file are shown in them."""

from __future__ import annotations

from collections.abc import Iterable

from napari_dmoe.foreign import printable

FIRST_NAMES = 10
"""Names listed in an error before it goes on with a count."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used: which file, why, and what to do."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds objects other than tensors, which may run code."""


def listed(names: Iterable[str], most: int = FIRST_NAMES) -> str:
    """Join names, and go on with a count where there are many."""
    shown = list(names)
    more = len(shown) - most
    return ", ".join(map(printable, shown[:most])) + (
        f" and {more} more" if more > 0 else ""
    )
