"""Tables as CSV files, which spreadsheets may open safely."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import defusedcsv.csv as csv

from napari_dmoe.imaging.atomic import write_text


def write_table(
    path: Path,
    rows: Sequence[Mapping[str, str | float]],
    columns: Sequence[str] = (),
    *,
    line_end: str = "\r\n",
) -> None:
    """Write rows as CSV in UTF-8; cells that a spreadsheet would compute are escaped.

    Parameters
    ----------
    path : Path
        Where to; its folder is made where it does not exist.
    rows : sequence of mapping
        Rows by column; cells that a row lacks stay empty. Broken numbers are written
        with six digits.
    columns : sequence of str
        The columns that come first, whether or not a row has them; others follow as
        they appear.
    line_end : str
        What ends each line.

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left behind.
    """
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(names), restval="", lineterminator=line_end)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def _cell(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
