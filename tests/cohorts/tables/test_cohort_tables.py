"""Tables of cohorts as people have them: large, odd, with whole paths, with errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.datasets import read_cohort, read_rows
from napari_dmoe.cohorts.tables.refusals import RowError, one_error
from napari_dmoe.cohorts.tables.rows import BadRow, CohortRow
from napari_dmoe.cohorts.tables.telling import MAX_COLUMNS
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)

formats = pytest.mark.formats


def table(folder: Path, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    write_tiff(folder / "a.tif", PIXELS, axes="yx")
    (folder / "cohort.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def ids_of(folder: Path) -> list[str]:
    return [row.id for row in read_cohort(folder).rows]


@formats("tables without ids that name images by whole paths")
def test_a_whole_path_becomes_no_id(tmp_path: Path) -> None:
    for who in ("doe_john", "roe_jane"):
        (tmp_path / "patients" / who).mkdir(parents=True)
        write_tiff(tmp_path / "patients" / who / "img.tif", PIXELS, axes="yx")
    lines = [
        str(tmp_path / "patients/doe_john/img.tif"),
        "../patients/roe_jane/img.tif",
        str(tmp_path / "t/a.tif"),
    ]
    assert ids_of(table(tmp_path / "t", "image", *lines)) == [
        "img.tif",
        "img-2.tif",
        "a.tif",
    ]
    assert ids_of(table(tmp_path / "t", "image", *lines[::-1]))[2] == "img-2.tif"


def test_the_same_file_by_another_path_is_the_same_case(tmp_path: Path) -> None:
    folder = table(tmp_path, "image", "a.tif", str(tmp_path / "a.tif"))
    with pytest.raises(CohortError, match=r"rows 2 and 3 have the same id 'a\.tif'"):
        read_cohort(folder)


def test_an_id_of_the_table_s_own_stays(tmp_path: Path) -> None:
    folder = table(tmp_path, "image,id", f"{tmp_path / 'a.tif'},p 1")
    assert ids_of(folder) == ["p 1"]


@pytest.mark.parametrize(
    "path",
    [
        "/home/anna/doe_john/x.png",
        r"C:\Users\anna\doe_john\x.png",
        r"..\..\doe_john\x.png",
        r"\\server\doe_john\x.png",
        "../doe_john/x.png",
        "file:///home/doe_john/x.png",
    ],
)
def test_errors_do_not_tell_other_folders(tmp_path: Path, path: str) -> None:
    with pytest.raises(CohortError) as caught:
        read_cohort(table(tmp_path, "image", path))
    assert str(caught.value) == (
        "cohort.csv, row 2: x.png, in the folder that the row names, does not exist"
    )


def test_what_is_wrong_in_many_rows_is_said_once(tmp_path: Path) -> None:
    lines = [f"{n}.tif,63" for n in range(1286)] + ["a.tif,old", "a.tif,old", ",1"]
    with pytest.raises(CohortError) as caught:
        read_cohort(table(tmp_path, "image,age", *lines))
    assert str(caught.value) == (
        "cohort.csv, 1,286 rows (2, 3, 4, ...): does not exist (0.tif, 1.tif, 2.tif, "
        "...); 2 rows (1288, 1289): age: the age cannot be read: expected years such "
        "as 63 or 63 y, or a number with months, weeks or days such as 18 months; "
        "row 1290: no image is named"
    )


def test_a_message_stays_one_line_of_bounded_length(tmp_path: Path) -> None:
    reasons = [RowError("t.csv", n, f"reason {n}") for n in range(2, 1002)]
    assert str(one_error(reasons)).endswith("row 6: reason 6; and 995 other problems")
    with pytest.raises(CohortError) as caught:
        read_cohort(table(tmp_path, "image", "long " * 20_000 + ".tif"))
    assert len(str(caught.value)) < 200


def test_the_error_of_a_row_reaches_another_process() -> None:
    error = RowError("t.csv", 3, "does not exist", "x.png")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.number) == ("t.csv, row 3: x.png does not exist", 3)


@formats("tables of over 250,000 rows, or 16,384 columns")
def test_tables_beyond_any_cohort_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = ",".join(["image", *map(str, range(MAX_COLUMNS))])
    with pytest.raises(CohortError, match=r"has 16,385 columns, and 16,384 are"):
        read_cohort(table(tmp_path, header, "a.tif"))
    monkeypatch.setattr("napari_dmoe.cohorts.tables.telling.MAX_ROWS", 2)
    assert len(read_rows(table(tmp_path, "image", "a.tif", "", ",", "a.tif"))) == 2
    with pytest.raises(CohortError, match="has over 2 rows, the most that are read"):
        read_rows(table(tmp_path, "image", "a.tif", "b.tif", "c.tif"))


def test_rows_with_the_same_patient_share_one(tmp_path: Path) -> None:
    lines = [f"{n},a.tif,F,63" for n in range(50)]
    cohort = read_cohort(table(tmp_path, "id,image,sex,age", *lines, "x,a.tif,M,"))
    assert len({id(row.patient) for row in cohort.rows}) == 2
    assert cohort.rows[0].patient == Patient(sex="female", age=63)
    assert cohort.rows[50].patient == Patient(sex="male")


def test_files_of_one_name_are_numbered_without_a_search(tmp_path: Path) -> None:
    paths = [f"../{n}/img.tif" for n in range(30)]
    for n in range(30):
        (tmp_path / str(n)).mkdir()
        write_tiff(tmp_path / str(n) / "img.tif", PIXELS, axes="yx")
    found = ids_of(table(tmp_path / "t", "image", *paths))
    assert found == ["img.tif", *(f"img-{n}.tif" for n in range(2, 31))]


@formats("CSV tables with line ends in quotes")
def test_line_ends_in_quotes_are_part_of_a_cell(tmp_path: Path) -> None:
    folder = table(
        tmp_path, "image,note,sex", 'a.tif,"one\ntwo, ""three""",F', "b.tif,,"
    )
    good, bad = read_rows(folder)
    assert isinstance(good, CohortRow)
    assert good.patient.others == {"note": 'one\ntwo, "three"'}
    assert isinstance(bad, BadRow)
    assert bad.number == 3


