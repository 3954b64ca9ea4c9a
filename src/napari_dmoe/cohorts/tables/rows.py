"""Rows of a cohort's table: whom they show, which files, and what is wrong with them.

A row that names no case by an id of its own gets one that tells nobody's folders: the
image's path from the table's folder on, where the table says so, else the file's name.
A table that tells names of images and no paths brings the files of its folder with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from unicodedata import normalize

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.drawn import as_drawn
from napari_dmoe.cohorts.labels import fitting
from napari_dmoe.cohorts.tables.columns import Columns
from napari_dmoe.cohorts.tables.matching import AmbiguousNameError, FolderFiles
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.tables import unescaped
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.purpose import reason

FILE_COLUMNS = ("id", "image", "labels")
"""Columns that are no attributes of the patient."""

_LONGEST = 120
"""Characters of a file's name that a message repeats."""

_SHOWN = 3
"""Rows and files that a message names where many are alike."""

_KINDS = 5
"""Different problems that one message names."""


class RowError(CohortError):
    """What is wrong with one row, in parts, so that many can be told as one.

    Parameters
    ----------
    table : str
        The table's file name.
    number : int
        Which row it is; the header is row 1.
    reason : str
        What is wrong.
    value : str
        The file that `reason` is said of. Never a patient's value.
    """

    def __init__(self, table: str, number: int, reason: str, value: str = "") -> None:
        said = f"{value} {reason}" if value else reason
        super().__init__(f"{table}, row {number}: {said}")
        self.table, self.number = table, number
        self.reason, self.value = reason, value

    def __reduce__(self) -> tuple[type[RowError], tuple[str, int, str, str]]:
        """Let other processes be told."""
        return RowError, (self.table, self.number, self.reason, self.value)


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One row of a cohort's table, its files not yet read."""

    number: int
    """As spreadsheets count: the header is row 1."""
    id: str
    """The case's id; of the image's path or name where the table gives none."""
    image: Path
    labels: Path | None
    patient: Patient
    subject: str | None = None
    """As in :class:`~napari_dmoe.cohorts.case.Case`."""
    marks: tuple[str, ...] = ()
    """As there."""
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What stands in columns that are not used, by the names that the table gives
    them; see :meth:`~napari_dmoe.cohorts.tables.columns.Columns.further`."""

    def __repr__(self) -> str:
        """Show the row alone, and nothing that stands in it."""
        return f"CohortRow(number={self.number})"

    def read(self) -> Case:
        """Read the files.

        Raises
        ------
        CohortError
            When a file cannot be read, or labels are no whole numbers, one a pixel of
            the image, or lie elsewhere than the image.
        """
        image = self._file(self.image, read_image)
        drawn = as_drawn(self.image, self.labels, self.patient)
        known = self.patient, self.subject, *drawn, self.marks
        if self.labels is None:
            return Case(self.id, image, None, *known)
        labels = self._file(self.labels, read_labels)
        try:
            placed = fitting(labels, image)
            return Case(self.id, image, placed, *known)
        except CohortError as error:
            raise CohortError(
                f"row {self.number}: {self.labels.name}: {error}"
            ) from error

    def _file(self, path: Path, read: Callable[[Path], SpatialImage]) -> SpatialImage:
        try:
            return read(path)
        except (OSError, ImageError) as error:
            raise CohortError(
                f"row {self.number}: {path.name} cannot be read: {reason(error)}"
            ) from error


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be understood, counted as in :class:`CohortRow`."""

    number: int
    problem: RowError
    id: str = ""
    """The case's id, where the row tells it, as for a good row."""
    image: Path = Path()
    """The image's file, where the row tells it; it may not exist."""
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """As for a good row."""

    def __repr__(self) -> str:
        """Show what is wrong with which row, and nothing that stands in it."""
        return f"BadRow(number={self.number}, problem={self.problem!r})"


