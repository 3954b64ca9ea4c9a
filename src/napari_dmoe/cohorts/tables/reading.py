"""A cohort's table from its header to its last row: columns, files, rows, subjects."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.columns import Columns
from napari_dmoe.cohorts.tables.matching import (
    AmbiguousNameError,
    FolderFiles,
    files_in,
)
from napari_dmoe.cohorts.tables.refusals import RowError
from napari_dmoe.cohorts.tables.row_reading import RowReader
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.cohorts.tables.subjects import marks_told, subjects_told
from napari_dmoe.cohorts.tables.telling import (
    cells_of,
    check_length,
    columns_in,
    decimal_commas,
    lines_of,
    matched,
    with_predictions,
)
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.tables import TableError, encoding_of

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
        check_length(table)
        by_name = columns_in(table, subject=subject, stated=columns)
        known, files, truths = matched(by_name, table, files, needs_image=needs_image)
        known = with_predictions(known, table)
        further = known.further(drivers)
        reader = RowReader(
            table,
            known,
            files,
            further,
            commas=decimal_commas(known, table),
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
        commas_told(reader.commas),
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


def images_told(table: Path, files: FolderFiles) -> set[Path]:
    """Return which images of a folder a table tells of, by path or by name.

    Raises
    ------
    CohortError
        When it is no table of images.
    """
    try:
        columns, by_name, _ = matched(columns_in(table), table, files)
        reader = RowReader(table, columns, by_name)
        cells = set(cells_of(columns.image or "", columns, table))
    except TableError as error:
        raise CohortError(f"{table.name} {error}") from error
    told = set()
    for cell in cells:
        with suppress(RowError, AmbiguousNameError):
            told.add(reader.image(cell, 0))
    return {path for path in told if path is not None}


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


def commas_told(columns: Collection[str]) -> str:
    """Say in which columns numbers have a decimal comma; empty for none."""
    if not columns:
        return ""
    names = ", ".join(printable(name, 40) for name in sorted(columns)[:8])
    return f"a comma stands before the fractions of numbers, and was read so: {names}"


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
