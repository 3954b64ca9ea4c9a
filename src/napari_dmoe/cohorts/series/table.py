"""The table of a series, kept whole on the disk while the series goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from napari_dmoe.imaging.tables import (
    TableError,
    read_table,
    unescaped,
    write_table,
)
from napari_dmoe.inference.results.replacing import ExistingFileError

SUMMARY = "segment.csv"
"""Table of what was done, in the output folder."""

COLUMNS = ("image", "file", "headline", "outcome")
"""Columns that come first: what each image is called, its file, what became of it."""

_OURS = {"image", "outcome"}
_LONG, _SHARE = 1000, 10
"""From so many rows on, writing them all takes a tenth of the time at most."""


class SeriesTable:
    """Rows of a series; those that an earlier one wrote of other images stay.

    Parameters
    ----------
    folder : Path
        Where ``segment.csv`` is.
    overwrite : bool
        Whether another table of that name may be replaced.

    Raises
    ------
    ExistingFileError
        For a file of that name that no series wrote.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self._path = folder / SUMMARY
        self._rows: list[Mapping[str, str]] = []
        self._earlier = self._read(overwrite=overwrite)
        self._due = 0.0
        self._is_complete = True

    def _read(self, *, overwrite: bool) -> list[dict[str, str]]:
        if not self._path.exists():
            return []
        rows: list[dict[str, str]] = []
        header: set[str] = set()
        with suppress(OSError, TableError):
            names, *lines = read_table(self._path, "image")
            header = set(names)
            for line in lines:
                cells = zip(names, map(unescaped, line), strict=False)
                rows.append({name: cell for name, cell in cells if name and cell})
        if not header >= _OURS and overwrite:
            return []
        if not header >= _OURS:
            raise ExistingFileError(
                f"{self._path} is there already, and no table of napari-dmoe: choose "
                "another folder (--overwrite would replace it)"
            )
        return rows

    @property
    def has_rows(self) -> bool:
        """Whether an earlier series wrote any."""
        return bool(self._earlier)

    def file_of(self, stem: str) -> str:
        """Return of which file an earlier series made masks; nothing if unknown."""
        begin, found = f"{stem}.labels.", self._earlier
        rows = (row for row in found if row.get("labels", "").startswith(begin))
        return next((row.get("file", "") for row in rows), "")

    def add(self, row: Mapping[str, str]) -> None:
        """Take the row of one more image, and write the table if that is due."""
        self._rows.append(row)
        self._is_complete = False
        n_rows = len(self._rows) + len(self._earlier)
        if n_rows <= _LONG or perf_counter() >= self._due:
            self.write()

    def write(self) -> None:
        """Write all rows, whole or not at all; nothing where nothing is new.

        Raises
        ------
        OSError
            When the table cannot be written; that of before stays.
        """
        if self._is_complete:
            return
        began = perf_counter()
        write_table(self._path, [*self._rows, *self._others()], COLUMNS)
        ended = perf_counter()
        self._due, self._is_complete = ended + _SHARE * (ended - began), True

    def _others(self) -> list[dict[str, str]]:
        """Return earlier rows of images that are not done again, with masks there."""
        names = {(row["image"], row.get("file", "")) for row in self._rows}
        names |= {(name, "") for name, _ in names}  # of older tables, without files
        masks = {row.get("labels") for row in self._rows} - {None}
        return [
            row
            for row in self._earlier
            if (row.get("image"), row.get("file", "")) not in names
            and row.get("labels") not in masks
            and (self._path.parent / row.get("labels", "")).exists()
        ]
