"""Which columns of a table tell files: by their names, and by what is in them.

A table is gone through row by row; nothing of it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path, PureWindowsPath

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.columns import Columns, columns_of
from napari_dmoe.cohorts.tables.matching import (
    AmbiguousNameError,
    FolderFiles,
    ManyFilesError,
    files_below,
)
from napari_dmoe.cohorts.tables.row_reading import is_there
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_suffix
from napari_dmoe.imaging.tables import TableError, read_table, unescaped

MAX_ROWS = 250_000
"""Cases that a table may have: more than any cohort that fits into one folder."""

MAX_COLUMNS = 16_384
"""Columns that a table may have, as in spreadsheets."""

COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+")
_THOUSANDS = re.compile(r"[-+]?\d{1,3},\d{3}")

_MOST_FILES = 200_000
"""Files that are looked through for labels where the images' paths are known."""

_SAMPLE = 200
"""Rows that tell whether a column has paths or names."""


def columns_in(
    table: Path,
    *,
    subject: str | None = None,
    stated: Mapping[str, str] | None = None,
) -> Columns:
    """Return what a table's columns are by their names alone.

    Raises
    ------
    CohortError
        When it cannot be read, or as in
        :func:`~napari_dmoe.cohorts.tables.columns.columns_of`.
    """
    try:
        header = _header(table, next(read_table(table, column="image"), []))
    except TableError as error:
        raise CohortError(f"{table.name} {error}") from error
    return columns_of(header, table.name, subject, stated)


