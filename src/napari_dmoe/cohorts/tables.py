"""Tables of results as CSV files, which spreadsheets may open safely."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import defusedcsv.csv as csv

from napari_dmoe.imaging.atomic import write_text


def write_table(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write rows as CSV in UTF-8; cells that a spreadsheet would compute are escaped.

    Parameters
    ----------
    path : Path
        Where to; its folder is made where it does not exist.
    rows : sequence of mapping
        Rows by column; the columns are all that any row has.
    """
    columns = dict.fromkeys(name for row in rows for name in row)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), restval="")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
