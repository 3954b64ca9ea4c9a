"""Pelvis phantoms: decided by their seed; the T stage moves the target and no more."""

import itertools

import numpy as np
import pytest

from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.phantoms.fundus import cohort as fundus
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.phantoms.pelvis import cohort as pelvis
from napari_dmoe.phantoms.pelvis.cohort import (
    MARGINS,
    NOTICE,
    pelvis_case,
    pelvis_cohort,
)
from napari_dmoe.phantoms.skin import cohort as skin

SHAPE = (16, 48, 64)
STAGES = ("T1", "T2", "T3", "T4")


@pytest.fixture(scope="module")
def cases():
    return list(pelvis_cohort(8, seed=3, shape=SHAPE))


@pytest.fixture(scope="module")
def staged(cases):
    """Return one pelvis whose prostate is in view, under every stage."""
    number = int(np.argmax([case.labels.data.sum() for case in cases]))
    return {
        stage: pelvis_case(3, number, shape=SHAPE, severity=stage) for stage in STAGES
    }


def test_volumes_are_int16_in_z_y_x_with_thick_slices_in_mm(cases):
    for case in cases:
        image, labels = case.image, case.labels
        assert image.data.dtype == np.int16
        assert labels.data.dtype == np.uint8
        assert image.data.shape == labels.data.shape == SHAPE
        assert image.axes == labels.axes == ("z", "y", "x")
        assert image.unit == labels.unit == "mm"
        np.testing.assert_array_equal(image.affine, labels.affine)
        z, y, x = image.spacing
        assert y == x
        assert z > y
        assert set(np.unique(labels.data)) <= {0, 1}


def test_the_stage_moves_the_target_and_nothing_else(staged):
    first = staged["T1"]
    for stage, case in staged.items():
        np.testing.assert_array_equal(case.image.data, first.image.data)
        np.testing.assert_array_equal(case.image.affine, first.image.affine)
        assert case.patient == first.patient.with_value("severity", stage)


def test_targets_grow_from_t1_to_t4_one_inside_the_next(staged):
    for before, after in itertools.pairwise(STAGES):
        inner, outer = (staged[s].labels.data == 1 for s in (before, after))
        assert not (inner & ~outer).any()
        assert 0 < inner.sum() < outer.sum()


@pytest.mark.parametrize("stage", STAGES)
def test_the_target_is_the_margin_and_vesicles_belong_to_t3_and_t4(monkeypatch, stage):
    drawn = {}

    def remember(name):
        draw = getattr(pelvis, name)

        def drawing(*arguments):
            drawn[name] = draw(*arguments)
            return drawn[name]

        monkeypatch.setattr(pelvis, name, drawing)

    remember("draw_view")
    remember("draw_anatomy")
    labels = pelvis_case(3, 2, shape=(24, 64, 84), severity=stage).labels.data
    where, anatomy = drawn["draw_view"].coordinates(), drawn["draw_anatomy"]
    prostate = anatomy.prostate.distance(where) < MARGINS[stage].prostate
    vesicles = np.any([v.distance(where) < 0 for v in anatomy.vesicles], axis=0)
    beside = vesicles & ~prostate
    assert beside.sum() >= 10
    assert (labels[prostate] == 1).all()
    assert (labels[beside] == 1).all() == (stage in {"T3", "T4"})
    if stage in {"T1", "T2"}:
        np.testing.assert_array_equal(labels == 1, prostate)


def test_only_t3_and_t4_take_the_vesicles_in():
    has_vesicles = [MARGINS[stage].vesicles is not None for stage in STAGES]
    assert tuple(MARGINS) == STAGES
    assert has_vesicles == [False, False, True, True]


def test_air_lies_around_the_body_and_bone_within():
    for case in pelvis_cohort(3, seed=3):
        volume = case.image.data
        assert volume.shape == pelvis.SHAPE
        front = volume[:, :2, :8]  # a corner in front of the patient
        assert np.median(front) == pytest.approx(-1000, abs=30)
        assert 0.002 < (volume > 300).mean() < 0.2
        assert volume.min() >= -1024


def test_the_target_is_soft_tissue(staged):
    volume, target = staged["T2"].image.data, staged["T2"].labels.data == 1
    assert 0 < np.median(volume[target]) < 100


def test_some_volumes_hold_no_target_and_most_do():
    sizes = [case.labels.data.sum() for case in pelvis_cohort(30, seed=0, shape=SHAPE)]
    share = np.mean(np.array(sizes) > 0)
    assert 0.5 < share < 1


def test_patients_are_men_with_a_stage_a_race_and_an_age(cases):
    for name in ("race", "age", "severity"):
        values = {case.patient.value(name) for case in cases}
        assert None not in values
        assert len(values) > 1
    assert {case.patient.sex for case in cases} == {"male"}
    assert {case.patient.severity for case in cases} <= set(STAGES)


def test_unknown_stage_and_tiny_volumes_are_refused():
    with pytest.raises(ValueError, match="no T stage 'T5': expected one of T1, T2, T3"):
        pelvis_case(0, 0, shape=SHAPE, severity="T5")
    with pytest.raises(ValueError, match=r"at least 8 voxels: found \(7, 48, 64\)"):
        pelvis_case(0, 0, shape=(7, 48, 64))


def test_the_smallest_volume_is_drawn():
    assert pelvis_case(0, 0, shape=(8, 8, 8)).image.data.shape == (8, 8, 8)


def test_written_cohort_comes_back_with_voxels_labels_and_spacing(tmp_path, cases):
    write_cohort(tmp_path / "out", cases[:3], notice=NOTICE)
    names = sorted(path.name for path in (tmp_path / "out" / "images").iterdir())
    assert names == [f"0000{i}.nii.gz" for i in range(3)]
    found = read_cohort(tmp_path / "out")
    assert len(found) == 3
    for before, after in zip(cases[:3], found, strict=True):
        assert after.id == before.id
        assert after.patient == before.patient
        for part, same in ((after.image, before.image), (after.labels, before.labels)):
            order = [part.axes.index(axis) for axis in same.axes]
            assert part.unit == "mm"
            assert part.data.dtype == same.data.dtype
            spacing = [part.spacing[i] for i in order]
            assert spacing == pytest.approx(same.spacing, rel=1e-5)
            np.testing.assert_array_equal(
                np.asarray(part.data).transpose(order), same.data
            )
    assert "invented" in (tmp_path / "out" / "README.txt").read_text("utf-8")


def test_the_table_of_phantoms_holds_all_four_with_their_notices():
    assert {name: kind.notice for name, kind in KINDS.items()} == {
        "fundus": fundus.NOTICE,
        "fundus-race": fundus.RACE_NOTICE,
        "skin": skin.NOTICE,
        "pelvis": pelvis.NOTICE,
    }
    assert all("invented" in kind.notice for kind in KINDS.values())
    assert all(kind.title for kind in KINDS.values())


def test_kinds_draw_the_pelvis(cases):
    (case,) = KINDS["pelvis"].cohort(1, seed=3, shape=SHAPE)
    np.testing.assert_array_equal(case.image.data, cases[0].image.data)
