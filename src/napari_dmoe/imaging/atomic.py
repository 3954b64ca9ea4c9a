"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Lend a path beside `path` that takes its place if the block ends well.

    A file that was there before is replaced only then, and nothing half-written stays.
    """
    writer = f"{os.getpid()}-{threading.get_ident()}"  # two may write the same file
    partial = path.with_name(f".partial-{writer}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text, whole or not at all.

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left behind.
    """
    with atomic_path(Path(path)) as partial:
        # Line ends stay as they are: a table has its own, on every system.
        partial.write_text(
            text, encoding="utf-8", errors="backslashreplace", newline=""
        )