@dataclass
class RowReader:
    """Makes rows of the cells of one table, from its first row to its last."""

    table: Path
    columns: Columns
    files: FolderFiles | None = None
    """Where images are looked for that the table tells by name."""
    further: tuple[str, ...] = ()
    """Columns that are not used, whose cells go along with each row."""
    needs_labels: bool = True
    """Whether a row is bad whose labels' path leads nowhere."""
    truths: FolderFiles | None = None
    """Where labels are looked for that the table tells by name."""
    subject_cells: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Cells of the columns of subjects, by the row's number."""
    without_image: list[int] = field(default_factory=list)
    """Numbers of the rows whose image is not among the files."""
    without_labels: list[int] = field(default_factory=list)
    """Numbers of the rows whose labels, though named, are not."""
    missing: set[int] = field(default_factory=set)
    """Numbers of the bad rows whose image's path leads nowhere."""
    _patients: dict[tuple[str, ...], Patient | str] = field(default_factory=dict)
    """Each patient once, as many rows are alike; or what is wrong with the values."""
    _ids: dict[str, str] = field(default_factory=dict)
    """Ids that were made of images, by the image's path."""
    _taken: dict[str, int] = field(default_factory=dict)
    """How often each id was wanted."""

    def row(self, number: int, cells: Sequence[str]) -> CohortRow | BadRow | None:
        """Return what a row names, or what is wrong with it; None without its image."""
        header = self.columns.header
        values = {
            name: unescaped(cell.strip())
            for name, cell in zip(header, cells, strict=False)
            if name
        }
        named = values.get(self.columns.image or "", "")
        if len(cells) > len(header):
            n = len(header)
            reason = f"{len(cells)} cells, but the header has {n} columns"
            problem = RowError(self.table.name, number, reason)
            return BadRow(number, problem, image=self._place(named))
        identity = values.get(self.columns.identity or "", "")
        identity = identity or (self._id_of(named) if named else "")
        further = {name: values.get(name, "") for name in self.further}
        try:
            row = self._row(number, identity, values, further)
        except RowError as error:
            image = self._place(named)
            problem = error.with_traceback(None)
            return BadRow(number, problem, identity, image, further)
        if row is not None:
            told = tuple(values.get(name, "") for name in self.columns.subjects)
            self.subject_cells[number] = told
        return row

    def _row(
        self,
        number: int,
        identity: str,
        values: Mapping[str, str],
        further: Mapping[str, str],
    ) -> CohortRow | None:
        columns = self.columns
        try:
            image = self.image(values.get(columns.image or "", ""), number)
            labels = image and self._labels(values, image, number)
        except AmbiguousNameError as error:
            told = error.reason, error.names
            raise RowError(self.table.name, number, *told) from error
        if image is None:
            return None
        patient = self._patient(values)
        if isinstance(patient, str):
            raise RowError(self.table.name, number, patient)
        return CohortRow(number, identity, image, labels, patient, further=further)

    def image(self, name: str, number: int) -> Path | None:
        """Return the image that a row names; None where files have none of its name.

        Raises
        ------
        RowError
            When its path leads nowhere, or it names none.
        AmbiguousNameError
            When several files are called so.
        """
        if self.files is None:
            if not name:
                raise RowError(self.table.name, number, "no image is named")
            image = self._beside(name)
            if image is None:
                self.missing.add(number)
                raise self._lost(name, number)
            return image
        found = self._beside(name) or (self.files.image(name) if name else None)
        if found is None:
            self.without_image.append(number)
        return found

    def _place(self, name: str) -> Path:
        """Return where the image of a bad row is, or would be."""
        found = None
        if self.files is not None:
            with suppress(AmbiguousNameError):
                found = self._beside(name) or self.files.image(name)
        return found or (self.table.parent / name if name else Path())

    def _labels(
        self, values: Mapping[str, str], image: Path, number: int
    ) -> Path | None:
        column = self.columns.labels
        name = values.get(column, "") if column else ""
        if self.files is None:
            found = self._beside(name)
            if name and found is None and self.truths is not None:
                found = self.truths.truth(name)
            if name and found is None:
                if self.needs_labels:
                    raise self._lost(name, number)
                self.without_labels.append(number)
            return found
        if column is None:
            return self.files.labels_of(image)
        found = self._beside(name) or (self.files.truth(name) if name else None)
        if name and found is None:
            self.without_labels.append(number)
        return found

    def _lost(self, name: str, number: int) -> RowError:
        return RowError(self.table.name, number, "does not exist", shown_name(name))

    def _beside(self, name: str) -> Path | None:
        """Return the file of a path from the table's folder on; None where none is."""
        # A name alone is no path: its file is looked up, not asked of the disk.
        if not name or (self.files is not None and not PurePosixPath(name).suffix):
            return None
        # Macs take the accents of names apart, and tables mostly have them whole.
        for written in dict.fromkeys(
            (name, normalize("NFC", name), normalize("NFD", name))
        ):
            if is_a_file(path := self.table.parent / written):
                return path
        return None

    def _patient(self, values: Mapping[str, str]) -> Patient | str:
        stated = {
            name: value
            for column, name in self._attributes
            if (value := values.get(column, ""))
        }
        key = (*stated, *stated.values())
        if key not in self._patients:
            try:
                self._patients[key] = Patient.from_values(stated)
            except PatientError as error:
                self._patients[key] = str(error)
        return self._patients[key]

    @cached_property
    def _attributes(self) -> list[tuple[str, str]]:
        """Columns, and the attribute that each is of; a refusal repeats the latter."""
        stated = self.columns.stated
        return [(name, stated.get(name, name)) for name in self.columns.attributes]

    def _id_of(self, image: str) -> str:
        """Return an id of what is the image's own: its place beside the table.

        Those named by a whole path, or elsewhere, are called by their names, as folders
        may name patients; those of one name are numbered in the table's order.
        """
        path = os.path.normpath(os.path.join(self._folder, image))  # noqa: PTH118
        if path not in self._ids:
            wanted = image if is_inside(image) else PureWindowsPath(path).name
            self._ids[path] = self._free(wanted)
        return self._ids[path]

    @cached_property
    def _folder(self) -> str:
        return str(self.table.parent.absolute())

    def _free(self, wanted: str) -> str:
        name, ends = wanted, PurePosixPath(wanted)
        while name in self._taken:
            self._taken[wanted] += 1
            number = self._taken[wanted]
            name = str(ends.with_name(f"{ends.stem}-{number}{ends.suffix}"))
        self._taken[name] = 1
        return name


