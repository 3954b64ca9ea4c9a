"""Tables as CSV files: written so that spreadsheets open them safely, read row by row.

Nothing of a table that is read is believed before it was looked at: its encoding, the
length of its lines and whether its quotes are closed.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from napari_dmoe.imaging.disk.atomic import write_text

MAX_LINE = 2**20
"""Characters that a line may have, and a row: above it no quote is closed."""

SEPARATORS = ",;\t"
"""What may stand between cells: spreadsheets write what a country's numbers need."""

_NUMBER = re.compile(r"-?[0-9,.]+(e[-+]?[0-9]+)?")
_COMPUTED = re.compile(r"'*(\s*([=+\-@%＝＋－＠]|\\*\|)|[\t\r\n])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_UTF16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
_NO_TEXT = {
    b"PK\x03\x04": "a spreadsheet's own file or a zip archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet's own file",
}
_SAVE = "save it as CSV in UTF-8 (in spreadsheets: 'CSV UTF-8')"


class TableError(ValueError):
    """A file is no table that can be read; the message begins with "is" or "has"."""


def write_table(
    path: Path,
    rows: Sequence[Mapping[str, str | float]],
    columns: Sequence[str] = (),
    *,
    line_end: str = "\r\n",
) -> None:
    """Write rows as CSV in UTF-8; cells that a spreadsheet would compute are escaped.

    A table beyond ASCII begins with a byte order mark, without which spreadsheets take
    it for another encoding. What UTF-8 cannot hold, such as parts of names that were
    written in another encoding, and control codes but for tabs and line ends are
    written as Python escapes them.

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
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(map(_cell, names))
    for row in rows:
        writer.writerow(_cell(row.get(name, "")) for name in names)
    written = text.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, written if written.isascii() else f"\ufeff{written}")


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return escaped(f"{value:.6g}")
    return escaped(_CONTROL.sub(lambda code: f"\\x{ord(code[0]):02x}", str(value)))


def escaped(cell: str) -> str:
    """Return a cell as it is written: an apostrophe stands before what is computed.

    References
    ----------
    OWASP, CSV injection: cells that begin with ``=``, ``+``, ``-``, ``@``, also in
    their wide forms, a tab or a line's end.
    """
    if _COMPUTED.match(cell) is None or _NUMBER.fullmatch(cell):
        return cell
    return "'" + cell.replace("|", "\\|")


def unescaped(cell: str) -> str:
    """Undo what :func:`escaped` does; any other cell is returned as it is."""
    is_escaped = cell.startswith("'") and _COMPUTED.match(cell) is not None
    return cell[1:].replace("\\|", "|") if is_escaped else cell


class Encoding(NamedTuple):
    """How a table's characters are stored."""

    name: str
    notice: str = ""
    """What is to be said of it; empty for UTF-8."""


def encoding_of(path: Path) -> Encoding:
    """Return how a table's characters are stored: in UTF-8, or as spreadsheets may.

    UTF-16 is told by the mark that it begins with. Bytes that UTF-8 does not have are
    Windows-1252, which holds Latin-1, where it has them all: nobody can tell them from
    another table of one byte a character, so this is said.

    Raises
    ------
    TableError
        When it is a spreadsheet's own file, or in neither of them.
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4)
    for mark, what in _NO_TEXT.items():
        if start.startswith(mark):
            raise TableError(f"is no CSV table in UTF-8 but {what}: {_SAVE}")
    if start.startswith(_UTF16):
        return Encoding("utf-16", "the table was read as UTF-16")
    try:
        _refuse_undecodable(path, "utf-8-sig")
        return Encoding("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
    try:
        _refuse_undecodable(path, "cp1252")
    except UnicodeDecodeError as error:
        raise TableError(
            f"is no CSV table in UTF-8: it has the byte 0x{byte:02x}, and is no table "
            f"in Windows-1252 either: {_SAVE}"
        ) from error
    return Encoding(
        "cp1252",
        "the table was read as Windows-1252, as it is not in UTF-8: where letters with "
        f"accents are wrong, {_SAVE}",
    )


def _refuse_undecodable(path: Path, encoding: str) -> None:
    with path.open(encoding=encoding, newline="") as text:
        while text.read(MAX_LINE):
            pass


def read_table(path: Path, column: str) -> Iterator[list[str]]:
    """Read a table's rows, the header first, one at a time.

    Parameters
    ----------
    path : Path
        A CSV file in UTF-8, or as :func:`encoding_of` tells. What stands between its
        cells, one of :data:`SEPARATORS`, is told from its header.
    column : str
        A column that it should have; without it, what makes most columns of the header
        stands between them.

    Yields
    ------
    list of str
        The cells; none for a blank line.

    Raises
    ------
    TableError
        When it is no text, has NUL bytes or too long a line, or when a quote is not
        closed.
    OSError
        When the file cannot be read.
    """
    encoding = encoding_of(path).name
    try:
        with path.open(encoding=encoding, newline="") as text:
            yield from _Rows(text, column)
    except UnicodeDecodeError as error:  # half of a character at the end of UTF-16
        raise TableError(f"is damaged: it is no whole {encoding}: {_SAVE}") from error


class _Rows:
    """The rows of a text that is read line by line."""

    def __init__(self, text: TextIO, column: str) -> None:
        self._text, self._column = text, column
        self._number = 1
        self._lines: list[str] = []
        self._is_over = False

    def __iter__(self) -> Iterator[list[str]]:
        first = self._next_line()
        try:
            separator = self._separator(first)
            reader = csv.reader(self._all_lines(first), delimiter=separator)
            for cells in reader:
                self._check_quotes(separator)
                yield cells
                self._number += 1
                self._lines.clear()
        except csv.Error as error:
            raise TableError(
                f"has a cell in row {self._number} that cannot be read ({error}): "
                "is a quote before it not closed?"
            ) from error

    def _separator(self, first: str) -> str:
        """Return what gives the header's first line the column, else most columns."""
        n_columns: dict[str, int] = {}
        for separator in SEPARATORS:
            header = next(csv.reader([first], delimiter=separator), [])
            if self._column in map(str.strip, header):
                return separator
            n_columns[separator] = len(header)
        return max(SEPARATORS, key=lambda separator: n_columns[separator])

    def _all_lines(self, line: str) -> Iterator[str]:
        length = 0
        while line:
            length = len(line) + (length if self._lines else 0)
            if length > MAX_LINE:
                raise self._too_long()
            self._lines.append(line)
            yield line
            line = self._next_line()
        self._is_over = True

    def _next_line(self) -> str:
        line = self._text.readline(MAX_LINE + 1)
        if len(line) > MAX_LINE:
            raise self._too_long()
        if "\0" in line:
            raise TableError(
                f"is no CSV table in UTF-8: it has NUL bytes in row {self._number}, as "
                f"UTF-16 and damaged files have: {_SAVE}"
            )
        return line

    def _too_long(self) -> TableError:
        return TableError(
            f"has over {MAX_LINE:,} characters in row {self._number}: is it a table, "
            "and is a quote in that row not closed?"
        )

    def _check_quotes(self, separator: str) -> None:
        """Refuse rows that are several lines because a quote was forgotten."""
        if len(self._lines) == 1 and not self._is_over:
            return
        try:
            list(csv.reader(self._lines, delimiter=separator, strict=True))
        except csv.Error as error:
            raise TableError(
                f"has a quote in row {self._number} that is not closed: it takes "
                f"{len(self._lines) - 1:,} further lines into one cell"
            ) from error
