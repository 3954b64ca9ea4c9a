"""A cohort's table from its header to its last row: columns, files, rows, subjects."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PureWindowsPath

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.columns import Columns, columns_of
from napari_dmoe.cohorts.tables.matching import (
    AmbiguousNameError,
    FolderFiles,
    ManyFilesError,
    files_below,
    files_in,
)
from napari_dmoe.cohorts.tables.refusals import RowError
from napari_dmoe.cohorts.tables.row_reading import RowReader, is_a_file
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.cohorts.tables.subjects import marks_told, subjects_told
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_suffix
from napari_dmoe.imaging.tables import TableError, encoding_of, read_table, unescaped

MAX_ROWS = 250_000
"""Cases that a table may have: more than any cohort that fits into one folder."""

MAX_COLUMNS = 16_384
"""Columns that a table may have, as in spreadsheets."""

_MOST_FILES = 200_000
"""Files that are looked through for labels where the images' paths are known."""

_SAMPLE = 200
"""Rows that tell whether a column has paths or names."""

_SHOWN = 3
"""Rows or files that a sentence names."""


@dataclass(frozen=True)
class TableRows:
    """Rows of a table, good and bad, and what is to be said of the whole."""

    rows: tuple[CohortRow | BadRow, ...]
    notices: tuple[str, ...] = ()
    kept_together: str = ""
    """The notice that says by which columns cases are of one subject."""
    columns: Columns = field(default_factory=lambda: Columns(()))
    """What the columns are."""
    files: FolderFiles | None = None
    """Where images were looked for that the table tells by name."""
    without_image: tuple[int, ...] = ()
    """Numbers of rows whose image was not found by its name, which have no row here."""
    missing: frozenset[int] = frozenset()
    """Numbers of bad rows whose image's path leads nowhere."""
    table: Path = Path()
    """The table itself."""

    def unlisted(self) -> list[Path]:
        """Return the images that no row tells of, in order.

        They lie in the table's folder and below, where images are told by name; else
        beside those that are told.
        """
        rows = [row for row in self.rows if row.image != Path()]
        if self.files is not None:
            return self.files.without(row.image for row in rows)
        good = [row for row in rows if isinstance(row, CohortRow)]
        places = {Path(os.path.normpath(row.image.parent)) for row in good}
        told = [row.image for row in rows]
        told += [row.labels for row in good if row.labels is not None]
        beside = files_in(self.table.parent, places)
        return beside.without(Path(os.path.normpath(path)) for path in told)


def read_rows_of(
    table: Path,
    *,
    subject: str | None = None,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
    needs_labels: bool = True,
    needs_image: bool = True,
    files: FolderFiles | None = None,
) -> TableRows:
    """Read all rows of a table.

    Parameters
    ----------
    table : Path
        A CSV file.
    subject, columns
        See :func:`~napari_dmoe.cohorts.tables.columns.columns_of`.
    drivers : collection of str, optional
        Attributes that drive the model in hand, for the notices.
    needs_labels : bool
        Whether a row is bad whose labels' path leads nowhere; else it has no labels.
    needs_image : bool
        Whether a row needs an image; else one with labels alone is good, too.
    files : FolderFiles, optional
        What the table's folder holds, where it was looked through before.

    Raises
    ------
    CohortError
        When it is no table of images, or has no column `subject` or one of `columns`.
    """
    try:
        _check_length(table)
        by_name = columns_in(table, subject=subject, stated=columns)
        known, files, truths = _matched(by_name, table, files, needs_image=needs_image)
        known = _with_predictions(known, table)
        further = known.further(drivers)
        reader = RowReader(
            table,
            known,
            files,
            further,
            needs_labels=needs_labels,
            needs_image=needs_image,
            truths=truths,
        )
        read = (reader.row(number, cells) for number, cells in lines_of(table))
        rows = tuple(row for row in read if row is not None)
    except TableError as error:
        raise CohortError(f"{table.name} {error}") from error
    rows, kept_together = _with_subjects(rows, reader)
    said = (
        kept_together,
        encoding_of(table).notice,
        *_of_files(rows, reader),
        *known.notices(drivers),
    )
    return TableRows(
        rows,
        tuple(filter(None, said)),
        kept_together,
        known,
        files,
        tuple(reader.without_image),
        frozenset(reader.missing),
        table,
    )


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


def images_told(table: Path, files: FolderFiles) -> set[Path]:
    """Return which images of a folder a table tells of, by path or by name.

    Raises
    ------
    CohortError
        When it is no table of images.
    """
    try:
        columns, by_name, _ = _matched(columns_in(table), table, files)
        reader = RowReader(table, columns, by_name)
        cells = set(_cells(columns.image or "", columns, table))
    except TableError as error:
        raise CohortError(f"{table.name} {error}") from error
    told = set()
    for cell in cells:
        with suppress(RowError, AmbiguousNameError):
            told.add(reader.image(cell, 0))
    return {path for path in told if path is not None}


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


def _check_length(table: Path) -> None:
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


