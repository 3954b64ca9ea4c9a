"""Fundi whose disc depends on race: the disc and its cup move, nothing else does."""

import itertools

import numpy as np
import pytest

from napari_dmoe.cohorts.fundus import (
    CUP_FACTORS,
    DISC_FACTORS,
    RACE_NOTICE,
    fundus_case,
    fundus_cohort,
    fundus_race_cohort,
)
from napari_dmoe.cohorts.phantoms import KINDS

SIZE = (96, 96)
RACES = ("Asian", "Black", "White")


@pytest.fixture(scope="module")
def pairs():
    """Return the same eyes, with a disc that depends on race and with one that does
    not.
    """
    cohorts = (
        draw(24, seed=3, size=SIZE) for draw in (fundus_race_cohort, fundus_cohort)
    )
    return list(zip(*cohorts, strict=True))


def by_race(number, severity="glaucoma"):
    """Return one eye under the disc factor of each race, from narrow to wide."""
    race = fundus_case(3, number, size=(192, 192)).patient.race
    return [
        fundus_case(
            3,
            number,
            size=(192, 192),
            severity=severity,
            disc_factors={race: DISC_FACTORS[name]},
        )
        for name in RACES
    ]


def test_images_and_patients_are_those_of_the_other_fundi(pairs):
    for race, plain in pairs:
        np.testing.assert_array_equal(race.image.data, plain.image.data)
        assert race.image.axes == plain.image.axes
        assert race.image.spacing == plain.image.spacing
        assert race.patient == plain.patient
        assert race.id == plain.id


def test_the_disc_is_narrower_as_it_was_or_wider_with_the_patients_race(pairs):
    seen = set()
    for race, plain in pairs:
        name = race.patient.race
        found, usual = (int((case.labels.data > 0).sum()) for case in (race, plain))
        if name == "Black":
            np.testing.assert_array_equal(race.labels.data, plain.labels.data)
        else:
            assert found < usual if name == "Asian" else found > usual
        seen.add(name)
    assert seen == set(RACES)


@pytest.mark.parametrize("number", range(4))
def test_discs_of_one_eye_grow_from_asian_over_black_to_white(number):
    masks = [case.labels.data > 0 for case in by_race(number)]
    for inner, outer in itertools.pairwise(masks):
        assert not (inner & ~outer).any()
        assert inner.sum() < outer.sum()


def test_area_of_the_disc_grows_with_the_square_of_the_factor():
    areas = [int((case.labels.data > 0).sum()) for case in by_race(1)]
    for name, area in zip(RACES, areas, strict=True):
        ratio = DISC_FACTORS[name] / DISC_FACTORS["Black"]
        assert area / areas[1] == pytest.approx(ratio**2, rel=0.05)


@pytest.mark.parametrize("severity", CUP_FACTORS)
def test_the_cup_stays_within_the_narrowest_disc_and_leaves_a_rim(severity):
    for number in range(8):
        narrow, *_, wide = (case.labels.data for case in by_race(number, severity))
        # A wider disc never takes anything from the cup, a narrower one cuts it off.
        assert not ((narrow == 2) & ~(wide == 2)).any()
        for labels in (narrow, wide):
            assert set(np.unique(labels)) == {0, 1, 2}
            cup = np.pad(labels == 2, 1)
            beside = [np.roll(cup, s, a)[1:-1, 1:-1] for s in (-1, 1) for a in (0, 1)]
            for shifted in beside:  # nowhere is cup next to background
                assert not (shifted & (labels == 0)).any()


def test_severity_moves_the_cup_and_not_the_disc_whatever_the_race():
    found = [
        fundus_case(3, 1, size=SIZE, severity=name, disc_factors=DISC_FACTORS)
        for name in CUP_FACTORS
    ]
    areas = []
    for case in found:
        np.testing.assert_array_equal(case.labels.data > 0, found[0].labels.data > 0)
        areas.append(int((case.labels.data == 2).sum()))
    assert areas == sorted(set(areas))


def test_larger_cohort_holds_the_smaller_one(pairs):
    few = list(fundus_race_cohort(2, seed=3, size=SIZE))
    assert len(few) == 2
    for one, (same, _) in zip(few, pairs, strict=False):
        assert one.id == same.id
        np.testing.assert_array_equal(one.labels.data, same.labels.data)


def test_a_race_without_a_factor_keeps_the_visible_disc():
    plain = fundus_case(3, 1, size=SIZE)
    others = {name: 0.5 for name in RACES if name != plain.patient.race}
    case = fundus_case(3, 1, size=SIZE, disc_factors=others)
    np.testing.assert_array_equal(case.labels.data, plain.labels.data)


def test_kinds_name_these_fundi_and_say_that_they_are_invented(pairs):
    kind = KINDS["fundus-race"]
    case = list(kind.cohort(2, seed=3, size=SIZE))[1]
    np.testing.assert_array_equal(case.labels.data, pairs[1][0].labels.data)
    assert kind.notice == RACE_NOTICE
    for word in ("made up", "invented", "severity", "race"):
        assert word in RACE_NOTICE
