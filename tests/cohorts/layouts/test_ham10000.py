"""HAM10000 as it is split for the published tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from layouts import HEADER, ham

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import subjects_of
from napari_dmoe.cohorts.layouts.ham10000 import AGE_BANDS
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.models.card_files import read_card
from napari_dmoe.patient import Patient

ONE = "A,HAM10000_images/A.jpg,M,3,back"
TWO = "B,HAM10000_images/B.jpg,F,0,unknown"


@pytest.mark.parametrize("at", ["", "HAM10000", "HAM_split", "HAM_split/test.csv"])
def test_a_cohort_opens_from_wherever_it_is_named(tmp_path: Path, at: str) -> None:
    cohort = open_cohort(ham(tmp_path, ONE, TWO) / at)
    assert cohort.layout == "ham10000"
    assert cohort.classes == ("background", "lesion")
    assert [row.id for row in cohort.rows] == ["A", "B"]
    first, second = cohort.rows
    site = {"body_site": "back"}
    assert first.patient == Patient(sex="male", age="60-79", others=site)
    assert second.patient == Patient(sex="female", age="0-19")
    case = cohort[0]
    assert case.labels is not None
    assert set(case.labels.data.ravel().tolist()) == {0, 1}
    assert set(first.read_labels().data.ravel().tolist()) == {0, 1}


def test_bands_are_those_of_the_card() -> None:
    (age,) = read_card("ham10000-age").attributes
    assert age.values == AGE_BANDS


def test_of_several_tables_one_is_named(tmp_path: Path) -> None:
    ham(tmp_path, ONE, table="train")
    ham(tmp_path, TWO, table="test")
    with pytest.raises(CohortError, match=r"test\.csv, train\.csv.*--list"):
        open_cohort(tmp_path)
    for name in ("test.csv", "test", tmp_path / "HAM_split" / "test.csv"):
        cohort = open_cohort(tmp_path / "HAM10000", list_file=name)
        assert [row.id for row in cohort.rows] == ["B"]
    with pytest.raises(CohortError, match="there is no table val"):
        open_cohort(tmp_path, list_file="val.csv")


@pytest.mark.parametrize("band", ["5", "1.5", "old", "-2"])
def test_a_band_that_the_card_does_not_have_is_a_problem(
    tmp_path: Path, band: str
) -> None:
    row = f"A,HAM10000_images/A.jpg,M,{band},back"
    cohort = open_cohort(ham(tmp_path, row, TWO))
    assert [each.id for each in cohort.rows] == ["B"]
    (problem,) = cohort.problems
    assert (problem.row, problem.column, problem.value) == (2, "Age_multi", band)
    assert "from 0 to 4" in problem.expected
    assert problem.is_private
    assert band not in repr(problem)


@pytest.mark.parametrize("band", ["", "-1", "unknown", "nan"])
def test_an_unknown_band_stays_unknown(tmp_path: Path, band: str) -> None:
    cohort = open_cohort(ham(tmp_path, f"A,HAM10000_images/A.jpg,,{band},"))
    assert cohort.problems == ()
    assert cohort.rows[0].patient.known() == {}


def test_missing_files_and_doubled_ids_are_all_told(tmp_path: Path) -> None:
    lost = "C,HAM10000_images/C.jpg,M,1,back"
    ham(tmp_path, ONE, TWO, "A,HAM10000_images/A.jpg,M,1,back", lost, "D,,M,1,back")
    (tmp_path / "HAM10000/HAM10000_images/C.jpg").unlink()
    (tmp_path / "HAM10000/HAM10000_segmentations/B_segmentation.png").unlink()
    cohort = open_cohort(tmp_path)
    assert [row.id for row in cohort.rows] == ["A"]
    assert [(p.row, p.column) for p in cohort.problems] == [
        (3, "Path"),
        (4, "image_id"),
        (5, "Path"),
        (6, "Path"),
    ]


def test_lesions_stay_together(tmp_path: Path) -> None:
    rows = [f"{x},HAM10000_images/{x}.jpg,M,1,back,{y}" for x, y in ("A1", "B2", "C1")]
    cohort = open_cohort(ham(tmp_path, *rows, header=f"{HEADER},lesion_id"))
    first, second, third = subjects_of(cohort)
    assert first == third
    assert first != second


def test_an_empty_mask_file_is_a_problem(tmp_path: Path) -> None:
    ham(tmp_path, ONE, TWO)
    mask = tmp_path / "HAM10000/HAM10000_segmentations/A_segmentation.png"
    mask.write_bytes(b"")
    cohort = open_cohort(tmp_path)
    assert [row.id for row in cohort.rows] == ["B"]
    assert "empty" in cohort.problems[0].expected
