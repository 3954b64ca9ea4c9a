"""Which images there are to segment: of a file, a folder, or a cohort's table.

Not every picture in a folder is an image to segment: there are results of earlier runs,
masks that cohorts are published with, and what operating systems leave behind. What is
left out is told, with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

from napari_dmoe.attributes import attribute_called, name_key
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.facts import facts_of, told_taken
from napari_dmoe.cohorts.series.scans import scans_in
from napari_dmoe.cohorts.tables.beside import Neighbours
from napari_dmoe.cohorts.tables.finding import (
    TABLE,
    TABLE_SUFFIXES,
    Found,
    read_found,
    table_at,
    table_of,
)
from napari_dmoe.cohorts.tables.matching import AmbiguousNameError, FolderFiles
from napari_dmoe.cohorts.tables.reading import (
    TableRows,
    names_told,
    numbered,
    unlisted_told,
)
from napari_dmoe.cohorts.tables.refusals import RowError
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.dicom.library import has_dicom_suffix
from napari_dmoe.imaging.files import (
    IMAGE_SUFFIXES,
    image_stem,
    image_suffix,
    is_image_folder,
    refuse_no_image,
)
from napari_dmoe.imaging.ome_zarr.library import is_zarr
from napari_dmoe.models.naming import heard_of
from napari_dmoe.patient import Patient

_NOT_READ = re.compile(
    r"gif|webp|hei[cf]|avif|jp2|j2k|jxl|p[bgnp]m|psd|raw|dng|cr2|nef"
    r"|mgz|hdr|img|svs|ndpi|mrxs|czi|lif|nd2|np[yz]|mat|h5",
    re.IGNORECASE,
)
"""How images end that :func:`napari_dmoe.imaging.files.read_image` does not take."""

_SHOWN = 3
"""Names that are told of what was left out."""

_MANY = 20
"""Rows whose images are not there that are told at once, not one by one."""

RESULT = "results of earlier runs"
COMPANION = "masks or other views of images beside them"
HIDDEN = "hidden, as systems leave them behind"
FOLDER = "folders, though named like images"
LOST_LINK = "links that lead nowhere"
NO_FILE = "no files, but pipes or devices"
NOT_READ = "of kinds that are not read"
INSIDE = "in folders, which are not looked into"


@dataclass(frozen=True)
class Entry:
    """One image to segment, not yet read."""

    name: str
    path: Path
    patient: Patient
    problem: RowError | None = None
    """Why its row in the table cannot be understood."""
    row: int | None = None
    """Which row of the table it is; the header is row 1."""
    labels: Path | None = None
    """Its truth, where the table tells one."""
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What stands in the table's columns that are not used, as they are called there.
    Some may tell who the patient is: these go into the table of results, which is the
    user's own, and into no record, log or layer."""

    def __repr__(self) -> str:
        """Show the row alone, and nothing that tells whose image it is."""
        return f"Entry(row={self.row})"

    def of_model(self, drivers: Collection[str]) -> Entry:
        """Return it with what a model has heard of its patient."""
        return self._told(heard_of(self.patient, drivers), _keys(drivers))

    def _told(self, patient: Patient, driving: Collection[str]) -> Entry:
        """Return it with a patient, and without cells of what drives the model."""
        used = [each for each in self.further if name_key(each) in driving]
        if patient is self.patient and not used:
            return self
        further = {k: v for k, v in self.further.items() if k not in used}
        return replace(self, patient=patient, further=further)


@dataclass(frozen=True)
class Listing(Sequence[Entry]):
    """Images to segment, and what was left out."""

    entries: tuple[Entry, ...]
    notices: tuple[str, ...] = ()
    """A sentence for each reason for which something was left out."""

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Listing: ...

    def __getitem__(self, index: int | slice) -> Entry | Listing:
        if isinstance(index, slice):
            return Listing(self.entries[index], self.notices)
        return self.entries[index]


