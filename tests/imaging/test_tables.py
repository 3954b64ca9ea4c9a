"""CSV tables: what is escaped comes back, spreadsheets read them, and odd ones stop."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.imaging.tables import (
    MAX_LINE,
    TableError,
    encoding_of,
    escaped,
    read_table,
    unescaped,
    write_table,
)


def rows_of(path: Path) -> list[list[str]]:
    return list(read_table(path, "image"))


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1|2", "-a", "@SUM(A1)", "\t=1", "\rx", "\nx", "\tx", "  =1+1", "＝1"],
)
def test_cells_that_are_computed_are_written_with_an_apostrophe(
    tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "t.csv"
    write_table(path, [{"image": cell, "n": -1.5}])
    with path.open(encoding="utf-8-sig", newline="") as file:
        (_, (shown, number)) = csv.reader(file)
    assert shown == "'" + cell.replace("|", "\\|")
    assert number == "-1.5"
    assert unescaped(shown) == cell


@pytest.mark.parametrize("cell", ["-1.5", "-1e-07", "12,5", "a", "", "'", "1-2", "a=b"])
def test_numbers_and_other_text_stay_as_they_are(cell: str) -> None:
    assert escaped(cell) == unescaped(cell) == cell


@given(st.text(alphabet="'=+-@|\\\t\r\n a1,.;\"é＝"))
def test_whatever_is_escaped_comes_back(cell: str) -> None:
    assert unescaped(escaped(cell)) == cell


def test_small_numbers_below_zero_stay_numbers(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"image": "a", "n": -1e-7}])
    assert rows_of(tmp_path / "t.csv")[1] == ["a", "-1e-07"]


def test_a_table_beyond_ascii_begins_with_the_mark_that_spreadsheets_need(
    tmp_path: Path,
) -> None:
    plain, accents = tmp_path / "a.csv", tmp_path / "b.csv"
    write_table(plain, [{"image": "a"}])
    write_table(accents, [{"image": "Müller"}])
    assert plain.read_bytes() == b"image\r\na\r\n"
    assert accents.read_bytes() == codecs.BOM_UTF8 + "image\r\nMüller\r\n".encode()
    assert rows_of(accents) == [["image"], ["Müller"]]


def test_what_no_table_can_hold_is_written_as_python_escapes_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(path, [{"image": "M\udcfcller\x1b[31m\x9b\x00.png"}])
    assert rows_of(path)[1] == ["M\\udcfcller\\x1b[31m\\x9b\\x00.png"]


@pytest.mark.formats("CSV tables with semicolons or tabs between cells")
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_header_tells_what_stands_between_cells(
    tmp_path: Path, separator: str
) -> None:
    lines = ["id| image |note", 'a|one, two; three.tif|"x|y\nz"', ""]
    text = "\r\n".join(lines).replace("|", separator)
    text = text.replace("one, two; three.tif", '"one, two; three.tif"')
    assert rows_of(written(tmp_path / "t.csv", text)) == [
        ["id", " image ", "note"],
        ["a", "one, two; three.tif", f"x{separator}y\nz"],
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(tmp_path: Path, end: str) -> None:
    path = written(tmp_path / "t.csv", end.join(["image", "", "a", "b"]))
    assert rows_of(path) == [["image"], [], ["a"], ["b"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"image\nM\x81ller.png\n",
            r"UTF-8: it has the byte 0x81, .* Windows-1252 .* save it as CSV in UTF-8",
            marks=pytest.mark.formats("CSV tables in no encoding that is known"),
        ),
        pytest.param("image\na\n".encode("utf-16")[:-1], "is damaged: it is no whole"),
        pytest.param(
            "image\na\n".encode("utf-16-le"),
            "NUL bytes in row 1, as UTF-16",
            marks=pytest.mark.formats("CSV tables with NUL bytes"),
        ),
        pytest.param(b"image\na\nb\0c\n", "NUL bytes in row 3"),
        pytest.param(
            b"PK\x03\x04....",
            "but a spreadsheet's own file",
            marks=pytest.mark.formats("spreadsheets' own files called .csv"),
        ),
        pytest.param(
            b'image,sex\na,F\n"b,M\nc,F\nd,M\n',
            "a quote in row 3 that is not closed: it takes 2 further lines",
            marks=pytest.mark.formats("CSV tables with a quote that is not closed"),
        ),
        pytest.param(
            b'image,sex\na,"F\nb,M\nc,"M\nd,F\n', "a quote in row 2 that is not closed"
        ),
        pytest.param(b'image\n"b', "a quote in row 2 that is not closed"),
        pytest.param(b"image\n" + b"x" * (MAX_LINE + 1), "over 1,048,576 characters"),
        pytest.param(
            b'image,x\n"' + b"x\n" * MAX_LINE, r"a cell in row 2 .*quote .* not closed"
        ),
        pytest.param(b"image\n" + b"x" * 200_000, "a cell in row 2 that cannot be"),
    ],
)
def test_a_table_that_is_none_is_refused_by_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        rows_of(written(tmp_path / "t.csv", content))


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        pytest.param(
            "utf-16",
            "read as UTF-16",
            marks=pytest.mark.formats("CSV tables in UTF-16"),
        ),
        pytest.param(
            "cp1252",
            "read as Windows-1252, as it is not in UTF-8",
            marks=pytest.mark.formats("CSV tables in Latin-1 or Windows-1252"),
        ),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them_and_that_is_said(
    tmp_path: Path, encoding: str, said: str
) -> None:
    text = "image;note\r\nMüller.png;größer\r\n".encode(encoding)
    path = written(tmp_path / "t.csv", text)
    assert rows_of(path) == [["image", "note"], ["Müller.png", "größer"]]
    assert said in encoding_of(path).notice
    assert bool(encoding_of(path).notice) == bool(said)


def test_rows_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", b"image\na\n" + b"b\n" * 100_000 + b"\0\n")
    rows = read_table(path, "image")
    assert [next(rows), next(rows)] == [["image"], ["a"]]
    with pytest.raises(TableError, match="NUL bytes in row 100003"):
        list(rows)