@pytest.mark.parametrize(("age", "years"), [("63", 63), ("63,5", 63.5), ("63,0", 63)])
def test_a_table_with_semicolons_is_read_with_decimal_commas(
    tmp_path: Path, age: str, years: float
) -> None:
    cohort = read_cohort(table(tmp_path, "image;sex;age", f"a.tif;m;{age}"))
    assert cohort.rows[0].patient == Patient(sex="male", age=years)


def test_ids_that_a_spreadsheet_would_not_show_come_back(tmp_path: Path) -> None:
    image = SpatialImage.from_array(PIXELS, axes="yx")
    names = ["\t=1+1", "\nx", "\r+1", "=1", "Müller", "'=1", "-5"]
    others = {"=group": "\t@x"}
    cases = [Case(name, image, None, Patient(others=others)) for name in names]
    write_cohort(tmp_path / "c", cases)
    again = read_cohort(tmp_path / "c")
    assert [row.id for row in again.rows] == names
    assert again.rows[0].patient.others["=group"] == "\t@x"


@formats(
    "files whose names have accents taken apart, as on a Mac, in a table that has them "
    "whole"
)
@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_are_the_same_however_they_are_written(
    tmp_path: Path, on_disk: str, in_table: str
) -> None:
    name = "Bilder ü/Haut é.tif"
    path = tmp_path / normalize(on_disk, name)
    path.parent.mkdir()
    write_tiff(path, PIXELS, axes="yx")
    (row,) = read_cohort(table(tmp_path, "image", normalize(in_table, name))).rows
    assert row.image.samefile(path)
    assert np.array_equal(np.asarray(row.read().image.data), PIXELS)
