"""Cohorts on disk: a table of images, labels and patients, read case by case.

A cohort is a folder with ``cohort.csv``, or such a table itself. Its columns are
``image`` (a path relative to the table) and, all of them optional, ``labels``, ``id``,
``sex``, ``race``, ``age``, ``severity`` and any further attribute that a model card
names. A blank cell means that a value is not known. A table without ids calls its cases
as :mod:`napari_dmoe.cohorts.rows` says. Cohorts are written by
:mod:`napari_dmoe.cohorts.writing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

from napari_dmoe.cohorts.case import Case, CohortError, Selection
from napari_dmoe.cohorts.classes import ClassedCases
from napari_dmoe.cohorts.rows import BadRow, CohortRow, RowReader, one_error
from napari_dmoe.imaging.tables import TableError, read_table, unescaped
from napari_dmoe.patient import Patient

TABLE = "cohort.csv"
"""Name of the table in a cohort's folder."""

MAX_ROWS = 250_000
"""Cases that a table may have: more than any cohort that fits into one folder."""

MAX_COLUMNS = 16_384
"""Columns that a table may have, as in spreadsheets."""


@dataclass(frozen=True)
class Cohort(Sequence[Case]):
    """Cases of a table, which are read from disk each time they are asked for."""

    rows: tuple[CohortRow, ...]
    notices: tuple[str, ...] = ()
    """What was understood of the table, and what was not used, in sentences."""
    title: str = ""
    """Name of the table's file, without its folder."""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> Cohort: ...

    def __getitem__(self, index: int | slice) -> Case | Cohort:
        if isinstance(index, slice):
            return Cohort(self.rows[index], self.notices, self.title)
        return self.rows[index].read()


def read_cohort(path: str | Path) -> Cohort:
    """Read a cohort's table; images and labels are read later, one at a time.

    Parameters
    ----------
    path : str or Path
        A folder that holds ``cohort.csv``, or a CSV file in UTF-8.

    Returns
    -------
    Cohort
        A sequence of :class:`Case`.

    Raises
    ------
    CohortError
        When the table is missing, is no such table, repeats an id, names files that do
        not exist, or holds values that cannot be understood. The message names the
        rows, counting the header as row 1, and what is the same in many of them once;
        it never repeats a patient's value.
    """
    table = _table_at(path)
    everything = read_rows(path)
    problems = [row.problem for row in everything if isinstance(row, BadRow)]
    if problems:
        raise one_error(problems)
    rows = tuple(row for row in everything if isinstance(row, CohortRow))
    seen: dict[str, int] = {}
    for row in rows:
        if row.id in seen:
            raise CohortError(
                f"{table.name}: rows {seen[row.id]} and {row.number} have the same id "
                f"{row.id!r}: give each case an id of its own"
            )
        seen[row.id] = row.number
    return Cohort(rows, title=table.name)


def read_rows(path: str | Path) -> list[CohortRow | BadRow]:
    """Read a cohort's table row by row; bad rows do not hide the good ones.

    Raises
    ------
    CohortError
        When the table is missing, is no such table, or has no rows.
    """
    table = _table_at(path)
    rows = list(_rows(table))
    if not rows:
        raise CohortError(f"{table.name} has no rows below its header")
    return rows


def _table_at(path: str | Path) -> Path:
    table = Path(path)
    table = table / TABLE if table.is_dir() else table
    if not table.is_file():
        raise CohortError(
            f"there is no cohort at {path}: expected a folder with {TABLE}, or a CSV "
            "file"
        )
    return table


def _rows(table: Path) -> Iterator[CohortRow | BadRow]:
    try:
        _check_length(table)
        lines = read_table(table, column="image")
        reader = RowReader(table, _header(table, next(lines, [])))
        for number, cells in enumerate(lines, start=2):
            if any(cell.strip() for cell in cells):
                yield reader.row(number, cells)
    except TableError as error:
        raise CohortError(f"{table.name} {error}") from error


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
    if "image" not in header:
        found = ", ".join(name[:40] for name in header[:8]) or "nothing"
        raise CohortError(f"{table.name} has no column 'image': found {found}")
    seen: set[str] = set()
    for name in header:
        if name and name in seen:
            raise CohortError(f"{table.name} has the column {name!r} twice")
        seen.add(name)
    return header


def rows_of(cases: Sequence[Case]) -> Sequence[Case | CohortRow]:
    """Return what is known of cases, without reading images where a table tells it."""
    if isinstance(cases, Cohort):
        return cases.rows
    if isinstance(cases, ClassedCases):
        return rows_of(cases.cases)
    if isinstance(cases, Selection):
        everything = rows_of(cases.cases)
        return [everything[place] for place in cases.places]
    return cases


def patients_of(cases: Sequence[Case]) -> tuple[Patient, ...]:
    """Return whom cases show, without reading images where a table tells it."""
    return tuple(row.patient for row in rows_of(cases))


def subjects_of(cases: Sequence[Case]) -> tuple[str | None, ...]:
    """Return what cases of one patient or lesion share, as :func:`patients_of`."""
    return tuple(row.subject for row in rows_of(cases))


def title_of(cases: Sequence[Case]) -> str:
    """Return the file name of the table that cases are read from; "" without one."""
    while isinstance(cases, ClassedCases | Selection):
        cases = cases.cases
    return cases.title if isinstance(cases, Cohort) else ""
