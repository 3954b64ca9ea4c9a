"""Processes that are over, and what they leave."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from napari_dmoe.imaging.disk.owners import machine


@cache
def dead_process() -> int:
    """Return the number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    return ended.pid


def a_dead_ones_partial_file(folder: Path, name: str) -> Path:
    """Make a file as a process leaves it that is killed while it writes `name`."""
    tag = f"{machine()}-{dead_process()}"
    left = folder / f".napari-dmoe-partial-{tag}-0-{name}"
    left.write_text("half")
    return left
