"""Skin phantoms: decided by their seed; sex and age move the border, nothing else."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.phantoms.skin.cohort import (
    AGE_BANDS,
    AGE_EDGES,
    AGE_FACTORS,
    FIELD_MM,
    NOTICE,
    SEX_FACTORS,
    border_factor,
    skin_case,
    skin_cohort,
)
from napari_dmoe.training.starting.recipes import RECIPES

SIZE = (72, 96)
AGES = (10.0, 30.0, 50.0, 70.0, 85.0)


@pytest.fixture(scope="module")
def cases():
    return list(skin_cohort(12, seed=3, size=SIZE))


def test_images_are_rgb_bytes_with_square_pixels_in_mm(cases):
    for case in cases:
        image, labels = case.image, case.labels
        assert image.data.dtype == np.uint8
        assert image.data.shape == (*SIZE, 3)
        assert image.axes == ("y", "x", "c")
        assert labels.data.dtype == np.uint8
        assert labels.data.shape == SIZE
        assert labels.axes == ("y", "x")
        assert image.unit == labels.unit == "mm"
        assert image.spacing == labels.spacing
        assert image.spacing[0] == image.spacing[1]
        assert FIELD_MM[0] <= image.spacing[1] * SIZE[1] <= FIELD_MM[1]


def test_a_lesion_is_one_piece_without_holes_in_every_image(cases):
    for case in cases:
        lesion = case.labels.data == 1
        assert set(np.unique(case.labels.data)) == {0, 1}
        assert ndimage.label(lesion)[1] == 1
        assert (ndimage.binary_fill_holes(lesion) == lesion).all()


def test_sex_and_age_move_the_border_and_nothing_else(cases):
    for sex, age in itertools.product(SEX_FACTORS, AGES):
        case = skin_case(3, 1, size=SIZE, sex=sex, age=age)
        np.testing.assert_array_equal(case.image.data, cases[1].image.data)
        expected = cases[1].patient.with_value("sex", sex).with_value("age", age)
        assert case.patient == expected
        assert case.image.spacing == cases[1].image.spacing


def test_a_lesion_asked_for_as_it_was_drawn_stays_as_it_was(cases):
    patient = cases[1].patient
    case = skin_case(3, 1, size=SIZE, sex=patient.sex, age=patient.age)
    np.testing.assert_array_equal(case.labels.data, cases[1].labels.data)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_lesions_grow_with_the_border_factor_one_inside_the_next(number):
    found = [
        skin_case(3, number, sex=sex, age=age)
        for sex, age in itertools.product(SEX_FACTORS, AGES)
    ]
    found.sort(key=lambda case: border_factor(case.patient))
    for inner, outer in itertools.pairwise(found):
        inner_lesion, outer_lesion = inner.labels.data == 1, outer.labels.data == 1
        assert border_factor(inner.patient) < border_factor(outer.patient)
        assert not (inner_lesion & ~outer_lesion).any()
        assert inner_lesion.sum() < outer_lesion.sum()


def test_area_grows_with_the_square_of_the_factor():
    small, middle, large = (
        skin_case(3, 1, sex=sex, age=age)
        for sex, age in (("female", 10.0), ("male", 30.0), ("male", 85.0))
    )
    lesion = middle.labels.data
    assert not lesion[[0, -1]].any()  # the frame cuts nothing off
    assert not lesion[:, [0, -1]].any()
    for other in (small, large):
        ratio = border_factor(other.patient) / border_factor(middle.patient)
        found = other.labels.data.sum() / lesion.sum()
        assert found == pytest.approx(ratio**2, rel=0.02)


def test_age_and_sex_factors_are_multiplied():
    for (sex, by_sex), (age, by_age) in itertools.product(
        SEX_FACTORS.items(), zip(AGES, AGE_FACTORS, strict=True)
    ):
        assert border_factor(Patient(sex=sex, age=age)) == by_sex * by_age
    assert list(AGE_FACTORS) == sorted(set(AGE_FACTORS))
    assert SEX_FACTORS["female"] < SEX_FACTORS["male"]


@pytest.mark.parametrize(("band", "edge"), list(enumerate(AGE_EDGES, start=1)))
def test_a_band_begins_at_its_edge_and_ends_just_before_the_next(band, edge):
    at, before = (
        border_factor(Patient(sex="male", age=age)) for age in (edge, edge - 0.001)
    )
    assert at == AGE_FACTORS[band] * SEX_FACTORS["male"]
    assert before == AGE_FACTORS[band - 1] * SEX_FACTORS["male"]


def test_the_model_sorts_ages_into_the_bands_that_moved_the_border():
    attribute = RECIPES["skin-phantom"].card.attributes[1]
    assert attribute.name == "age"
    assert attribute.values == AGE_BANDS
    for age in (0.0, 19.9, 20.0, 39.9, 40.0, 59.9, 60.0, 79.9, 80.0, 130.0):
        patient = Patient(sex="female", age=age)
        factor = AGE_FACTORS[attribute.category(age)] * SEX_FACTORS["female"]
        assert border_factor(patient) == factor


def test_patients_know_sex_race_age_and_body_site(cases):
    for name in ("sex", "race", "age", "body_site"):
        values = {case.patient.value(name) for case in cases}
        assert None not in values
        assert len(values) > 1
    assert {case.patient.sex for case in cases} == set(SEX_FACTORS)


def test_unknown_sex_tiny_images_and_impossible_ages_are_refused():
    with pytest.raises(ValueError, match="no sex 'other': expected one of female, mal"):
        skin_case(0, 0, size=SIZE, sex="other")
    with pytest.raises(ValueError, match=r"at least 32 pixels: found \(64, 31\)"):
        skin_case(0, 0, size=(64, 31))
    for age in (-1.0, 131.0):
        with pytest.raises(PatientError, match="between 0 and 130 years"):
            skin_case(0, 0, size=SIZE, age=age)


def test_the_smallest_size_is_drawn():
    assert skin_case(0, 0, size=(32, 32)).image.data.shape == (32, 32, 3)


def test_written_cohort_comes_back_with_pixels_labels_and_patients(tmp_path, cases):
    write_cohort(tmp_path / "out", cases[:4], notice=NOTICE)
    found = read_cohort(tmp_path / "out")
    assert len(found) == 4
    for before, after in zip(cases[:4], found, strict=True):
        assert after.id == before.id
        assert after.patient == before.patient
        assert after.patient.value("body_site") == before.patient.value("body_site")
        assert after.image.axes == ("y", "x", "c")
        assert after.image.unit == "mm"
        assert after.image.spacing == pytest.approx(before.image.spacing)
        np.testing.assert_array_equal(after.image.data, before.image.data)
        np.testing.assert_array_equal(after.labels.data, before.labels.data)
    readme = (tmp_path / "out" / "README.txt").read_text("utf-8")
    assert "invented" in readme


def test_kinds_name_the_skin_and_say_that_it_is_invented():
    kind = KINDS["skin"]
    (case,) = kind.cohort(1, seed=3, size=SIZE)
    assert case.id == "skin-00000"
    assert kind.notice == NOTICE
    assert "made up" in NOTICE
    assert "invented" in NOTICE
