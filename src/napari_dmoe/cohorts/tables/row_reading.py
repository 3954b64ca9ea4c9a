"""The cells of a table's rows, made into cases on disk, or into what is wrong.

A row that names no case by an id of its own gets one that tells nobody's folders: the
image's path from the table's folder on, where the table says so, else the file's name.
A table that tells names of images and no paths brings the files of its folder with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from unicodedata import normalize

from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.cohorts.tables.columns import Columns
from napari_dmoe.cohorts.tables.matching import AmbiguousNameError, FolderFiles
from napari_dmoe.cohorts.tables.refusals import RowError
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.imaging.files import is_image_folder
from napari_dmoe.imaging.tables import unescaped
from napari_dmoe.patient import Patient, PatientError

_LONGEST = 120
"""Characters of a file's name that a message repeats."""


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
    needs_image: bool = True
    """Whether a row is bad, or left out, that has no image."""
    commas: frozenset[str] = frozenset()
    """Columns of numbers with a comma before their fractions."""
    truths: FolderFiles | None = None
    """Where labels are looked for that the table tells by name."""
    subject_cells: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Cells of the columns of subjects, by the row's number."""
    without_image: list[int] = field(default_factory=list)
    """Numbers of the rows whose image is not among the files."""
    without_labels: list[int] = field(default_factory=list)
    """Numbers of the rows whose labels, though named, are not."""
    imageless: list[int] = field(default_factory=list)
    """Numbers of the rows whose image, though named, is not there or needed."""
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
            name: self._plain(name, unescaped(cell.strip()))
            for name, cell in zip(header, cells, strict=False)
            if name
        }
        named = values.get(self.columns.image or "", "")
        if len(cells) > len(header):
            problem = self._too_many(number, len(cells))
            return BadRow(number, problem, image=self._place(named))
        identity = values.get(self.columns.identity or "", "")
        called = named or values.get(self.columns.labels or "", "")
        identity = identity or (self._id_of(called) if called else "")
        further = {name: values.get(name, "") for name in self.further}
        wrong: list[RowError] = []
        row = self._row(number, identity, values, further, wrong)
        if wrong:
            first, *also = (error.with_traceback(None) for error in wrong)
            known = identity, self._place(named), further, tuple(also)
            return BadRow(number, first, *known)
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
        wrong: list[RowError],
    ) -> CohortRow | None:
        """Return what a row names, noting everything that is wrong with it."""
        columns = self.columns
        find = partial(self._found, wrong, values, number)
        image = find(columns.image, lambda name: self._image(name, number))
        if image is None and not wrong and self.needs_image:
            return None
        labels = find(columns.labels, lambda name: self._labels(name, image, number))
        prediction = find(
            columns.prediction, lambda name: self._prediction(name, number)
        )
        if image is None and labels is None and self.files is not None:
            return None
        patient = self.patient(values, number)
        if isinstance(patient, RowError):
            wrong.append(patient)
            return None
        return CohortRow(
            number,
            identity,
            image or Path(),
            labels,
            patient,
            further=further,
            prediction=prediction,
        )

    def _found(
        self,
        wrong: list[RowError],
        values: Mapping[str, str],
        number: int,
        column: str | None,
        find: Callable[[str], Path | None],
    ) -> Path | None:
        """Return the file that a column names, noting what is wrong with it."""
        cell = values.get(column or "", "")
        try:
            return find(cell)
        except AmbiguousNameError as error:
            expected = f"one file of that name; {error}"
            problem = Problem(number, column or "", cell, expected)
            told = error.reason, error.names
            wrong.append(RowError(self.table.name, number, *told, problems=[problem]))
        except RowError as error:
            expected = "a file that exists" if cell else "the image's file"
            problem = Problem(number, column or "", cell, expected)
            told = error.reason, error.value
            wrong.append(RowError(self.table.name, number, *told, problems=[problem]))
        return None

    def _plain(self, column: str, cell: str) -> str:
        """Return a cell with a point before the fractions of its number."""
        return cell.replace(",", ".") if column in self.commas else cell

    def _too_many(self, number: int, n_cells: int) -> RowError:
        n = len(self.columns.header)
        reason = f"{n_cells} cells, but the header has {n} columns"
        problem = Problem(number, "", f"{n_cells} cells", f"{n}, as the header has")
        return RowError(self.table.name, number, reason, problems=[problem])

    def _image(self, name: str, number: int) -> Path | None:
        """Return a row's image; None where none is needed, too."""
        if self.needs_image:
            return self.image(name, number)
        found = self._beside(name)
        if found is None and name and self.files is not None:
            found = self.files.image(name)
        if found is None and name:
            self.imageless.append(number)
        return found

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

    def _labels(self, name: str, image: Path | None, number: int) -> Path | None:
        if self.files is None:
            found = self._beside(name)
            if name and found is None and self.truths is not None:
                found = self.truths.truth(name)
            if name and found is None:
                if self.needs_labels:
                    raise self._lost(name, number)
                self.without_labels.append(number)
            return found
        if self.columns.labels is None:
            return self.files.labels_of(image) if image is not None else None
        found = self._beside(name) or (self.files.truth(name) if name else None)
        if name and found is None:
            self.without_labels.append(number)
        return found

    def _prediction(self, name: str, number: int) -> Path | None:
        found = self._beside(name)
        if name and found is None and self.needs_labels:
            raise self._lost(name, number)
        return found

    def _lost(self, name: str, number: int) -> RowError:
        return RowError(self.table.name, number, "does not exist", shown_name(name))

    def _beside(self, name: str) -> Path | None:
        """Return the file of a path from the table's folder on; None where none is."""
        # A name alone is no path: its file is looked up, not asked of the disk.
        if not name or (self.files is not None and "." not in name):
            return None
        # Macs take the accents of names apart, and tables mostly have them whole.
        for written in dict.fromkeys(
            (name, normalize("NFC", name), normalize("NFD", name))
        ):
            if is_there(path := self.table.parent / written):
                return path
        return None

    def patient(self, values: Mapping[str, str], number: int) -> Patient | RowError:
        """Return whom cells by column show, or what is wrong with them."""
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
        patient = self._patients[key]
        if isinstance(patient, Patient):
            return patient
        problems = self._wrong_values(values, number)
        if not problems:
            problems = [Problem(number, "", "", patient)]
        return RowError(self.table.name, number, patient, problems=problems)

    def _wrong_values(self, values: Mapping[str, str], number: int) -> list[Problem]:
        """Return the cells of a patient that cannot be read by themselves."""
        found = []
        for column, name in self._attributes:
            cell = values.get(column, "")
            try:
                Patient.from_values({name: cell})
            except PatientError as error:
                found.append(Problem(number, column, cell, str(error), is_private=True))
        return found

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
    if name != ".." and not {"/", "\\", ":"}.intersection(name):
        return True  # a name alone, as most are
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


def is_there(path: Path) -> bool:
    """Say whether there is a file of that path, or a folder that is an image."""
    if is_a_file(path):
        return True
    try:
        return is_image_folder(path)
    except (OSError, ValueError):
        return False


def is_a_file(path: Path) -> bool:
    """Say whether there is a file of that path, which may be none at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or that none can have
        return False
