"""HAM10000 as it is split for the published tests: a CSV of paths beside the images.

Its columns are ``image_id, Path, Sex, Age_multi, localization``; a mask lies where the
published code looks for it. The metadata that HAM10000 itself is published with is read
like any other table (:mod:`napari_dmoe.cohorts.tables`).

References
----------
Tschandl et al., The HAM10000 dataset, Scientific Data 5, 2018,
doi:10.1038/sdata.2018.161.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PureWindowsPath

import numpy as np

from napari_dmoe.attributes import is_unknown, name_key
from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.fairseg import find_beside
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.cohorts.tables.columns import columns_of, tells_who
from napari_dmoe.cohorts.tables.row_reading import is_a_file
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.cohorts.tables.subjects import marks_told, subjects_told
from napari_dmoe.cohorts.tables.telling import lines_of
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.tables import TableError, encoding_of, read_table, unescaped
from napari_dmoe.patient import Patient, PatientError

LAYOUT = "ham10000"
CLASSES = ("background", "lesion")
SPLITS = "HAM_split"
"""Folder of the tables."""

AGE_BANDS = ("0-19", "20-39", "40-59", "60-79", "80 and over")
"""What ``Age_multi`` numbers, from 0: the bands of the card ``ham10000-age``."""

_SEXES: Mapping[str, str] = {"m": "male", "f": "female"}
_BANDS_EXPECTED = f"a whole number from 0 to {len(AGE_BANDS) - 1}, or blank for unknown"
_NEEDED = ("path", "agemulti")
_KNOWN = ("image_id", "Path", "Sex", "Age_multi", "localization")
_MOST = 64
"""Tables and folders that are looked into."""


@dataclass(frozen=True)
class HamFiles:
    """The table of a cohort, and the folder that its paths begin in."""

    table: Path
    base: Path


def find_ham(path: Path, list_file: str | Path | None) -> HamFiles | None:
    """Return what of a cohort lies at a table, a folder, or the one around it.

    None where nothing there looks like one.

    Raises
    ------
    CohortError
        When a table is named that is not there, or several could be meant.
    """
    if not path.is_dir():
        return HamFiles(path, _base(path)) if is_split(path) else None
    if list_file is not None:
        with suppress(CohortError):
            table = find_beside(path, list_file, SPLITS, ".csv")
            return HamFiles(table, _base(table)) if is_split(table) else None
    tables = list(_splits(path))
    if not tables:
        return None
    if list_file is not None:
        raise CohortError(
            f"there is no table {printable(str(list_file))}: found {_names(tables)}"
        )
    if len(tables) > 1:
        raise CohortError(
            f"{path.name} has several tables, {_names(tables)}: name one with --list"
        )
    return HamFiles(tables[0], _base(tables[0]))


def is_split(table: Path) -> bool:
    """Say whether a table has the columns of the published split."""
    try:
        header = next(read_table(table, column="image_id"), [])
    except (OSError, TableError):
        return False
    return set(_NEEDED) <= {name_key(unescaped(name.strip())) for name in header}


def read_ham(found: HamFiles, *, subject: str | None = None) -> Cohort:
    """Read a table; images and masks are read later, one at a time.

    Raises
    ------
    CohortError
        When it cannot be read, has no rows, or has no column `subject`.
    """
    try:
        header = next(read_table(found.table, column="image_id"), [])
        names = [unescaped(name.strip()) for name in header]
        reader = _Reader(found, tuple(names))
        columns = columns_of(names, found.table.name, subject)
        subjects, cells = columns.subjects, []
        rows: list[CohortRow] = []
        for number, line in lines_of(found.table):
            told = dict(zip(names, (unescaped(c.strip()) for c in line), strict=False))
            row = reader.row(number, told, n_cells=len(line))
            if row is not None:
                rows.append(row)
                cells.append(tuple(told.get(name, "") for name in subjects))
    except TableError as error:
        raise CohortError(f"{found.table.name} {error}") from error
    if not rows and not reader.problems:
        raise CohortError(f"{found.table.name} has no rows below its header")
    together, kept = subjects_told(cells, subjects)
    marks = marks_told(cells, subjects)
    said = (
        f"read as HAM10000: {found.table.name}, whose paths begin in {found.base.name}",
        kept,
        encoding_of(found.table).notice,
        *reader.notices(),
    )
    return Cohort(
        tuple(
            replace(row, subject=own, marks=mark)
            for row, own, mark in zip(rows, together, marks, strict=True)
        ),
        tuple(filter(None, said)),
        found.table.name,
        LAYOUT,
        CLASSES,
        tuple(reader.problems),
    )


def mask_of(image: str) -> str:
    """Return where a mask lies, by the published rule.

    Examples
    --------
    >>> mask_of("HAM10000_images/ISIC_0024306.jpg")
    'HAM10000_segmentations/ISIC_0024306_segmentation.png'
    """
    swapped = image.replace("_images", "_segmentations")
    return swapped.replace(".jpg", "_segmentation.png")


class HamRow(CohortRow):
    """One row, whose mask is the lesion wherever it is not zero."""

    __slots__ = ()

    def read(self) -> Case:
        """Read the image and the mask: 0 background, 1 lesion."""
        case = super().read()
        labels = case.labels
        return replace(case, labels=labels and _lesion(labels))

    def read_labels(self) -> SpatialImage:
        """Read the mask alone, likewise."""
        return _lesion(super().read_labels())


def _lesion(labels: SpatialImage) -> SpatialImage:
    return replace(labels, data=(np.asarray(labels.data) != 0).astype(np.uint8))


@dataclass
class _Reader:
    """Makes rows of the cells of one table."""

    files: HamFiles
    header: tuple[str, ...]
    problems: list[Problem] = field(default_factory=list)
    without_mask: list[int] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the columns, whatever the case of their names."""
        by_key = {name_key(name): name for name in self.header}
        self._column = {name: by_key.get(name_key(name), name) for name in _KNOWN}
        used = set(self._column.values())
        self._further = tuple(
            n for n in self.header if n and n not in used and not tells_who(n)
        )

    def row(
        self, number: int, told: Mapping[str, str], *, n_cells: int
    ) -> CohortRow | None:
        """Return what a row names; None with a problem more."""
        n_before = len(self.problems)
        if n_cells > len(self.header):
            expected = f"{len(self.header)} cells, as the header has"
            self._note(number, "", f"{n_cells} cells", expected)
        path = told.get(self._column["Path"], "")
        image, labels = self._files(number, path)
        identity = told.get(self._column["image_id"], "") or PureWindowsPath(path).stem
        self._note_twice(number, identity)
        patient = self._patient(number, told)
        if len(self.problems) > n_before or image is None:
            return None
        further = {name: told.get(name, "") for name in self._further}
        return HamRow(number, identity, image, labels, patient, further=further)

    def notices(self) -> Iterator[str]:
        """Say what was understood, and what is missing without being wrong."""
        yield (
            "Age_multi was read as the bands of the card ham10000-age: "
            + ", ".join(f"{code} {band}" for code, band in enumerate(AGE_BANDS))
        )

    def _files(self, number: int, path: str) -> tuple[Path | None, Path | None]:
        column = self._column["Path"]
        plain = path.replace("\\", "/")
        if not plain:
            self._note(number, column, "", "the path of an image")
            return None, None
        image = self.files.base / plain
        if not is_a_file(image):
            self._note(number, column, path, f"a file in {self.files.base.name}")
            return None, None
        labels = self.files.base / mask_of(plain)
        if labels == image or not is_a_file(labels):
            self._note(number, column, mask_of(path), "the mask's file, by its rule")
            return image, None
        return image, labels

    def _note_twice(self, number: int, identity: str) -> None:
        if identity in self._seen:
            expected = f"an id of its own; row {self._seen[identity]} has this one, too"
            self._note(number, self._column["image_id"], identity, expected)
        self._seen.setdefault(identity, number)

    def _patient(self, number: int, told: Mapping[str, str]) -> Patient:
        sex = told.get(self._column["Sex"], "")
        site = told.get(self._column["localization"], "")
        band = told.get(self._column["Age_multi"], "")
        stated: dict[str, str] = {"body_site": site}
        if not is_unknown(sex):
            stated["sex"] = _SEXES.get(sex.casefold(), sex)
        if not is_unknown(band) and band not in ("-1", "-1.0"):
            code = band.removesuffix(".0")
            if code.isdecimal() and int(code) < len(AGE_BANDS):
                stated["age"] = AGE_BANDS[int(code)]
            else:
                column = self._column["Age_multi"]
                self._note(number, column, band, _BANDS_EXPECTED, is_private=True)
        try:
            return Patient.from_values(stated)
        except PatientError as error:
            self._note(number, self._column["Sex"], sex, str(error), is_private=True)
            return Patient()

    def _note(
        self,
        number: int,
        column: str,
        value: str,
        expected: str,
        *,
        is_private: bool = False,
    ) -> None:
        self.problems.append(
            Problem(number, column, value, expected, is_private=is_private)
        )


