"""Which image files of a folder are phantoms: a list of their hashes beside them.

Phantoms say so wherever their files lie below that list, under any name, and no other
picture that is put among them does. It says nothing of labels.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from napari_dmoe.foreign import JSONError, read_json
from napari_dmoe.imaging.disk.atomic import write_text

DRAWN = "phantoms.json"
"""Name of the list, which stands in the folder of the images or the one above."""

_logger = logging.getLogger(__name__)

Kind = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w-]+$")]


class Drawn(BaseModel, frozen=True, extra="forbid"):
    """The list: kinds of phantom by the SHA-256 of image files."""

    schema_version: Literal[1] = 1
    images: Mapping[str, Kind]


def phantom_kind(image: Path) -> str | None:
    """Return what kind of phantom an image file is; None where no list names it.

    Examples
    --------
    >>> phantom_kind(Path("photograph.png")) is None
    True
    """
    for folder in (image.parent, image.parent.parent):
        drawn = _listed(folder / DRAWN)
        if drawn:
            kind = drawn.get(file_sha256(image))
            if kind is not None:
                return kind
    return None


def write_drawn(folder: Path, kinds: Mapping[Path, str]) -> None:
    """State in a folder which of its image files are phantoms, and of which kind."""
    images = {file_sha256(path): kind for path, kind in kinds.items()}
    text = Drawn(images=images).model_dump_json(indent=1)
    write_text(folder / DRAWN, text + "\n")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(path: Path) -> Mapping[str, str]:
    """Return what a list says; nothing where there is none that can be read."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return {}
    return _read(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int, _size: int) -> Mapping[str, str]:
    """Read a list once for all of its images, and again where it was changed."""
    try:
        return dict(Drawn.model_validate(read_json(path)).images)
    except (OSError, ValueError, JSONError, ValidationError):
        _logger.warning(
            "%s beside the images is no list of phantoms: none of them is taken for "
            "one",
            path.name,
        )
        return {}