def entries_of(
    source: Path,
    patient: Patient | None = None,
    *,
    drivers: Collection[str] | None = None,
    columns: Mapping[str, str] | None = None,
    with_unlisted: bool = False,
) -> Listing:
    """List images: of a file, a folder of them or with ``cohort.csv``, or such a table.

    Those without a table show `patient`; everything is unknown by default. Of a table
    is told what was understood and what is not used; `drivers` are the attributes that
    drive the model in hand, and `columns` says what some columns mean, as in
    :func:`~napari_dmoe.cohorts.datasets.read_cohort`. Of a folder are left out, and
    told: results of earlier runs, masks and other views of an image beside them, hidden
    files, and what is no file that can be read. Its own folders are not looked into,
    but for those that are images: DICOM series, and zarr. Without a table an image's
    own DICOM header, or the BIDS table above it, says what `patient` leaves open.
    Images of the same name but for the suffix are called by the whole.

    A folder without ``cohort.csv`` is read by the one table in it that tells of most of
    its images, which is said; not where a `patient` is stated. Files beside those of a
    table that have no row are counted, and with `with_unlisted` they are listed, too,
    last, with an unknown patient. Rows that name an image by a path that leads nowhere
    are left out and counted where there are many, else listed with their problem.

    Raises
    ------
    CohortError
        For a table that cannot be read at all, or a patient beside one. A row that
        cannot be understood has its problem with it, and stops no other.
    ValueError
        For a folder without images, and for a file that is not there or is named like
        no image.
    """
    patient = patient or Patient()
    if source.suffix.lower() in TABLE_SUFFIXES or (source / TABLE).is_file():
        if patient.known():
            raise CohortError(
                "a cohort's table gives each patient: leave out --sex, --race, --age, "
                "--severity and --attribute"
            )
        table = table_at(source)
        return _of_table(table, drivers, columns, with_unlisted=with_unlisted)
    found = table_of(source) if source.is_dir() else Found()
    if found.table is None and (columns or with_unlisted):
        why = f" ({found.said})" if found.said else ""
        raise CohortError(
            f"{source.name} has no table whose columns or rows could be meant{why}: "
            "name a CSV file"
        )
    if not source.is_dir() or is_zarr(source):
        refuse_no_image(source)
        return _with_facts([Entry(_name_of(source), source, patient)], [])
    if found.table is None or patient.known():
        said = found.said
        if found.table is not None:
            name = printable(found.table.name)
            said = f"{name} tells of these images, and is not read: a patient is stated"
        return _of_folder(source, patient, [said] if said else [])
    return _of_table(found, drivers, columns, with_unlisted=with_unlisted)


def _of_folder(source: Path, patient: Patient, said: Sequence[str]) -> Listing:
    images, left_out = _images_in(source)
    scans, told = scans_in(source, alone=not images)
    notices = [*said, *told, *(_told(why, names) for why, names in left_out.items())]
    images = sorted({*images, *scans})
    if not images:
        reasons = f"{source.name} holds no image and no {TABLE}", *notices
        raise ValueError("; ".join(reasons))
    n_called = Counter(map(image_stem, images))
    entries = [
        Entry(stem if n_called[stem] == 1 else path.name, path, patient)
        for path in images
        for stem in [image_stem(path)]
    ]
    return _with_facts(entries, notices)


def _with_facts(entries: Sequence[Entry], notices: Sequence[str]) -> Listing:
    """List images with what each brings of its patient, which is told by name."""
    completed: list[Entry] = []
    taken: Counter[tuple[tuple[str, ...], str]] = Counter()
    for entry in entries:
        facts = facts_of(entry.path)
        patient, names = facts.complete(entry.patient)
        completed.append(replace(entry, patient=patient))
        if names:
            taken[names, facts.source] += 1
    said = [
        told_taken(names, source) + (f", for {n:,} images" if len(entries) > 1 else "")
        for (names, source), n in taken.items()
    ]
    return Listing(tuple(completed), (*notices, *said))


def _of_table(
    found: Found,
    drivers: Collection[str] | None,
    columns: Mapping[str, str] | None,
    *,
    with_unlisted: bool,
) -> Listing:
    read = read_found(found, drivers=drivers, columns=columns, needs_labels=False)
    return entries_read(read, drivers, with_unlisted=with_unlisted)


def entries_read(
    read: TableRows, drivers: Collection[str] | None = None, *, with_unlisted: bool
) -> Listing:
    """List the images of a table that was read, as :func:`entries_of` does.

    `drivers` are those that it was read for.
    """
    rows, missing = read.rows, sorted(read.missing)
    is_told = len(missing) >= _MANY and len(missing) < len(rows)
    if is_told:
        rows = tuple(row for row in rows if row.number not in read.missing)
    entries = [_entry(row) for row in rows]
    # Nothing is split where everything is segmented.
    said = [each for each in read.notices if each != read.kept_together]
    if is_told:
        said.append(numbered(missing, "left out, as their files are not there"))
    left = read.unlisted()
    if left:
        said = [each for each in said if not each.startswith(unlisted_told(left))]
        is_taken = "segmented as unknown patients" if with_unlisted else "left out"
        said.append(f"{unlisted_told(left)} {is_taken}: {names_told(left)}")
        if with_unlisted:
            taken = {entry.name for entry in entries}
            entries += _without_row(left, taken, read.files)
    if drivers is not None:
        entries = _of_model(entries, drivers)
    return Listing(tuple(entries), tuple(said))


