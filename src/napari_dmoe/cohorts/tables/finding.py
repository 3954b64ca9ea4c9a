"""The table of a folder that has no ``cohort.csv``: the one that tells of its images.

A folder as it was downloaded holds a ``metadata.csv`` beside the images or beside their
folder. It is taken only where it is the only one that tells of most of the images, and
never without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from napari_dmoe.attributes import name_key
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.matching import FolderFiles, ManyFilesError, files_below
from napari_dmoe.cohorts.tables.reading import (
    TableRows,
    images_told,
    read_rows_of,
)
from napari_dmoe.cohorts.tables.telling import columns_in
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.tables import TableError, read_table

TABLE = "cohort.csv"
"""Name of the table in a cohort's folder, which goes before any other."""

TABLE_SUFFIXES = (".csv", ".tsv")
"""How names of tables end."""

_MOST = 8
"""Tables of one folder that are looked into."""

_MOST_BYTES = 2**26
"""Bytes of a table that is looked into unasked."""

_MOST_FILES = 200_000
"""Files of a folder and those in it that are looked through unasked."""

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
    is_chosen: bool = False
    """Whether nobody has named it."""


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
        try:
            files = files or files_below(folder, most=_MOST_FILES)
        except ManyFilesError:
            said = f"over {_MOST_FILES:,} files lie in {printable(folder.name)}"
            return Found(None, f"{said}: a table in it has to be named")
        n_images, n_told = files.n_images, _n_told(table, files)
        if n_told and n_told >= _LEAST * n_images:
            telling.append(table)
        elif n_told:
            few.append(
                f"{printable(table.name)} tells of {n_told:,} of {n_images:,} images "
                "only, and is not read: name it to use it"
            )
    if len(telling) == 1:
        return Found(telling[0], files=files, is_chosen=True)
    if telling:
        names = ", ".join(printable(table.name) for table in telling)
        return Found(None, f"{names} all tell of these images: name one to use it")
    return Found(None, "; ".join(few))


def read_found(
    found: Found,
    *,
    subject: str | None = None,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
    needs_labels: bool = True,
    needs_image: bool = True,
) -> TableRows:
    """Read a table that was found, as :mod:`napari_dmoe.cohorts.datasets` reads one.

    A row whose labels are not there is bad if it `needs_labels`, else one without.

    Raises
    ------
    CohortError
        When there is none, it is no such table, or has no rows.
    """
    table = found.table
    if table is None:
        raise CohortError(found.said or "there is no table")
    read = read_rows_of(
        table,
        subject=subject,
        drivers=drivers,
        columns=columns,
        needs_labels=needs_labels,
        needs_image=needs_image,
        files=found.files,
    )
    if not read.rows:
        raise CohortError(f"{table.name} has no rows below its header")
    if not found.is_chosen:
        return read
    said = f"patients are read from {printable(table.name)}, the table of this folder"
    return replace(read, notices=(said, *read.notices))


def table_at(path: str | Path) -> Found:
    """Return a table itself, or the one of a folder.

    Raises
    ------
    CohortError
        When there is none, or several tell of the folder's images.
    """
    source = Path(path)
    found = table_of(source) if source.is_dir() else Found(source)
    if found.table is None or not found.table.is_file():
        others = sorted(each.name for each in Path(path).glob("*.csv"))
        named = f" (there is {others[0]}: name it)" if len(others) == 1 else ""
        raise CohortError(
            f"there is no cohort at {path}: expected a folder with {TABLE}, or a CSV "
            f"file{f' ({found.said})' if found.said else named}"
        )
    return found


def stated_there(source: str | Path, columns: Mapping[str, str]) -> dict[str, str]:
    """Return what is stated of those columns alone that a table has.

    Of what is no table, nothing: that is told when it is read.
    """
    found = dict(columns)
    with suppress(OSError, CohortError):
        header = columns_in(table_at(source).table or Path(source)).header
        keys = {name_key(name) for name in header}
        found = {k: v for k, v in columns.items() if name_key(k) in keys}
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield the tables of a folder that may tell of images, and are no results."""
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if path.suffix.lower() not in TABLE_SUFFIXES or path.name.startswith("."):
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
