"""The table of a series, kept whole on the disk while the series goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from napari_dmoe.cohorts.series.rows import arranged, further_of
from napari_dmoe.imaging.tables import (
    TableError,
    read_table,
    unescaped,
    write_table,
)
from napari_dmoe.inference.results.replacing import ExistingFileError
from napari_dmoe.inference.results.sidecars import record_path

SUMMARY = "segment.csv"
"""Table of what was done, in the output folder."""

Row = dict[str, str]

_OURS = {"image", "outcome"}
_LONG, _SHARE = 200, 10
"""From so many rows on, writing them all takes a tenth of the time at most."""


class NoSeriesTable(ValueError):
    """A file that no series has written, or that is none any more."""


def read_rows(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """Read the table of a series, also of earlier versions.

    Returns
    -------
    header : tuple of str
        Its columns, in order.
    rows : list of dict
        The cells by column, as they were before they were escaped. Those of earlier
        versions have the columns ``id`` and ``status``, too.

    Raises
    ------
    NoSeriesTable
        For a table that no series has written, or that cannot be read as one.
    OSError
        When the file cannot be read.
    """
    rows: list[Row] = []
    try:
        first, *lines = read_table(path, "image")
    except (TableError, ValueError) as error:
        why = f" {error}" if isinstance(error, TableError) else " is empty"
        raise NoSeriesTable(f"{path.name}{why}") from error
    names = [unescaped(name) for name in first]
    if not set(names) >= _OURS:
        raise NoSeriesTable(f"{path.name} is no table of napari-dmoe")
    for line in lines:
        cells = zip(names, map(unescaped, line), strict=False)
        row = dict.fromkeys(names, "") | {name: cell for name, cell in cells if name}
        row.pop("", None)
        if any(row.values()):
            rows.append(_upgraded(row))
    header = tuple(dict.fromkeys(name for name in names if name))
    return header, rows


def _upgraded(row: Row) -> Row:
    """Return a row of an earlier version with what it told otherwise."""
    if "status" in row and "id" in row:
        return row
    status = "segmented" if row.get("labels") else "failed"
    return {"id": row["image"], "status": status, **row}


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the table of a series, whole or not at all; each column in its section.

    Raises
    ------
    OSError
        When it cannot be written; that of before stays.
    """
    write_table(path, rows, arranged(map(tuple, rows)))


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
        self._own = {_key(row): further_of(row) for row in self._earlier}
        self._due = 0.0
        self._is_complete = True

    def _read(self, *, overwrite: bool) -> list[Row]:
        if not self._path.exists():
            return []
        with suppress(OSError, NoSeriesTable):
            _, rows = read_rows(self._path)
            return [self._with_record(row) for row in rows]
        if overwrite:
            return []
        raise ExistingFileError(
            f"{self._path} is there already, and no table of napari-dmoe: choose "
            "another folder (--overwrite would replace it)"
        )

    def _with_record(self, row: Row) -> Row:
        """Name the record of a mask where an earlier version did not."""
        labels = row.get("labels", "")
        if not labels or "record" in row:
            return row
        record = record_path(self._path.parent / labels)
        return row | {"record": record.name if record.is_file() else ""}

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
        """Take the row of one more image, and write the table if that is due.

        What somebody has added to that row of an earlier table, in columns that are
        not ours, stays.
        """
        own = {k: v for k, v in self._own.get(_key(row), {}).items() if k not in row}
        self._rows.append({**row, **own} if own else row)
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
        write_rows(self._path, [*self._rows, *self._others()])
        ended = perf_counter()
        self._due, self._is_complete = ended + _SHARE * (ended - began), True

    def _others(self) -> list[Row]:
        """Return earlier rows of images that are not done again, with masks there."""
        names = {_key(row) for row in self._rows}
        names |= {(name, "") for name, _ in names}  # of older tables, without files
        masks = {row.get("labels") for row in self._rows} - {None, ""}
        return [
            row
            for row in self._earlier
            if _key(row) not in names
            and row.get("labels") not in masks
            and (self._path.parent / row.get("labels", "")).exists()
        ]


def _key(row: Mapping[str, str]) -> tuple[str, str]:
    return row.get("image", ""), row.get("file", "")
