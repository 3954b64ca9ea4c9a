"""The columns of a series' table: which there are, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_dmoe.cohorts.series.done import dice_summary
from napari_dmoe.cohorts.series.rows import (
    FILES,
    HEAD,
    arranged,
    attributes_of,
    further_of,
    path_cell,
    run_for,
    scored_regions,
    series_row,
    without_measures,
)
from napari_dmoe.inference.masks.truth import RegionScore
from napari_dmoe.patient import Patient

SCORES = (
    RegionScore("rim", 0.5, 1 / 3, 4, 4),
    RegionScore("cup", float("nan"), float("nan"), 0, 0),
)
SIZES = {"rim (mm²)": "2.5", "cup (mm²)": "0", "cup/disc (area)": "0.3000"}


def row_of(**changed: object) -> dict[str, str]:
    given: dict[str, object] = {
        "patient": Patient(sex="F", age=63),
        "drivers": ("race",),
        "sizes": SIZES,
        "scores": SCORES,
        "files": {"labels": "a.labels.tif", "truth": "masks/a.png"},
        "further": {"dx": "nv", "model": "phone", "rim Dice": "0.1"},
    }
    return series_row("a", "segmented", "done", **given | changed)  # type: ignore[arg-type]


def test_columns_stand_in_their_order() -> None:
    row = row_of()
    assert list(row) == [
        *HEAD,
        *("sex", "race", "age"),
        *("model", "settings"),
        *SIZES,
        *("rim Dice", "rim IoU", "cup Dice", "cup IoU"),
        *FILES,
        *("dx", "model (table)", "rim Dice (table)"),
    ]
    assert (row["id"], row["image"], row["status"]) == ("a", "a", "segmented")
    assert (row["sex"], row["race"], row["age"]) == ("female", "unknown", "63")
    assert (row["rim Dice"], row["rim IoU"]) == ("0.5000", "0.3333")
    assert (row["cup Dice"], row["cup IoU"]) == ("", "")  # neither has a cup
    assert (row["model"], row["model (table)"]) == ("", "phone")
    assert (row["labels"], row["record"]) == ("a.labels.tif", "")


def test_columns_of_a_table_do_not_depend_on_the_first_image() -> None:
    failed = series_row(
        "b", "failed", "no image", further={"dx": "mel", "rim Dice": ""}
    )
    asked = row_of(patient=Patient(severity="healthy"), drivers=())
    assert "rim Dice (table)" in failed  # also where the image has no truth
    for rows in ((row_of(), failed, asked), (failed, asked, row_of())):
        names = arranged(rows)
        assert names[:6] == list(HEAD)
        assert names[6:10] == ["sex", "race", "age", "severity"]
        assert names[10:12] == ["model", "settings"]
        assert names[12:15] == list(SIZES)
        assert names[15:19] == ["rim Dice", "rim IoU", "cup Dice", "cup IoU"]
        assert names[19:23] == list(FILES)
        assert set(names[23:]) == {"dx", "model (table)", "rim Dice (table)"}


def test_a_table_of_an_earlier_version_is_arranged_with_a_new_one() -> None:
    earlier = ("image", "file", "headline", "outcome", "lesion (px)", "labels", "mine")
    names = arranged([earlier, tuple(row_of())])
    assert names.index("lesion (px)") in range(
        names.index("settings"), names.index("rim Dice")
    )
    assert names.index("mine") > names.index("source")


def test_sections_are_told_by_place() -> None:
    row = row_of()
    assert attributes_of(tuple(row)) == ("sex", "race", "age")
    assert further_of(row) == {
        "dx": "nv",
        "model (table)": "phone",
        "rim Dice (table)": "0.1",
    }
    assert not set(without_measures(row)) & {*SIZES, "rim Dice", "cup IoU"}
    assert without_measures(row)["labels"] == "a.labels.tif"
    assert scored_regions(row) == ("rim", "cup")


def test_a_driver_goes_by_one_name() -> None:
    patient = Patient(sex="M", others={"body_site": "back", "bmi": 31.0})
    found = run_for(patient, None, ("body site", "gender", "race"))
    assert found == {"sex": "male", "race": "unknown", "body_site": "back", "bmi": "31"}


@pytest.mark.parametrize(
    ("path", "own", "truth"),
    [
        ("/data/study/out/a.tif", "a.tif", "a.tif"),
        ("/data/study/out/masks/a.tif", "masks/a.tif", "masks/a.tif"),
        (
            "/data/study/images/a.png",
            "/data/study/images/a.png",
            "../images/a.png",
        ),
        ("/elsewhere/a.png", "/elsewhere/a.png", "/elsewhere/a.png"),
    ],
)
def test_paths_are_relative_where_they_can_be(path: str, own: str, truth: str) -> None:
    folder = Path("/data/study/out")
    assert path_cell(Path(path), folder) == own
    assert path_cell(Path(path), folder, is_beside=True) == truth


def test_no_path_is_relative_to_the_root() -> None:
    assert path_cell(Path("/a/b.png"), Path("/")) == "/a/b.png"
    assert path_cell(Path("/a/b.png"), Path("/out"), is_beside=True) == "/a/b.png"


def test_images_without_a_region_are_counted_apart() -> None:
    rows = [
        {"cup Dice": "0.5", "rim Dice": "0.8", "truth": "a.png"},
        {"cup Dice": "", "rim Dice": "0.6", "truth": "b.png"},
        {"cup Dice": "", "rim Dice": "", "truth": "c.png", "status": "segmented"},
        {"truth": "d.png", "status": "failed", "outcome": "damaged"},
        {"truth": "e.png", "outcome": "segmented; the truth is not used: damaged"},
    ]
    assert dice_summary(rows) == (
        "Dice over 3 images with a truth: cup mean 0.500, median 0.500 (in 1 of them), "
        "rim mean 0.700, median 0.700 (in 2 of them); 1 truth could not be used"
    )
    assert dice_summary([]) == dice_summary([{"id": "a"}]) == ""
