"""Harvard-FairSeg: a folder of ``data_*.npz``, one a patient, and lists of their names.

Names are read when a cohort is opened, and no archive; what stands in one is the
business of :mod:`napari_dmoe.cohorts.layouts.fairseg_rows`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.layouts.fairseg_rows import CLASSES, FairSegRow
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.foreign import printable
from napari_dmoe.imaging.tables import TableError, encoding_of

LAYOUT = "fairseg"
SUFFIX = ".npz"
LISTS = "lists"
"""Folder of the lists: beside that of the archives, or in it."""

_ARCHIVE = re.compile(r"data_\w+\.npz", re.IGNORECASE)

_NAME = "name"
"""What problems call the one column of a list."""

_MOST_FOLDERS = 64
"""Folders beside each other that are looked into."""

_MOST_LIST_BYTES = 2**26
"""Bytes of a list at most: over a million names."""


@dataclass(frozen=True)
class FairSegFiles:
    """Where the archives of a cohort lie, and which list names its cases."""

    folder: Path
    names: tuple[str, ...]
    """The archives in the folder, in order."""
    lost: tuple[str, ...]
    """What is called like one and is no file, such as a link that leads nowhere."""
    chosen: Path | None = None
    """The list; None for all archives."""


def find_fairseg(path: Path, list_file: str | Path | None) -> FairSegFiles | None:
    """Return what of a cohort lies at a folder, the one around it, or a list.

    None where nothing there looks like one.

    Raises
    ------
    CohortError
        When a list is named that is not there, or several folders could be meant.
    """
    chosen = None
    if path.is_dir():
        folder = _folder_at(path)
    else:
        if not is_list(path):
            return None
        chosen, folder = path, _folder_of(path)
    if folder is None:
        return None
    if list_file is not None:
        chosen = find_beside(folder, list_file, LISTS, ".txt")
    return FairSegFiles(folder, *_archives(folder), chosen)


def read_fairseg(found: FairSegFiles) -> Cohort:
    """Return a cohort of which no archive is opened.

    Raises
    ------
    CohortError
        When the list cannot be read, or names nothing.
    """
    rows: list[FairSegRow] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    there = frozenset(found.names)
    for number, name in _named(found):
        archive = _archive_name(name)
        expected = _why_not(archive, there, seen)
        if archive in found.lost:
            expected = "a file; it is a link that leads nowhere, or no file at all"
        if expected:
            problems.append(Problem(number, _NAME, name, expected))
            continue
        identity = archive[: -len(SUFFIX)]
        seen[archive] = number
        rows.append(FairSegRow(number, identity, found.folder / archive))
    if not rows and not problems:
        where = found.chosen or found.folder
        raise CohortError(f"{where.name} names no case: expected lines of data_*.npz")
    return Cohort(
        tuple(rows),
        tuple(_said(found, len(rows))),
        (found.chosen or found.folder).name,
        LAYOUT,
        CLASSES,
        tuple(problems),
    )


def is_list(path: Path) -> bool:
    """Say whether a text file is a list of archives, by its first line."""
    with suppress(OSError, CohortError):
        first = next(_lines(path), (0, ""))[1]
        return first.lower().endswith(SUFFIX) or bool(
            _ARCHIVE.fullmatch(_archive_name(first))
        )
    return False


def find_beside(folder: Path, name: str | Path, within: str, suffix: str) -> Path:
    """Return a list or table that a cohort is read by, named as a user would.

    It is looked for as it is named, in the folder, in the one around it, and in those
    called `within` there; with or without its suffix.

    Raises
    ------
    CohortError
        When it is in none of them.
    """
    places = [
        Path(),
        *(place / below for place in (folder, folder.parent) for below in ("", within)),
    ]
    for place in places:
        for written in (str(name), f"{name}{suffix}"):
            with suppress(OSError, ValueError):
                if (place / written).is_file():
                    return place / written
    raise CohortError(
        f"there is no list {printable(str(name))}: it was looked for where it says, in "
        f"{folder.name}, beside it, and in {within} there"
    )


def _folder_at(path: Path) -> Path | None:
    """Return the folder of the archives: this one, or the only one in it."""
    if _has_archives(path):
        return path
    with suppress(OSError):
        inside = sorted(
            each for each in islice(path.iterdir(), 10_000) if each.is_dir()
        )
        found = [each for each in inside[:_MOST_FOLDERS] if _has_archives(each)]
        if len(found) > 1:
            names = ", ".join(printable(each.name) for each in found[:5])
            raise CohortError(
                f"several folders of {path.name} hold archives ({names}): name one, or "
                "a list of names"
            )
        return found[0] if found else None
    return None


def _folder_of(names: Path) -> Path:
    """Return the folder in which the archives of a list lie.

    Raises
    ------
    CohortError
        When none has the first of them.
    """
    first = next((_archive_name(name) for _, name in _lines(names)), "")
    here, above = names.parent, names.absolute().parent.parent
    places = [here, above, *_folders_in(above), *_folders_in(here)]
    holding = [place for place in places if (place / first).is_file()]
    if holding:
        return holding[0]
    raise CohortError(
        f"{names.name}: {printable(first)} is neither beside the list nor in a folder "
        "beside it: name the folder, and the list with --list"
    )


def _folders_in(folder: Path) -> list[Path]:
    """Return the folders in one, the first of many."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entry.path for entry in entries if entry.is_dir())
    except OSError:
        return []
    return [Path(path) for path in found[:_MOST_FOLDERS]]


