"""How much memory there is, so that work that cannot fit is refused before it begins.

Systems promise memory that they do not have and end the program when it is used, so
waiting for an error is not enough. A container, or a job of a cluster, may have less
than its machine: Linux says so in the files of control groups.

References
----------
``Documentation/admin-guide/cgroup-v2.rst`` and ``cgroup-v1/memory.rst`` of Linux.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Names of a group's limit, its usage, and of what of it is given back when asked."""


class NotEnoughMemory(MemoryError):
    """Something does not fit into memory; says what, and what to do."""


def available_bytes() -> int:
    """Return the memory that can be had without swapping."""
    there = int(psutil.virtual_memory().available)
    return min([there, *(limit - used for limit, used in _limits())])


def installed_bytes() -> int:
    """Return the memory that this machine has, or what of it this process may use."""
    return min([int(psutil.virtual_memory().total), *(limit for limit, _ in _limits())])


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


def _limits() -> Iterator[tuple[int, int]]:
    """Yield how much the groups of this process may use, and use: no limit, none."""
    for folder in _groups():
        for limit, usage, spare in _FILES:
            with suppress(OSError, ValueError):
                most = int((folder / limit).read_text("ascii"))  # "max" is no number
                used = int((folder / usage).read_text("ascii"))
                stated = (folder / "memory.stat").read_text("ascii").split("\n")
                known = dict(line.split(" ", 1) for line in stated if " " in line)
                yield most, max(0, used - int(known.get(spare, "0")))


def _groups() -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, up to their roots."""
    lines = list[str]()
    with suppress(OSError, ValueError):
        lines = _OWN.read_text("utf-8").splitlines()
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers not in ("", "memory"):
            continue
        # In a container the path may be that of the host: only the root is there then.
        root = _GROUPS / controllers
        own = root.joinpath(*Path(path).parts[1:])
        yield from [own, *own.parents][: len(own.parts) - len(root.parts) + 1]
