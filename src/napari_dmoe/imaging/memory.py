"""How much memory there is, so that work that cannot fit is refused before it begins.

Systems promise memory that they do not have and end the program when it is used, so
waiting for an error is not enough.
"""

from __future__ import annotations

import psutil


class NotEnoughMemory(MemoryError):
    """Something does not fit into memory; says what, and what to do."""


def available_bytes() -> int:
    """Return the memory that can be had without swapping."""
    return int(psutil.virtual_memory().available)


def installed_bytes() -> int:
    """Return the memory that this machine has."""
    return int(psutil.virtual_memory().total)


def refuse_beyond_memory(n_bytes: int, *, what: str, remedy: str) -> None:
    """Refuse what needs more memory than there is.

    `what` needs it, such as ``"the masks of the image need"``; `remedy` is what a
    person can do.

    Raises
    ------
    NotEnoughMemory
        When that is more than there is.
    """
    there = available_bytes()
    if n_bytes > there:
        raise NotEnoughMemory(
            f"{what} {n_bytes / 2**30:.1f} GiB of memory, more than the "
            f"{there / 2**30:.1f} GiB that are free: {remedy}"
        )