def is_inside(name: str) -> bool:
    """Say whether a table's file name leads to a place in or below its folder.

    On every system the same is taken for a path of any system.
    """
    windows = PureWindowsPath(name)
    is_rooted = bool(windows.anchor) or PurePosixPath(name).is_absolute()
    return not (is_rooted or "://" in name or ".." in windows.parts)


def shown_name(name: str) -> str:
    """Return a file's name as messages repeat it: without other folders, not endless.

    Examples
    --------
    >>> shown_name("images/a.png"), shown_name("/home/anna/doe_john/a.png")
    ('images/a.png', 'a.png, in the folder that the row names,')
    """
    if not is_inside(name):
        last = _shortened(PureWindowsPath(name).name or "the file")
        return f"{last}, in the folder that the row names,"
    return _shortened(name)


def _shortened(name: str) -> str:
    half = _LONGEST // 2
    return name if len(name) <= _LONGEST else f"{name[:half]}...{name[-half:]}"


def is_a_file(path: Path) -> bool:
    """Say whether there is a file of that path, which may be none at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or that none can have
        return False


def one_error(problems: Sequence[RowError]) -> CohortError:
    """Return the problems of a table's rows as one error, each kind told once."""
    if len(problems) == 1:
        return problems[0]
    lines = told_once(problems)
    rest = len(lines) - _KINDS
    further = f"; and {rest:,} other problems" if rest > 0 else ""
    return CohortError(f"{problems[0].table}, {'; '.join(lines[:_KINDS])}{further}")


def told_once(problems: Iterable[RowError]) -> list[str]:
    """Return a line for each kind of problem, with the first rows that have it."""
    by_reason: dict[str, list[RowError]] = {}
    for problem in problems:
        by_reason.setdefault(problem.reason, []).append(problem)
    return [_told(alike) for alike in by_reason.values()]


def _told(alike: Sequence[RowError]) -> str:
    first, n = alike[0], len(alike)
    if n == 1:
        return str(first).removeprefix(f"{first.table}, ")
    more = ", ..." if n > _SHOWN else ""
    rows = ", ".join(str(problem.number) for problem in alike[:_SHOWN])
    values = ", ".join(problem.value for problem in alike[:_SHOWN] if problem.value)
    said = f"{first.reason} ({values}{more})" if values else first.reason
    return f"{n:,} rows ({rows}{more}): {said}"