def _has_archives(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(_ARCHIVE.fullmatch(entry.name) for entry in entries)
    except OSError:
        return False


def _archives(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a folder's archives, and what is no file; names alone are asked for."""
    found: tuple[list[str], list[str]] = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(SUFFIX):
                    found[not entry.is_file()].append(entry.name)
    except OSError as error:
        raise CohortError(f"{folder.name} cannot be read: {error.strerror}") from error
    return tuple(sorted(found[0])), tuple(sorted(found[1]))


def _named(found: FairSegFiles) -> Iterator[tuple[int, str]]:
    if found.chosen is not None:
        yield from _lines(found.chosen)
        return
    names = sorted((*found.names, *found.lost))
    published = [name for name in names if _ARCHIVE.fullmatch(name)]
    yield from enumerate(published or names, start=1)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a list that name something, with their numbers.

    Raises
    ------
    CohortError
        When it is no text that can be read.
    """
    try:
        if path.stat().st_size > _MOST_LIST_BYTES:
            raise CohortError(f"{path.name} is too large for a list of names")
        with path.open(encoding=encoding_of(path).name) as text:
            for number, line in enumerate(text, start=1):
                if name := line.strip().strip("\"',"):
                    yield number, name
    except (TableError, UnicodeDecodeError) as error:
        raise CohortError(f"{path.name} is no list of names in UTF-8") from error
    except OSError as error:
        raise CohortError(f"{path.name} cannot be read: {error.strerror}") from error


def _archive_name(name: str) -> str:
    """Return an archive's own name, as lists may name folders and leave the suffix."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return last if last.lower().endswith(SUFFIX) else f"{last}{SUFFIX}"


def _why_not(archive: str, there: frozenset[str], seen: dict[str, int]) -> str:
    """Return what is expected instead of a name; empty where it is as it should be."""
    if archive not in there:
        return "the name of an archive in the folder"
    if archive in seen:
        return f"each name once; this one stands in line {seen[archive]}, too"
    return ""


def _said(found: FairSegFiles, n_rows: int) -> Iterator[str]:
    yield (
        f"read as Harvard-FairSeg: {n_rows:,} archives of {found.folder.name}"
        + (f", named by {found.chosen.name}" if found.chosen else "")
    )
    if found.chosen is None and (lists := _lists(found.folder)):
        names = ", ".join(printable(each.name) for each in lists)
        yield f"there are lists of names ({names}), and none was chosen"
    yield "ages are stored in days, and are told in years of 365.25 days"


def _lists(folder: Path) -> Sequence[Path]:
    """Return the lists of names that lie in a folder and beside it."""
    found: list[Path] = []
    for place in (folder, folder / LISTS, folder.parent, folder.parent / LISTS):
        with suppress(OSError):
            texts = sorted(islice(place.glob("*.txt"), _MOST_FOLDERS))
            found += [each for each in texts if is_list(each)]
    return found
