"""Skin phantoms: decided by their seed; sex and age move the border in labels alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.datasets import read_cohort, write_cohort
from napari_dmoe.cohorts.phantoms import KINDS
from napari_dmoe.cohorts.skin import (
    AGE_BANDS,
    AGE_EDGES,
    AGE_FACTORS,
    NOTICE,
    SEX_FACTORS,
    border_factor,
    skin_case,
    skin_cohort,
)
from napari_dmoe.patient import ATTRIBUTES, Patient, PatientError

SIZE = (72, 96)


def area(**patient: object) -> int:
    return int(skin_case(3, 4, size=SIZE, **patient).labels.data.sum())


def test_the_seed_decides_everything_and_a_larger_cohort_holds_a_smaller_one() -> None:
    many = list(skin_cohort(4, seed=3, size=SIZE))
    for number, few in enumerate(skin_cohort(2, seed=3, size=SIZE)):
        np.testing.assert_array_equal(few.image.data, many[number].image.data)
        np.testing.assert_array_equal(few.labels.data, many[number].labels.data)
        assert few.patient == many[number].patient
    other = skin_case(4, 0, size=SIZE)
    assert not np.array_equal(other.image.data, many[0].image.data)


def test_images_are_colour_photographs_with_square_pixels() -> None:
    case = skin_case(1, 2)
    assert case.image.axes == ("y", "x", "c")
    assert case.image.data.shape == (216, 288, 3)
    assert case.image.data.dtype == case.labels.data.dtype == np.uint8
    assert case.image.unit == "mm"
    assert case.image.spacing[0] == case.image.spacing[1]
    assert 11 <= case.image.spacing[0] * 288 <= 16
    assert set(np.unique(case.labels.data)) == {0, 1}


def test_sex_and_age_change_the_labels_alone() -> None:
    told = skin_case(3, 4, size=SIZE, sex="male", age=85)
    other = skin_case(3, 4, size=SIZE, sex="female", age=5)
    np.testing.assert_array_equal(told.image.data, other.image.data)
    assert told.labels.data.sum() > other.labels.data.sum()
    assert (told.patient.sex, told.patient.age) == ("male", 85)


def test_areas_grow_with_the_band_and_from_female_to_male() -> None:
    ages = [area(sex="female", age=age) for age in (10, 30, 50, 70, 85)]
    assert ages == sorted(set(ages))
    assert area(sex="female", age=50) < area(sex="male", age=50)
    expected = (AGE_FACTORS[4] * SEX_FACTORS["female"]) ** 2
    found = ages[4] / area(sex="female", age=50) * SEX_FACTORS["female"] ** 2
    assert found == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, 0), (19.9, 0), (20, 1), (39.9, 1), (40, 2), (60, 3), (79.9, 3), (80, 4)],
)
def test_bands_begin_with_their_edge(age: float, band: int) -> None:
    factor = border_factor(Patient(sex="male", age=age))
    assert factor == AGE_FACTORS[band] * SEX_FACTORS["male"]
    assert len(AGE_BANDS) == len(AGE_FACTORS) == len(AGE_EDGES) + 1


def test_tones_differ_widely_and_decide_nothing() -> None:
    cases = list(skin_cohort(24, seed=9, size=SIZE))
    corner = [np.median(case.image.data[10:20, 40:56]) for case in cases]
    assert max(corner) - min(corner) > 80
    assert {case.patient.value("body_site") for case in cases} <= set(
        ATTRIBUTES["body_site"].values
    )
    assert "invented" in NOTICE
    assert KINDS["skin"].notice == NOTICE


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="no sex 'other': expected one of female"):
        skin_case(0, 0, sex="other")
    with pytest.raises(PatientError, match="between 0 and 130"):
        skin_case(0, 0, age=200)
    with pytest.raises(ValueError, match="at least 32 pixels"):
        skin_case(0, 0, size=(20, 40))


def test_a_written_cohort_is_read_back_equal(tmp_path: Path) -> None:
    cases = list(skin_cohort(2, seed=5, size=SIZE))
    write_cohort(tmp_path, cases)
    for written, read in zip(cases, read_cohort(tmp_path), strict=True):
        np.testing.assert_array_equal(read.image.data, written.image.data)
        np.testing.assert_array_equal(read.labels.data, written.labels.data)
        assert read.patient == written.patient
        assert read.image.spacing == pytest.approx(written.image.spacing)
