"""A finished series, as its folder tells it: every row, and where its files are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from napari_dmoe.cohorts.series.rows import (
    FILES,
    Status,
    attributes_of,
    scored_regions,
)
from napari_dmoe.cohorts.series.table import SUMMARY, NoSeriesTable, Row, read_rows
from napari_dmoe.inference.results.sidecars import record_path
from napari_dmoe.patient import Patient

_STATUSES = get_args(Status)
_CALLED = {
    "labels": "masks",
    "record": "records",
    "truth": "truths",
    "source": "images",
}


class FinishedError(ValueError):
    """A folder holds no table of a series that can be read."""


@dataclass(frozen=True, slots=True)
class FinishedRow:
    """One image of a finished series."""

    id: str
    file: str
    """Name of the image's file."""
    status: Status
    headline: str
    outcome: str
    cells: Mapping[str, str]
    """The whole row, by the table's columns."""
    mask: Path | None = None
    """The mask; None where none was made, or it is gone. Likewise:"""
    record: Path | None = None
    image: Path | None = None
    truth: Path | None = None
    gone: tuple[str, ...] = ()
    """Which of ``labels``, ``record``, ``truth`` and ``source`` the table names,
    although they are not there any more."""
    attributes: tuple[str, ...] = ()
    """Columns that say whom it was run for."""

    def __repr__(self) -> str:
        """Show what became of it, and nothing that tells whose image it is."""
        return f"FinishedRow(status={self.status!r}, gone={self.gone!r})"

    @property
    def patient(self) -> Patient:
        """Whom it was run for.

        Raises
        ------
        PatientError
            When somebody has written a value into the table that cannot be read.
        """
        return Patient.from_values(
            {name: self.cells.get(name, "") for name in self.attributes}
        )

    def dice(self, region: str) -> float | None:
        """Return the Dice of a region; None where there is none."""
        try:
            return float(self.cells.get(f"{region} Dice", ""))
        except ValueError:
            return None


@dataclass(frozen=True)
class Finished:
    """A finished series."""

    folder: Path
    columns: tuple[str, ...]
    """The table's columns, in order."""
    rows: tuple[FinishedRow, ...]
    regions: tuple[str, ...] = field(default=())
    """Regions whose Dice the table tells."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What is not there any more, each kind once."""
        gone = Counter(what for row in self.rows for what in row.gone)
        n = len(self.rows)
        return tuple(
            f"{gone[what]:,} of {n:,} {_CALLED[what]} are not there any more"
            for what in FILES
            if gone[what]
        )


def read_finished(folder: str | Path) -> Finished:
    """Read what a series left in a folder, also one of an earlier version.

    Images are not opened, so thousands of rows take a fraction of a second.

    Parameters
    ----------
    folder : str or Path
        The folder of the masks, or its ``segment.csv``.

    Raises
    ------
    FinishedError
        When there is no table of a series, or it cannot be read.
    """
    given = Path(folder)
    path = given / SUMMARY if given.is_dir() else given
    if not path.is_file():
        raise FinishedError(
            f"{given.name} holds no finished series: there is no {SUMMARY}"
        )
    try:
        header, rows = read_rows(path)
    except NoSeriesTable as error:
        raise FinishedError(str(error)) from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise FinishedError(f"{path.name} cannot be read: {why}") from error
    finder, attributes = _Finder(path.parent), attributes_of(header)
    found = tuple(_row(row, finder, attributes) for row in rows)
    return Finished(path.parent, header, found, scored_regions(header))


def _row(row: Row, finder: _Finder, attributes: tuple[str, ...]) -> FinishedRow:
    mask = finder.beside(row.get("labels", ""))
    record = finder.beside(row.get("record", ""))
    if record is None and mask is not None and "record" not in row:
        record = finder.record_of(mask)
    paths = {
        "labels": mask,
        "record": record,
        "truth": finder.beside(row.get("truth", "")),
        "source": finder.image(row.get("source", "")),
    }
    status = row.get("status", "")
    return FinishedRow(
        row.get("id") or row.get("image", ""),
        row.get("file", ""),
        cast("Status", status if status in _STATUSES else "failed"),
        row.get("headline", ""),
        row.get("outcome", ""),
        row,
        mask=mask,
        record=record,
        image=paths["source"],
        truth=paths["truth"],
        gone=tuple(what for what in FILES if row.get(what) and paths[what] is None),
        attributes=attributes,
    )


class _Finder:
    """Finds files by what a table calls them; each folder is looked into once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._folders: dict[tuple[Path, str], Path] = {}
        self._names: dict[Path, frozenset[str]] = {}

    def beside(self, cell: str) -> Path | None:
        """Return a file that is told from the table's folder on, if it is there."""
        return self._there(self._folder, cell) if cell else None

    def image(self, cell: str) -> Path | None:
        """Return a file that is told from the folder around that on, if it is there."""
        return self._there(self._folder.parent, cell) if cell else None

    def record_of(self, mask: Path) -> Path | None:
        """Return the record beside a mask, of which an older table tells nothing."""
        return self._there(mask.parent, record_path(mask).name)

    def _there(self, start: Path, cell: str) -> Path | None:
        within, name = os.path.split(cell)
        key = start, within
        if key not in self._folders:  # paths are slow to make, and most are alike
            self._folders[key] = Path(os.path.normpath(start / within))
        folder = self._folders[key]
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(each.name for each in folder.iterdir())
            except (OSError, ValueError):
                self._names[folder] = frozenset()
        return folder / name if name in self._names[folder] else None
