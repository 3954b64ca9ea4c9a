"""The table of a folder that has no ``cohort.csv``, and the files without a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.series.listing import Listing, entries_of
from napari_dmoe.cohorts.tables.finding import table_of
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.patient import Patient

formats = pytest.mark.formats

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)
CHOSEN = "patients are read from metadata.csv, the table of this folder"


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_tiff(folder / name, PIXELS % 3, axes="yx")


def write(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder / name


def named(listing: Listing) -> list[str]:
    return [entry.name for entry in listing]


@formats("a folder without `cohort.csv` with one table that tells of its images")
@pytest.mark.parametrize("place", ["images/", ""])
def test_a_folder_is_read_by_the_one_table_in_it(tmp_path: Path, place: str) -> None:
    pictures(tmp_path, f"{place}a.tif", f"{place}b.tif", "masks/a.tif")
    write(tmp_path, "metadata.csv", "image_id,sex", "a,F", "b,M", "c,M")
    listing = entries_of(tmp_path)
    assert named(listing) == ["a", "b"]
    assert [entry.patient.sex for entry in listing] == ["female", "male"]
    assert listing[0].labels == tmp_path / "masks" / "a.tif"
    assert listing.notices[0] == CHOSEN
    assert "1 row (4) left out, as there is no image of that name" in listing.notices
    cohort = read_cohort(tmp_path)
    assert (len(cohort), cohort.title) == (2, "metadata.csv")
    assert cohort.notices[0] == CHOSEN


def test_a_patient_who_is_stated_goes_before_a_table_nobody_named(
    tmp_path: Path,
) -> None:
    pictures(tmp_path, "a.tif", "b.tif")
    write(tmp_path, "metadata.csv", "image_id,sex", "a,F", "b,M")
    listing = entries_of(tmp_path, Patient(sex="male"))
    assert [entry.patient.sex for entry in listing] == ["male", "male"]
    (notice,) = listing.notices
    assert notice == (
        "metadata.csv tells of these images, and is not read: a patient is stated"
    )


def test_of_two_tables_none_is_taken(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif")
    for name in ("one.csv", "two.csv"):
        write(tmp_path, name, "image_id,sex", "a,F")
    said = "one.csv, two.csv all tell of these images: name one to use it"
    listing = entries_of(tmp_path)
    assert (named(listing), listing.notices) == (["a"], (said,))
    with pytest.raises(CohortError, match="all tell of these images"):
        read_cohort(tmp_path)


def test_a_table_of_few_of_the_images_is_named(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{name}.tif" for name in "abcde"))
    write(tmp_path, "metadata.csv", "image_id,sex", "a,F", "b,M")
    listing = entries_of(tmp_path)
    assert len(listing) == 5
    (notice,) = listing.notices
    assert notice == (
        "metadata.csv tells of 2 of 5 images only, and is not read: name it to use it"
    )


@pytest.mark.parametrize(
    "lines",
    [
        ("image,file,outcome,sex", "a,a.tif,segmented,F"),  # a table of results
        ("x", "y"),
        ("image_id,sex", "other,F"),
    ],
)
def test_other_tables_are_passed_over(tmp_path: Path, lines: tuple[str, ...]) -> None:
    pictures(tmp_path, "a.tif")
    write(tmp_path, "segment.csv", *lines)
    assert entries_of(tmp_path).notices == ()
    assert table_of(tmp_path).table is None


def test_cohort_csv_goes_before_any_other(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif")
    write(tmp_path, "cohort.csv", "image,sex", "a.tif,F")
    write(tmp_path, "metadata.csv", "image_id,sex", "a,M")
    (entry,) = entries_of(tmp_path)
    assert entry.patient.sex == "female"
    assert entries_of(tmp_path).notices == ()


@pytest.mark.parametrize(
    ("header", "ending"), [("image_id,sex", ""), ("image,sex", ".tif")]
)
def test_files_without_a_row_are_offered_as_unknown_patients(
    tmp_path: Path, header: str, ending: str
) -> None:
    pictures(tmp_path, "a.tif", "b.tif", "z.tif", "y.tif", "z_mask.tif")
    table = write(tmp_path, "t.csv", header, f"a{ending},F", f"b{ending},no sex,?")
    listing = entries_of(table)
    assert len(listing) == 2
    said = "2 images of the folder without a row left out: y.tif, z.tif"
    assert said in listing.notices
    listing = entries_of(table, with_unlisted=True)
    assert named(listing)[2:] == ["y", "z"]
    assert [entry.row for entry in listing][2:] == [None, None]
    assert listing[3].patient == Patient()
    assert said.replace("left out", "segmented as unknown patients") in listing.notices
    assert said not in listing.notices


def test_the_truth_of_a_file_without_a_row_is_found(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/z.tif", "masks/z_mask.tif")
    table = write(tmp_path, "t.csv", "image_id", "a")
    _, entry = entries_of(table, with_unlisted=True)
    assert entry.labels == tmp_path / "masks" / "z_mask.tif"


def test_a_bad_row_s_image_is_not_without_a_row(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "images/b.tif")
    table = write(tmp_path, "t.csv", "image_id,age", "a,55", "b,old")
    listing = entries_of(table, with_unlisted=True)
    assert named(listing) == ["a", "b"]
    assert listing[1].path == tmp_path / "images" / "b.tif"
    assert listing[1].problem is not None


def test_names_of_files_without_a_row_are_their_own(tmp_path: Path) -> None:
    pictures(tmp_path, "images/a.tif", "other/a.png.tif", "other/b.tif")
    table = write(tmp_path, "t.csv", "filename,id", "a.tif,b")
    found = named(entries_of(table, with_unlisted=True))
    assert found == ["b", "a.png", "b.tif"]


@formats("tables of paths that lead nowhere")
@pytest.mark.parametrize(("n", "is_counted"), [(19, False), (20, True)])
def test_many_paths_that_lead_nowhere_are_counted(
    tmp_path: Path, n: int, is_counted: bool
) -> None:
    pictures(tmp_path, "a.tif")
    lines = (f"gone{number}.tif,M" for number in range(n))
    table = write(tmp_path, "t.csv", "image,sex", "a.tif,F", *lines)
    listing = entries_of(table)
    said = f"{n} rows (3, 4, 5, ...) left out, as their files are not there"
    assert (said in listing.notices) == is_counted
    assert len(listing) == (1 if is_counted else 1 + n)
    with pytest.raises(CohortError, match=f"{n} rows .*does not exist"):
        read_cohort(table)


def test_a_table_of_which_no_path_is_right_is_refused_row_by_row(
    tmp_path: Path,
) -> None:
    lines = (f"gone{number}.tif,M" for number in range(30))
    listing = entries_of(write(tmp_path, "t.csv", "image,sex", *lines))
    assert all(entry.problem is not None for entry in listing)
    assert len(listing) == 30


def test_a_truth_that_is_not_there_stops_no_segmentation(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif", "b.tif", "m.tif")
    table = write(tmp_path, "t.csv", "image,labels", "a.tif,m.tif", "b.tif,gone.tif")
    listing = entries_of(table)
    assert [entry.problem for entry in listing] == [None, None]
    assert [entry.labels for entry in listing] == [tmp_path / "m.tif", None]
    assert "1 row (3) without labels, as there is no such file" in listing.notices
    with pytest.raises(CohortError, match=r"row 3: gone\.tif does not exist"):
        read_cohort(table)


def test_columns_of_what_is_no_table_are_refused(tmp_path: Path) -> None:
    pictures(tmp_path, "a.tif")
    with pytest.raises(CohortError, match="has no table whose columns"):
        entries_of(tmp_path / "a.tif", columns={"dx": "severity"})
    with pytest.raises(CohortError, match="has no table whose columns"):
        entries_of(tmp_path, columns={"dx": "severity"})


def test_how_characters_are_stored_is_said(tmp_path: Path) -> None:
    pictures(tmp_path, "Jörg.tif")
    (tmp_path / "t.csv").write_bytes("image_id;sex\nJörg;m\n".encode("cp1252"))
    cohort = read_cohort(tmp_path / "t.csv")
    assert cohort.rows[0].patient == Patient(sex="male")
    assert any("read as Windows-1252" in notice for notice in cohort.notices)
