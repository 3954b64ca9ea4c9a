"""What tells whether a file is as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path


def state_of(path: Path) -> str:
    """Return what tells whether a file is as it was when it was opened.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
