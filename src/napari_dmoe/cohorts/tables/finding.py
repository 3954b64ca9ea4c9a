"""The table of a folder that has no ``cohort.csv``: the one that tells of its images.

A folder as it was downloaded holds a ``metadata.csv`` beside the images or beside their
folder. It is taken only where it is the only one that tells of most of the images, and
never without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from napari_dmoe.attributes import name_key
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.matching import FolderFiles, files_below
from napari_dmoe.cohorts.tables.reading import images_told
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.tables import TableError, read_table

TABLE = "cohort.csv"
"""Name of the table in a cohort's folder, which goes before any other."""

_MOST = 8
"""Tables of one folder that are looked into."""

_MOST_BYTES = 2**26
"""Bytes of a table that is looked into unasked."""

_LEAST = 0.5
"""Share of a folder's images that a table has to tell of."""


@dataclass(frozen=True)
class Found:
    """Which table of a folder tells of its images."""

    table: Path | None = None
    said: str = ""
    """Why there is none, though some tell of images."""
    files: FolderFiles | None = None
    """What the folder holds, where it was looked through."""


def table_of(folder: Path) -> Found:
    """Return the table that a folder's images are told of in, if there is one alone.

    Tables of results and those that tell of fewer than half of the images are passed
    over; the latter are named.
    """
    if (folder / TABLE).is_file():
        return Found(folder / TABLE)
    files: FolderFiles | None = None
    telling: list[Path] = []
    few: list[str] = []
    for table in islice(_candidates(folder), _MOST):
        files = files_below(folder) if files is None else files
        n_images, n_told = files.n_images, _n_told(table, files)
        if n_told and n_told >= _LEAST * n_images:
            telling.append(table)
        elif n_told:
            few.append(
                f"{printable(table.name)} tells of {n_told:,} of {n_images:,} images "
                "only, and is not read: name it to use it"
            )
    if len(telling) == 1:
        return Found(telling[0], files=files)
    if telling:
        names = ", ".join(printable(table.name) for table in telling)
        return Found(None, f"{names} all tell of these images: name one to use it")
    return Found(None, "; ".join(few))


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield the tables of a folder that may tell of images, and are no results."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.suffix.lower() != ".csv" or path.name.startswith("."):
            continue
        try:
            if not path.is_file() or path.stat().st_size > _MOST_BYTES:
                continue
            header = next(read_table(path, column="image"), [])
        except (OSError, TableError):
            continue
        if not {"outcome", "image"} <= {name_key(name) for name in header}:
            yield path


def _n_told(table: Path, files: FolderFiles) -> int:
    """Return of how many images a table tells; none where it cannot be read."""
    try:
        return len(images_told(table, files))
    except (OSError, CohortError):
        return 0