def lines_of(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that have something in them, with their numbers.

    Raises
    ------
    TableError
        When it cannot be read.
    """
    lines = read_table(table, column="image")
    next(lines, None)
    for number, cells in enumerate(lines, start=2):
        if any(cell.strip() for cell in cells):
            yield number, cells


def check_length(table: Path) -> None:
    """Refuse tables of too many rows before any of them is made something of."""
    if table.stat().st_size <= MAX_ROWS:  # which cannot have more, a byte or two each
        return
    rows = (any(map(str.strip, cells)) for cells in read_table(table, column="image"))
    if sum(islice(filter(None, rows), MAX_ROWS + 2)) > MAX_ROWS + 1:
        raise CohortError(
            f"{table.name} has over {MAX_ROWS:,} rows, the most that are read: make "
            "several tables of it"
        )


def _header(table: Path, cells: Sequence[str]) -> list[str]:
    if len(cells) > MAX_COLUMNS:
        raise CohortError(
            f"{table.name} has {len(cells):,} columns, and {MAX_COLUMNS:,} are the "
            "most that are read: leave out those that are no attributes"
        )
    header = [unescaped(name.strip()) for name in cells]
    seen: set[str] = set()
    for name in header:
        if name and name in seen:
            raise CohortError(f"{table.name} has the column {name!r} twice")
        seen.add(name)
    return header


def matched(
    columns: Columns,
    table: Path,
    known: FolderFiles | None,
    *,
    needs_image: bool = True,
) -> tuple[Columns, FolderFiles | None, FolderFiles | None]:
    """Return the columns with those that tell the files, and the files if by name.

    These are the files of all, or those of the labels alone beside images by paths.
    """
    if not needs_image and columns.image is None:
        paths = _beside_paths(columns, table, known)
        if paths[0].labels is not None:
            return paths
    if columns.image is not None and not _has_names(columns.image, columns, table):
        return _beside_paths(columns, table, known)
    wanted = [*([columns.image] if columns.image else []), *columns.name_columns]
    if wanted:
        files = files_below(table.parent) if known is None else known
        n_found = _n_found(wanted, columns, table, files)
        image = max(wanted, key=lambda name: n_found[name])
        if n_found[image]:
            labels = _column_of_labels(columns, table, files)
            found = replace(columns, image=image, labels=labels, is_by_name=True)
            return found, files, files
    if columns.image is not None:
        return _beside_paths(columns, table, known)
    found_here = ", ".join(printable(n, 40) for n in columns.header[:8]) or "nothing"
    called = (
        f", and no image in its folder or below is called as {wanted[0]!r} says"
        if wanted
        else ""
    )
    raise CohortError(f"{table.name} has no column 'image': found {found_here}{called}")


def _beside_paths(
    columns: Columns, table: Path, known: FolderFiles | None
) -> tuple[Columns, None, FolderFiles | None]:
    """Return the columns of a table of paths, and the files if labels are by name.

    A column of labels may be called anything: but one of such a name may tell a
    diagnosis as well, and has neither paths of images nor names of masks.
    """
    names = (columns.labels,) if columns.labels else columns.label_columns
    for name in names:
        cells = islice(cells_of(name, columns, table), _SAMPLE)
        if any(_is_path(table.parent, cell) for cell in cells):
            columns = replace(columns, labels=name)
            break
    if columns.labels and not _has_names(columns.labels, columns, table):
        return columns, None, None
    if not any(any(cells_of(name, columns, table)) for name in names):
        return columns, None, None
    try:
        files = known or files_below(table.parent, most=_MOST_FILES)
    except ManyFilesError:
        return columns, None, None
    labels = _column_of_labels(columns, table, files)
    return replace(columns, labels=labels), None, files if labels else None


def with_predictions(columns: Columns, table: Path) -> Columns:
    """Find the column of a model's masks: of such a name, and with files in it.

    One of such a name may tell a diagnosis as well.
    """
    for name in columns.prediction_columns:
        cells = islice(cells_of(name, columns, table), _SAMPLE)
        if any(_is_path(table.parent, cell) for cell in cells):
            return replace(columns, prediction=name)
    return columns


def _is_path(folder: Path, cell: str) -> bool:
    return image_suffix(Path(cell)) in IMAGE_SUFFIXES or is_there(folder / cell)


def _has_names(column: str, columns: Columns, table: Path) -> bool:
    """Say whether a column has names of files, none of which is a path from here on."""
    n = 0
    for n, cell in enumerate(cells_of(column, columns, table), start=1):
        name = PureWindowsPath(cell)
        # Of very many the disk is asked only where the name may be a file's.
        is_asked = n <= _SAMPLE or bool(name.suffix)
        if len(name.parts) > 1 or (is_asked and is_there(table.parent / cell)):
            return False
    return n > 0


def decimal_commas(columns: Columns, table: Path) -> frozenset[str]:
    """Return the columns of numbers with a comma before their fractions.

    Where all such cells may be thousands (``1,234``) nobody can tell, and none is.
    """
    files = (columns.image, columns.labels, columns.prediction, columns.identity)
    used = {*files, *columns.subjects, ""}
    may_be = {n: name for n, name in enumerate(columns.header) if name not in used}
    are_fractions: set[int] = set()
    for _, cells in lines_of(table):
        for place, cell in enumerate(cells):
            if "," not in cell or place not in may_be:
                continue
            written = unescaped(cell.strip())
            if not COMMA_NUMBER.fullmatch(written):
                del may_be[place]
            elif not _THOUSANDS.fullmatch(written):
                are_fractions.add(place)
    return frozenset(may_be[place] for place in are_fractions & may_be.keys())


def cells_of(column: str, columns: Columns, table: Path) -> Iterator[str]:
    """Yield what stands in a column, without the cells that are blank."""
    place = columns.header.index(column)
    for _, cells in lines_of(table):
        cell = unescaped(cells[place].strip()) if place < len(cells) else ""
        if cell:
            yield cell


def _n_found(
    names: Sequence[str], columns: Columns, table: Path, files: FolderFiles
) -> dict[str, int]:
    """Count the cells of columns that tell an image."""
    return {
        name: sum(_is_there(files.image, c) for c in cells_of(name, columns, table))
        for name in names
    }


def _column_of_labels(columns: Columns, table: Path, files: FolderFiles) -> str | None:
    """Return the column that tells labels: as far as there are such files.

    One that says the same of several cases is a diagnosis, whatever masks are called.
    """
    if columns.labels is not None:
        return columns.labels
    for name in columns.label_columns:
        cells = (c for c in cells_of(name, columns, table) if _is_there(files.truth, c))
        found = list(cells)
        if found and len({*found}) == len(found):
            return name
    return None


def _is_there(find: Callable[[str], Path | None], name: str) -> bool:
    try:
        return find(name) is not None
    except AmbiguousNameError:
        return True
