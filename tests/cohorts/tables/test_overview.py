"""What a table would be read as, told before anything is done with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.tables.overview import (
    BY_CONTENT,
    BY_NAME,
    STATED,
    Overview,
    choices,
    overview_of,
)
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.models.card import CardAttribute

PIXELS = np.arange(20, dtype=np.uint8).reshape(4, 5)
SEX = CardAttribute(name="sex", values=("female", "male"))
STAGE = CardAttribute(name="stage", values=("T1", "T2"))
LINES = (
    "image_id,lesion_id,dx,age,gender,Stage",
    "a,L1,nv,55.0,f,T1",
    "b,L1,mel,,unknown,T2",
    "c,L2,bcc,old,m,T1",
    "d,L2,nv,40,x,T1",
    "gone,L3,nv,40,m,T3",
)


def pictures(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_tiff(folder / name, PIXELS % 3, axes="yx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures(tmp_path, *(f"images/{name}.tif" for name in "abcdz"))
    pictures(tmp_path, "masks/a.tif", "masks/b_mask.tif")
    (tmp_path / "metadata.csv").write_text("\n".join(LINES))
    return tmp_path


def meanings(overview: Overview) -> dict[str, tuple[str, str]]:
    return {each.name: (each.meaning, each.how) for each in overview.columns}


def test_it_counts_what_is_there_and_what_is_not(folder: Path) -> None:
    found = overview_of(folder / "metadata.csv", drivers=[SEX])
    assert (found.n_rows, found.n_images, found.n_truths) == (5, 3, 2)
    assert (found.n_without_image, found.n_bad) == (1, 1)
    assert [path.name for path in found.unlisted] == ["z.tif"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("row 4: ")
    assert (found.refusal, found.is_readable) == ("", True)
    assert (folder / "metadata.csv").read_text() == "\n".join(LINES)


def test_it_tells_what_each_column_means_and_why(folder: Path) -> None:
    found = overview_of(folder / "metadata.csv", drivers=[SEX, STAGE])
    assert meanings(found) == {
        "image_id": ("image", BY_CONTENT),
        "lesion_id": ("subject", BY_NAME),
        "dx": ("", ""),
        "age": ("age", BY_NAME),
        "gender": ("sex", BY_NAME),
        "Stage": ("stage", BY_NAME),
    }
    by_name = {each.name: each for each in found.columns}
    assert by_name["gender"].drives
    assert not by_name["age"].drives
    assert by_name["age"].n_filled == 4
    assert by_name["gender"].n_filled == 4
    assert by_name["dx"].examples == ("nv", "mel", "bcc")
    assert by_name["lesion_id"].words == "patient or lesion"
    assert found.untold == ()
    assert overview_of(
        folder, drivers=[CardAttribute(name="bmi", values=("a", "b"))]
    ).untold == ("bmi",)


def test_values_that_the_model_does_not_know_are_counted(folder: Path) -> None:
    found = overview_of(folder / "metadata.csv", drivers=[SEX, STAGE])
    sex = next(each for each in found.columns if each.name == "gender")
    assert (sex.n_unheard, sex.unheard) == (1, ("x",))
    stage = next(each for each in found.columns if each.name == "Stage")
    assert stage.n_unheard == 0  # the row of T3 has no image


def test_no_patient_s_value_is_printed(folder: Path) -> None:
    found = overview_of(folder / "metadata.csv", drivers=[SEX])
    for text in (repr(found), str(found.facts()), *found.problems, *found.notices):
        assert not {"nv", "mel", "L1", "old", "'x'"} & set(
            text.replace(",", " ").split()
        )
    assert found.facts()["columns"][4]["n_unheard"] == 1


def test_a_click_puts_a_column_right(folder: Path) -> None:
    first = overview_of(folder, drivers=[SEX])
    again = overview_of(
        folder, drivers=[SEX], columns={"dx": "severity", "gender": ""}, earlier=first
    )
    assert meanings(again)["dx"] == ("severity", STATED)
    assert meanings(again)["gender"] == ("", STATED)
    assert again.untold == ("sex",)
    assert again.n_images == first.n_images
    assert again.files is first.files is not None
    assert "metadata.csv, the table of this folder" in again.notices[0]


def test_a_table_without_images_still_shows_its_columns(tmp_path: Path) -> None:
    pictures(tmp_path, "scans/7.tif")
    (tmp_path / "t.csv").write_text("number,Sex\n7,F\n8,M\n")
    found = overview_of(tmp_path / "t.csv", drivers=[SEX])
    assert "has no column 'image': found number, Sex" in found.refusal
    assert (found.is_readable, found.n_rows, found.n_images) == (False, 2, 0)
    assert meanings(found) == {"number": ("", ""), "Sex": ("sex", BY_NAME)}
    again = overview_of(
        tmp_path / "t.csv", drivers=[SEX], columns={"number": "image"}, earlier=found
    )
    assert again.is_readable
    assert meanings(again)["number"] == ("image", STATED)
    assert (again.n_images, again.n_without_image) == (1, 1)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="there is no cohort at"):
        overview_of(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04 zip")
    with pytest.raises(CohortError, match="a spreadsheet's own file"):
        overview_of(tmp_path / "a.csv")


def test_the_model_s_attributes_are_offered_first() -> None:
    offered = choices([STAGE, SEX])
    assert offered[:7] == ("image", "labels", "id", "subject", "", "stage", "sex")
    assert len(set(offered)) == len(offered)
    assert "body_site" in offered
