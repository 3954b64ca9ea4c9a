"""Tells of what lies on a disk which process made it, and whether that one lives.

Names of what is only there for a time hold :func:`owner_tag`, so that whatever a killed
process has left is known for ours, and for nobody's any more.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

OWNER = re.compile(r"(?P<machine>[0-9a-f]{8})-(?P<process>[1-9]\d{0,9})")
"""What :func:`owner_tag` looks like."""

_CLOCK_SECONDS = 60.0
"""So far a clock may have been set, and a boot's time be rounded."""

_STILL_ACTIVE, _QUERY = 259, 0x1000
"""Of Windows: a process that goes on, and the right to ask."""


@cache
def machine() -> str:
    """Return what tells this machine, or container, from others that share a disk."""
    named = platform.node()
    with suppress(OSError):  # containers may share a name, but not their numbers
        named += str(Path("/proc/self/ns/pid").readlink())
    return hashlib.blake2s(named.encode(errors="replace"), digest_size=4).hexdigest()


def owner_tag() -> str:
    """Return machine and number of this process, to stand in a name."""
    return f"{machine()}-{os.getpid()}"


def is_gone(tag: str, *, made: float | None = None) -> bool:
    """Say whether a tag names a process of this machine that has surely ended.

    `made` is when it was alive, in seconds since 1970: a process of its number that
    began later, as after a restart of the machine, is another.
    """
    found = OWNER.fullmatch(tag)
    if found is None or found["machine"] != machine():
        return False
    process = int(found["process"])
    if not is_alive(process):
        return True
    began = None if made is None else _began(process)
    return began is not None and made is not None and began > made + _CLOCK_SECONDS


def _began(process: int) -> float | None:
    """Return when a process began, in seconds since 1970; None where nobody tells."""
    with suppress(OSError, ValueError, IndexError):  # only Linux tells
        said = Path(f"/proc/{process}/stat").read_text(errors="replace")
        ticks = int(said.rpartition(")")[2].split()[19])
        kernel = Path("/proc/stat").read_text().partition("btime ")[2]
        return int(kernel.split()[0]) + ticks / os.sysconf("SC_CLK_TCK")
    return None


def is_alive(process: int) -> bool:
    """Say whether a process of this machine goes on; one that nobody reaped has not."""
    if sys.platform == "win32":
        return _is_alive_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's: it is there
    with suppress(OSError, IndexError):  # only Linux tells
        said = Path(f"/proc/{process}/stat").read_text(errors="replace")
        return said.rpartition(")")[2].split()[0] not in ("Z", "X")
    return True


def _is_alive_on_windows(process: int) -> bool:
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined, unused-ignore]
    handle = kernel.OpenProcess(_QUERY, False, process)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == _STILL_ACTIVE
