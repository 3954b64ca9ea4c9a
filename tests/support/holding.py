"""Another process that writes into a folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLDER = (
    "import sys; from pathlib import Path\n"
    "from napari_dmoe.imaging.disk.claims import claimed\n"
    "with claimed(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
)


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a folder until its input ends."""
    command = [sys.executable, "-c", _HOLDER, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