def _of_model(entries: Sequence[Entry], drivers: Collection[str]) -> list[Entry]:
    """Return entries as :meth:`Entry.of_model`; many of a table share a patient."""
    heard: dict[int, Patient] = {}
    driving, told = _keys(drivers), []
    for entry in entries:
        own = entry.patient
        if id(own) not in heard:
            heard[id(own)] = heard_of(own, drivers)
        told.append(entry._told(heard[id(own)], driving))
    return told


def _keys(drivers: Collection[str]) -> set[str]:
    """Return how columns of drivers may be called, whatever their spelling."""
    own = {attribute_called(name) for name in drivers}
    return {name_key(name) for name in (*drivers, *own)}


def _without_row(
    paths: Sequence[Path], taken: Collection[str], files: FolderFiles | None
) -> list[Entry]:
    """List images that no row tells of, each by a name of its own."""
    names, entries = set(taken), []
    for path in paths:
        stem = image_stem(path)
        name = next(
            (each for each in (stem, path.name) if each not in names),
            path.as_posix(),
        )
        names.add(name)
        labels = None
        with suppress(AmbiguousNameError):  # several truths are none
            labels = files.labels_of(path) if files is not None else None
        entries.append(Entry(name, path, Patient(), labels=labels))
    return entries


def _entry(row: CohortRow | BadRow) -> Entry:
    if isinstance(row, BadRow):
        name = row.id or f"row {row.number}"
        known = name, row.image, Patient(), row.problem, row.number
        return Entry(*known, further=row.further)
    return Entry(
        row.id,
        row.image,
        row.patient,
        row=row.number,
        labels=row.labels,
        further=row.further,
    )


def _images_in(folder: Path) -> tuple[list[Path], Mapping[str, list[str]]]:
    """Return the images of a folder, and the names of the rest by the reason."""
    left_out: dict[str, list[str]] = {}
    pictures, paths = [], sorted(folder.iterdir())
    for path in paths:
        reason = _why_not(path)
        if reason:
            left_out.setdefault(reason, []).append(path.name)
        elif image_suffix(path) in IMAGE_SUFFIXES and not has_dicom_suffix(path):
            pictures.append(path)
    neighbours = Neighbours(pictures, [path.name for path in paths])
    results = [path for path in pictures if neighbours.is_result(path)]
    pictures = sorted({*pictures} - {*results})
    neighbours = Neighbours(pictures, neighbours.names)
    companions = [path for path in pictures if neighbours.belongs_to(path)]
    for reason, found in ((RESULT, results), (COMPANION, companions)):
        if found:
            left_out[reason] = [path.name for path in found]
    return sorted({*pictures} - {*companions}), left_out


def _why_not(path: Path) -> str:
    """Return why something in a folder is no image although one may think so."""
    suffix, is_hidden = image_suffix(path), path.name.startswith(".")
    is_named_so = suffix in IMAGE_SUFFIXES
    if path.is_dir():
        if is_image_folder(path):
            return ""  # listed by itself
        if is_named_so:
            return FOLDER
        return INSIDE if not is_hidden and _has_images(path) else ""
    if is_hidden:
        return HIDDEN if is_named_so else ""
    if _NOT_READ.fullmatch(suffix[1:]):
        return NOT_READ
    if not is_named_so or path.is_file():
        return ""
    return LOST_LINK if path.is_symlink() else NO_FILE


def _has_images(folder: Path) -> bool:
    """Say whether a folder has an image of somebody else's in it."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return False
    images = [n for n in names if image_suffix(Path(n)) in IMAGE_SUFFIXES]
    neighbours = Neighbours([], names)
    return any(
        not (n.startswith(".") or neighbours.is_result(folder / n)) for n in images
    )


def _told(reason: str, names: Sequence[str]) -> str:
    n, more = len(names), ", ..." if len(names) > _SHOWN else ""
    what = f"{n:,} left out, {reason}"
    return f"{what}: {', '.join(names[:_SHOWN])}{more}"


def _name_of(source: Path) -> str:
    """Return what an image is called; a level in an OME-Zarr image after that, too."""
    if is_zarr(source) and is_zarr(source.parent):
        return f"{image_stem(source.parent)}.level-{source.name}"
    return image_stem(source)
