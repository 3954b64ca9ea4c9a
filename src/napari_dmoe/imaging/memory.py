"""How much memory there is, so that work that cannot fit is refused before it begins.

Systems promise memory that they do not have and end the program when it is used, so
waiting for an error is not enough.
"""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


class NotEnoughMemory(MemoryError):
    """Something does not fit into memory; says what, and what to do."""


def available_bytes() -> int | None:
    """Return the memory that can be had without swapping; None where nobody says."""
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def refuse_beyond_memory(n_bytes: int, *, what: str, remedy: str) -> None:
    """Refuse what needs more memory than there is.

    Parameters
    ----------
    n_bytes : int
        What it needs.
    what : str
        What needs it, such as ``"the masks of the image need"``.
    remedy : str
        What a person can do.

    Raises
    ------
    NotEnoughMemory
        When that is more than there is.
    """
    there = available_bytes()
    if there is not None and n_bytes > there:
        raise NotEnoughMemory(
            f"{what} {n_bytes / 2**30:.1f} GiB of memory, more than the "
            f"{there / 2**30:.1f} GiB that are free: {remedy}"
        )
