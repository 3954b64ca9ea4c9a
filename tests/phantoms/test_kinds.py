"""Phantoms of every kind: their seed and number decide them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.phantoms.kinds import KINDS

SIZES = {"pelvis": {"shape": (12, 40, 48)}}
EYE = {"sex": "male", "race": "Asian", "age": 48.0, "severity": "healthy"}
DRAWN = {
    "fundus": (712002.1666666666, 1235, EYE),
    "fundus-race": (1425644.3333333333, 1500, EYE),
    "skin": (
        1507630.6666666667,
        5572,
        {"sex": "male", "race": "Asian", "age": 36.0, "body_site": "scalp"},
    ),
    "pelvis": (
        124061.0,
        5561,
        {"sex": "male", "race": "White", "age": 48.0, "severity": "T2"},
    ),
}
"""Mean sum of the pixels, foreground of six cases, and the sixth's patient."""


def drawn(kind, number, *, seed=11):
    size = SIZES.get(kind, {"size": (64, 72)})
    return list(KINDS[kind].cohort(number, seed=seed, **size))


def equal(one, other):
    return (
        (one.id, one.patient, one.image.spacing)
        == (other.id, other.patient, other.image.spacing)
        and np.array_equal(one.image.data, other.image.data)
        and np.array_equal(one.labels.data, other.labels.data)
    )


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def cases(kind):
    return drawn(kind, 6)


def test_larger_cohort_holds_the_smaller_one(kind, cases):
    few = drawn(kind, 3)
    assert len(few) == 3
    assert all(equal(*pair) for pair in zip(few, cases, strict=False))


def test_another_seed_and_another_number_give_other_pixels(kind, cases):
    other = drawn(kind, 1, seed=12)[0]
    assert not np.array_equal(other.image.data, cases[0].image.data)
    assert not np.array_equal(cases[1].image.data, cases[0].image.data)


def test_ids_differ(cases):
    assert len({case.id for case in cases}) == len(cases)


def test_the_pixels_are_those_of_earlier_versions(kind, cases):
    values = [float(np.sum(case.image.data, dtype=np.float64)) for case in cases]
    sizes = [int((case.labels.data > 0).sum()) for case in cases]
    mean, foreground, patient = DRAWN[kind]
    # A machine that rounds a sine otherwise may move a single pixel.
    assert np.mean(values) == pytest.approx(mean, rel=1e-6)
    assert sum(sizes) == pytest.approx(foreground, abs=2)
    assert cases[5].patient.known() == patient