def _splits(folder: Path) -> Iterator[Path]:
    """Yield the tables of a split that lie in a folder, below it, or beside it."""
    places = [folder]
    with suppress(OSError):
        inside = sorted(p for p in islice(folder.iterdir(), 10_000) if p.is_dir())
        places += inside[:_MOST]
    beside = folder.absolute().parent / SPLITS
    if beside.is_dir() and beside not in places:
        places.append(beside)
    for place in places:
        with suppress(OSError):
            for table in sorted(place.glob("*.csv"))[:_MOST]:
                if is_split(table):
                    yield table


def _base(table: Path) -> Path:
    """Return the folder that a table's paths begin in: beside the table, or near it.

    Where none has any of the first images, the folder of the table, so that each row
    tells that its image is not there.
    """
    here = table.absolute().parent
    places = [here, here.parent]
    for around in (here, here.parent):
        with suppress(OSError):
            inside = sorted(p for p in islice(around.iterdir(), 10_000) if p.is_dir())
            places += inside[:_MOST]
    header = [name_key(n) for n in next(read_table(table, column="image_id"), [])]
    column = header.index("path")
    for _, cells in islice(lines_of(table), 20):
        path = cells[column].strip().replace("\\", "/") if column < len(cells) else ""
        for place in places:
            if path and is_a_file(place / path):
                return place
    return here


def _names(tables: Sequence[Path]) -> str:
    shown = ", ".join(printable(table.name) for table in tables[:5])
    return f"{shown}, ..." if len(tables) > 5 else shown