def _matched(
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
        cells = islice(_cells(name, columns, table), _SAMPLE)
        if any(_is_path(table.parent, cell) for cell in cells):
            columns = replace(columns, labels=name)
            break
    if columns.labels and not _has_names(columns.labels, columns, table):
        return columns, None, None
    if not any(any(_cells(name, columns, table)) for name in names):
        return columns, None, None
    try:
        files = known or files_below(table.parent, most=_MOST_FILES)
    except ManyFilesError:
        return columns, None, None
    labels = _column_of_labels(columns, table, files)
    return replace(columns, labels=labels), None, files if labels else None


def _with_predictions(columns: Columns, table: Path) -> Columns:
    """Find the column of a model's masks: of such a name, and with files in it.

    One of such a name may tell a diagnosis as well.
    """
    for name in columns.prediction_columns:
        cells = islice(_cells(name, columns, table), _SAMPLE)
        if any(_is_path(table.parent, cell) for cell in cells):
            return replace(columns, prediction=name)
    return columns


def _is_path(folder: Path, cell: str) -> bool:
    return image_suffix(Path(cell)) in IMAGE_SUFFIXES or is_a_file(folder / cell)


def _has_names(column: str, columns: Columns, table: Path) -> bool:
    """Say whether a column has names of files, none of which is a path from here on."""
    n = 0
    for n, cell in enumerate(_cells(column, columns, table), start=1):
        name = PureWindowsPath(cell)
        # Of very many the disk is asked only where the name may be a file's.
        is_asked = n <= _SAMPLE or bool(name.suffix)
        if len(name.parts) > 1 or (is_asked and is_a_file(table.parent / cell)):
            return False
    return n > 0


def _cells(column: str, columns: Columns, table: Path) -> Iterator[str]:
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
        name: sum(_is_there(files.image, c) for c in _cells(name, columns, table))
        for name in names
    }


def _column_of_labels(columns: Columns, table: Path, files: FolderFiles) -> str | None:
    """Return the column that tells labels: as far as there are such files.

    One that says the same of several cases is a diagnosis, whatever masks are called.
    """
    if columns.labels is not None:
        return columns.labels
    for name in columns.label_columns:
        cells = (c for c in _cells(name, columns, table) if _is_there(files.truth, c))
        found = list(cells)
        if found and len({*found}) == len(found):
            return name
    return None


def _is_there(find: Callable[[str], Path | None], name: str) -> bool:
    try:
        return find(name) is not None
    except AmbiguousNameError:
        return True


def _with_subjects(
    rows: tuple[CohortRow | BadRow, ...], reader: RowReader
) -> tuple[tuple[CohortRow | BadRow, ...], str]:
    good = [row for row in rows if isinstance(row, CohortRow)]
    cells = [reader.subject_cells[row.number] for row in good]
    subjects, said = subjects_told(cells, reader.columns.subjects)
    marks = marks_told(cells, reader.columns.subjects)
    told = {
        row.number: replace(row, subject=subject, marks=own)
        for row, subject, own in zip(good, subjects, marks, strict=True)
        if subject is not None
    }
    return tuple(told.get(row.number, row) for row in rows), said


def _of_files(rows: Sequence[CohortRow | BadRow], reader: RowReader) -> Iterator[str]:
    """Say which files were found by name, and what has no file or no row."""
    if reader.imageless:
        yield numbered(
            reader.imageless, "without an image, as there is none of that name"
        )
    if reader.files is None:
        if reader.without_labels:
            what = "without labels, as there is no such file"
            yield numbered(reader.without_labels, what)
        return
    good = [row for row in rows if isinstance(row, CohortRow)]
    n_labels = sum(row.labels is not None for row in good)
    column = printable(reader.columns.image or "", 40)
    yield (
        f"images were found by their names in the column {column}: {len(good):,}, and "
        f"labels of {n_labels:,} of them"
    )
    for numbers, what in (
        (reader.without_image, "left out, as there is no image of that name"),
        (reader.without_labels, "without labels, as there is no file of that name"),
    ):
        if numbers:
            yield numbered(numbers, what)
    left = reader.files.without(row.image for row in rows if row.image != Path())
    if left:
        yield f"{unlisted_told(left)} left out: {names_told(left)}"


def unlisted_told(paths: Sequence[Path]) -> str:
    """Say how many images of a folder have no row."""
    return f"{len(paths):,} image{'s' * (len(paths) > 1)} of the folder without a row"


def names_told(paths: Sequence[Path]) -> str:
    """Return the names of the first of some files."""
    more = ", ..." if len(paths) > _SHOWN else ""
    return ", ".join(printable(path.name) for path in paths[:_SHOWN]) + more


def numbered(numbers: Sequence[int], what: str) -> str:
    """Say what is true of some rows, with the numbers of the first."""
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    more = ", ..." if len(numbers) > _SHOWN else ""
    return f"{len(numbers):,} row{'s' * (len(numbers) > 1)} ({shown}{more}) {what}"
