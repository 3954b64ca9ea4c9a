"""Cohorts on disk: a table of images, labels and patients, read case by case.

A cohort is a folder with ``cohort.csv``, or such a table itself. Its columns are
``image`` (a path relative to the table) and, all of them optional, ``labels``, ``id``,
``sex``, ``race``, ``age``, ``severity``, a column of subjects and any further attribute
that a model card names; :mod:`napari_dmoe.cohorts.tables.columns` has the other names
that they go by. A table without paths, as cohorts are published, tells images by their
names in its folder and below (:mod:`napari_dmoe.cohorts.tables.matching`). A blank cell
means that a value is not known. A table without ids calls its cases as
:mod:`napari_dmoe.cohorts.tables.rows` says. Cohorts are written by
:mod:`napari_dmoe.cohorts.writing`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from napari_dmoe.cohorts.case import Case, CaseRow, CohortError, Selection
from napari_dmoe.cohorts.classes import ClassedCases
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.cohorts.tables.columns import columns_told
from napari_dmoe.cohorts.tables.finding import read_found, table_at
from napari_dmoe.cohorts.tables.reading import TableRows
from napari_dmoe.cohorts.tables.refusals import one_error
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.patient import Patient


@dataclass(frozen=True)
class Cohort(Sequence[Case]):
    """Cases of a table, which are read from disk each time they are asked for."""

    rows: tuple[CaseRow, ...]
    notices: tuple[str, ...] = ()
    """What was understood of the table, and what was not used, in sentences."""
    title: str = ""
    """Name of the table's file, without its folder."""
    layout: str = "folder"
    """How it lies on disk: see :mod:`napari_dmoe.cohorts.layouts.opening`."""
    classes: tuple[str, ...] = ()
    """Names of what its labels number, background first, where a layout states them."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with rows that are not among these."""
    header: tuple[str, ...] = ()
    """The columns of its table as that calls them; none where they are a layout's."""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> Cohort: ...

    def __getitem__(self, index: int | slice) -> Case | Cohort:
        if isinstance(index, slice):
            return replace(self, rows=self.rows[index])
        return self.rows[index].read()

    def row_of(self, case: str) -> CaseRow:
        """Return the row of a case by its id.

        Raises
        ------
        CohortError
            When no case has that id.
        """
        for row in self.rows:
            if row.id == case:
                return row
        raise CohortError(f"no case of {self.title or 'the cohort'} has that id")

    def refuse_without_labels(self, why: str) -> None:
        """Refuse a cohort of which no row has labels; say which columns there are.

        Raises
        ------
        CohortError
            With `why` labels are needed.
        """
        if not self.rows or any(row.labels is not None for row in self.rows):
            return
        said = f"{self.title or 'the cohort'} has no labels{why}"
        if self.header:
            said += f". Found are the columns {columns_told(self.header)}: call the "
            said += "one that names the masks labels or mask, or say which it is with "
            said += "--column NAME=labels"
        raise CohortError(said)


def read_cohort(
    path: str | Path,
    *,
    subject: str | None = None,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Cohort:
    """Read a cohort's table; images and labels are read later, one at a time.

    Parameters
    ----------
    path : str or Path
        A CSV file in UTF-8; or a folder that holds ``cohort.csv``, or else one table
        alone that tells of most of the images in it and below.
    subject : str, optional
        The column that tells of which patient or lesion a case is; by default those
        called as in :data:`~napari_dmoe.cohorts.tables.columns.SUBJECT_COLUMNS`.
    drivers : collection of str, optional
        Attributes that drive the model in hand, for the notices.
    columns : mapping of str to str, optional
        What columns mean, by their names in the table, where that is not what their
        names say: ``image``, ``labels``, ``id``, ``subject``, an attribute's name, or
        ``""`` for what is not to be used.

    Returns
    -------
    Cohort
        A sequence of :class:`Case`. Its notices say what was understood of the table
        otherwise than written, and what is not used.

    Raises
    ------
    CohortError
        When the table is missing, is no such table, repeats an id, names files that do
        not exist, or holds values that cannot be understood. The message names the
        rows, counting the header as row 1, and what is the same in many of them once;
        it never repeats a patient's value.
    """
    everything = read_table_rows(
        path, subject=subject, drivers=drivers, columns=columns
    )
    problems = [row.problem for row in everything.rows if isinstance(row, BadRow)]
    if problems:
        raise one_error(problems)
    rows = tuple(row for row in everything.rows if isinstance(row, CohortRow))
    seen: dict[str, int] = {}
    for row in rows:
        if row.id in seen:
            name = everything.table.name
            raise CohortError(
                f"{name}: rows {seen[row.id]} and {row.number} have the same id "
                f"{row.id!r}: give each case an id of its own"
            )
        seen[row.id] = row.number
    told = everything.notices, everything.table.name
    return Cohort(rows, *told, header=everything.columns.header)


def read_rows(path: str | Path) -> list[CohortRow | BadRow]:
    """Read a cohort's table row by row; bad rows do not hide the good ones.

    Raises
    ------
    CohortError
        When the table is missing, is no such table, or has no rows.
    """
    return list(read_table_rows(path).rows)


def read_table_rows(
    path: str | Path,
    *,
    subject: str | None = None,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
    needs_labels: bool = True,
    needs_image: bool = True,
) -> TableRows:
    """Read a cohort's table as :func:`read_rows`, with what is to be said of it.

    See :func:`read_cohort` for the arguments. Unless it `needs_labels`, a row whose
    labels are not there is a row without labels, and told; unless it `needs_image`, a
    row of labels alone is good, too.
    """
    return read_found(
        table_at(path),
        subject=subject,
        drivers=drivers,
        columns=columns,
        needs_labels=needs_labels,
        needs_image=needs_image,
    )


def rows_of(cases: Sequence[Case]) -> Sequence[Case | CaseRow]:
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
