"""Phantoms: decided by their seed, anatomically nested, driven by severity alone."""

import numpy as np
import pytest
from scipy import ndimage

from napari_dmoe.phantoms.fundus.cohort import CUP_FACTORS, fundus_case, fundus_cohort
from napari_dmoe.phantoms.kinds import KINDS

SIZE = (96, 96)


@pytest.fixture(scope="module")
def cases():
    return list(fundus_cohort(24, seed=3, size=SIZE))


def test_cup_lies_inside_the_disc_and_leaves_a_rim(cases):
    for case in cases:
        labels = case.labels.data
        assert set(np.unique(labels)) == {0, 1, 2}
        disc, cup = labels > 0, labels == 2
        for mask in (disc, cup):  # one piece each, without holes
            assert ndimage.label(mask)[1] == 1
            assert (ndimage.binary_fill_holes(mask) == mask).all()
        centre = np.mean(np.nonzero(cup), axis=1)
        rows, columns = np.nonzero(disc)
        assert rows.min() < centre[0] < rows.max()
        assert columns.min() < centre[1] < columns.max()


def test_disc_lies_wholly_inside_the_middle_square():
    for number in range(12):
        labels = fundus_case(7, number, size=(80, 120)).labels.data
        assert labels.shape == (80, 120)
        inside = np.zeros_like(labels, bool)
        inside[1:-1, 21:-21] = True
        assert not labels[~inside].any()
        assert labels.any()


def test_severity_moves_the_cup_and_nothing_else():
    cases = {name: fundus_case(3, 1, size=SIZE, severity=name) for name in CUP_FACTORS}
    healthy = cases["healthy"]
    areas = []
    for name, case in cases.items():
        np.testing.assert_array_equal(case.image.data, healthy.image.data)
        np.testing.assert_array_equal(case.labels.data > 0, healthy.labels.data > 0)
        assert case.patient == healthy.patient.with_value("severity", name)
        areas.append(int((case.labels.data == 2).sum()))
    assert areas == sorted(areas)
    # Area grows with the square of the factor while the disc does not bound it.
    ratio = (CUP_FACTORS["suspect"] / CUP_FACTORS["healthy"]) ** 2
    assert areas[1] / areas[0] == pytest.approx(ratio, rel=0.15)


def test_disc_is_about_1_8_mm_high(cases):
    heights = []
    for case in cases:
        assert case.image.unit == "mm"
        rows = (case.labels.data > 0).any(axis=1).sum()
        heights.append(rows * case.image.spacing[0])
    assert np.mean(heights) == pytest.approx(1.8, abs=0.15)


def test_scales_reach_from_whole_views_to_close_ups():
    cases = fundus_cohort(120, seed=0, size=(48, 48))
    shares = [(c.labels.data > 0).any(axis=1).mean() for c in cases]
    assert min(shares) < 0.14
    assert max(shares) > 0.5


def test_colour_and_grey_images_both_occur(cases):
    axes = {case.image.axes for case in cases}
    assert axes == {("y", "x", "c"), ("y", "x")}
    assert all(case.image.data.dtype == np.uint8 for case in cases)


def test_patients_know_all_four_attributes(cases):
    for name in ("sex", "race", "age", "severity"):
        assert len({case.patient.value(name) for case in cases}) > 1
        assert all(case.patient.value(name) is not None for case in cases)


def test_unknown_severity_and_tiny_images_are_refused():
    with pytest.raises(ValueError, match="healthy, suspect, glaucoma"):
        fundus_case(0, 0, severity="severe")
    with pytest.raises(ValueError, match="at least 32 pixels"):
        fundus_case(0, 0, size=(16, 64))


def test_kinds_name_the_fundus():
    (case,) = KINDS["fundus"].cohort(1, seed=2, size=SIZE)
    assert case.id == fundus_case(2, 0, size=SIZE).id
