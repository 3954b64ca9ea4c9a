"""Cohorts on disk: a table of images, labels and patients, read case by case.

A cohort is a folder with ``cohort.csv``, or such a table itself. Its columns are
``image`` (a path relative to the table) and, all of them optional, ``labels``, ``id``,
``sex``, ``race``, ``age``, ``severity`` and any further attribute that a model card
names. A blank cell means that a value is not known. Cohorts are written by
:mod:`napari_dmoe.cohorts.writing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import defusedcsv.csv as csv

from napari_dmoe.cohorts.case import Case, CohortError, Selection
from napari_dmoe.cohorts.classes import ClassedCases
from napari_dmoe.cohorts.labels import fitting
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.patient import Patient, PatientError

TABLE = "cohort.csv"
"""Name of the table in a cohort's folder."""

FILE_COLUMNS = ("id", "image", "labels")
"""Columns that are no attributes of the patient."""

_ESCAPED = re.compile(r"'[@+\-=|%]")


@dataclass(frozen=True)
class CohortRow:
    """One row of a cohort's table, its files not yet read."""

    number: int
    """As spreadsheets count: the header is row 1."""
    id: str
    """The case's id; the image's path where the table gives none."""
    image: Path
    labels: Path | None
    patient: Patient

    def read(self) -> Case:
        """Read the files.

        Raises
        ------
        CohortError
            When a file cannot be read, or labels are no whole numbers, one a pixel of
            the image, or lie elsewhere than the image.
        """
        image = self._file(self.image)
        if self.labels is None:
            return Case(self.id, image, None, self.patient)
        labels = self._file(self.labels, read_labels)
        try:
            return Case(self.id, image, fitting(labels, image), self.patient)
        except CohortError as error:
            raise CohortError(
                f"row {self.number}: {self.labels.name}: {error}"
            ) from error

    def _file(
        self, path: Path, read: Callable[[Path], SpatialImage] = read_image
    ) -> SpatialImage:
        try:
            return read(path)
        except (OSError, ImageError) as error:
            raise CohortError(
                f"row {self.number}: {path.name} cannot be read: {error}"
            ) from error


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be understood, counted as in :class:`CohortRow`."""

    number: int
    problem: CohortError


@dataclass(frozen=True)
class Cohort(Sequence[Case]):
    """Cases of a table, which are read from disk each time they are asked for."""

    rows: tuple[CohortRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> Cohort: ...

    def __getitem__(self, index: int | slice) -> Case | Cohort:
        if isinstance(index, slice):
            return Cohort(self.rows[index])
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
        When the table is missing, is no such table, repeats an id, names a file that
        does not exist, or holds a value that cannot be understood. The message names
        the row, counting the header as row 1, but never repeats a patient's value.
    """
    table = _table_at(path)
    rows: list[CohortRow] = []
    seen: dict[str, int] = {}
    for row in read_rows(path):
        if isinstance(row, BadRow):
            raise row.problem
        if row.id in seen:
            raise CohortError(
                f"{table.name}: rows {seen[row.id]} and {row.number} have the same id "
                f"{row.id!r}: give each case an id of its own"
            )
        seen[row.id] = row.number
        rows.append(row)
    return Cohort(tuple(rows))


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
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CohortError(f"{table.name} is no CSV table in UTF-8: {error}") from error
    header = [name.strip() for name in lines[0]] if lines else []
    if "image" not in header:
        found = ", ".join(header[:8]) or "nothing"
        raise CohortError(f"{table.name} has no column 'image': found {found}")
    doubled = [name for name in header if name and header.count(name) > 1]
    if doubled:
        raise CohortError(f"{table.name} has the column {doubled[0]!r} twice")
    for number, cells in enumerate(lines[1:], start=2):
        if any(cell.strip() for cell in cells):
            try:
                yield _row(table, number, header=header, cells=cells)
            except CohortError as error:
                yield BadRow(number, error)


def _row(
    table: Path, number: int, *, header: Sequence[str], cells: Sequence[str]
) -> CohortRow:
    where = f"{table.name}, row {number}"
    if len(cells) > len(header):
        raise CohortError(
            f"{where}: {len(cells)} cells, but the header has {len(header)} columns"
        )
    values = {
        name: _unescaped(cell.strip())
        for name, cell in zip(header, cells, strict=False)
        if name
    }
    image = _existing(table, values.get("image", ""), where=where)
    if image is None:
        raise CohortError(f"{where}: no image is named")
    labels = _existing(table, values.get("labels", ""), where=where)
    attributes = {k: v for k, v in values.items() if k not in FILE_COLUMNS}
    try:
        patient = Patient.from_values(attributes)
    except PatientError as error:
        raise CohortError(f"{where}: {error}") from error
    identity = values.get("id") or values["image"]
    return CohortRow(number, identity, image, labels, patient)


def _existing(table: Path, name: str, *, where: str) -> Path | None:
    if not name:
        return None
    path = table.parent / name
    if not path.is_file():
        raise CohortError(f"{where}: {name} does not exist")
    return path


def _unescaped(cell: str) -> str:
    """Undo what writing does to text that a spreadsheet would compute."""
    return cell[1:].replace("\\|", "|") if _ESCAPED.match(cell) else cell


def patients_of(cases: Sequence[Case]) -> tuple[Patient, ...]:
    """Return whom cases show, without reading images where a table tells it."""
    if isinstance(cases, Cohort):
        return tuple(row.patient for row in cases.rows)
    if isinstance(cases, ClassedCases):
        return patients_of(cases.cases)
    if isinstance(cases, Selection):
        everyone = patients_of(cases.cases)
        return tuple(everyone[place] for place in cases.places)
    return tuple(case.patient for case in cases)
