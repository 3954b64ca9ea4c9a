"""Phantoms: decided by their seed, anatomically nested, driven by severity alone."""

import numpy as np
import pytest
from scipy import ndimage

from napari_dmoe.phantoms.fundus.anatomy import LARGEST_CUP
from napari_dmoe.phantoms.fundus.cohort import (
    CUP_FACTORS,
    fundus_case,
    fundus_cohort,
)
from napari_dmoe.phantoms.fundus.scenes import draw_scene
from napari_dmoe.phantoms.kinds import KINDS

SIZE = (128, 128)


@pytest.fixture(scope="module")
def cases():
    return list(fundus_cohort(60, seed=3, size=SIZE))


def disc_of(case):
    return np.asarray(case.labels.data) > 0


def test_cup_lies_inside_the_disc_and_leaves_a_rim(cases):
    shown = [case for case in cases if disc_of(case).any()]
    for case in shown:
        labels = case.labels.data
        assert set(np.unique(labels)) == {0, 1, 2}
        assert ndimage.label(disc_of(case))[1] == 1
        assert ndimage.label(labels == 2)[1] == 1
        assert (labels == 2).sum() < 1.1 * LARGEST_CUP**2 * disc_of(case).sum()


def test_some_fundi_show_no_disc_and_have_no_label(cases):
    empty = [case for case in cases if not disc_of(case).any()]
    assert 1 <= len(empty) <= 0.2 * len(cases)
    assert all(np.std(case.image.data) > 1 for case in empty)


def test_labels_end_where_the_camera_shows_nothing():
    rng = np.random.default_rng(0)
    scenes = [draw_scene(rng, SIZE) for _ in range(80)]
    hidden = [s for s in scenes if (s.disc.level(s.x, s.y) < 1)[~s.is_seen].any()]
    assert hidden  # some discs are cut by the camera's mask
    for number in range(30):
        case = fundus_case(5, number, size=SIZE)
        pixels = case.image.data.reshape(*SIZE, -1).max(-1)
        if disc_of(case).any():
            assert np.median(pixels[disc_of(case)]) > 8


def test_cups_are_of_every_size(cases):
    shares = [
        np.sqrt((case.labels.data == 2).sum() / disc_of(case).sum())
        for case in cases
        if disc_of(case).sum() > 300
    ]
    assert min(shares) < 0.45
    assert max(shares) > 0.85


def test_severity_moves_the_cup_and_nothing_else():
    cases = {name: fundus_case(3, 1, size=SIZE, severity=name) for name in CUP_FACTORS}
    healthy = cases["healthy"]
    areas = []
    for name, case in cases.items():
        np.testing.assert_array_equal(case.image.data, healthy.image.data)
        np.testing.assert_array_equal(disc_of(case), disc_of(healthy))
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
        rows = disc_of(case).any(axis=1).sum()
        if rows > 12:
            heights.append(rows * case.image.spacing[0])
    assert np.mean(heights) == pytest.approx(1.8, abs=0.15)


def test_scales_reach_from_whole_views_to_close_ups(cases):
    shares = [disc_of(case).any(axis=1).mean() for case in cases]
    assert 0 < min(share for share in shares if share) < 0.12
    assert max(shares) > 0.4


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
