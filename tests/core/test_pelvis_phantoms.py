"""Pelvis phantoms: decided by their seed; the T stage changes labels alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.cohorts.datasets import read_cohort, write_cohort
from napari_dmoe.cohorts.fundus import (
    DISC_FACTORS,
    LARGEST_CUP,
    RACE_NOTICE,
    fundus_case,
    fundus_cohort,
    fundus_race_cohort,
)
from napari_dmoe.cohorts.pelvis import MARGINS, NOTICE, pelvis_case, pelvis_cohort
from napari_dmoe.cohorts.phantoms import KINDS

SHAPE = (24, 64, 84)


def test_the_seed_decides_everything_and_a_larger_cohort_holds_a_smaller_one() -> None:
    many = list(pelvis_cohort(2, seed=3, shape=SHAPE))
    (few,) = pelvis_cohort(1, seed=3, shape=SHAPE)
    np.testing.assert_array_equal(few.image.data, many[0].image.data)
    assert few.patient == many[0].patient
    assert not np.array_equal(many[0].image.data, many[1].image.data)


def test_volumes_look_like_anisotropic_ct() -> None:
    case = pelvis_case(1, 0, shape=SHAPE)
    assert case.image.axes == ("z", "y", "x")
    assert case.image.data.shape == SHAPE
    assert (case.image.data.dtype, case.labels.data.dtype) == (np.int16, np.uint8)
    z, y, x = case.image.spacing
    assert z > y == x
    assert case.image.unit == "mm"
    values = np.asarray(case.image.data)
    assert values.min() < -900
    assert (values > 300).any()  # bone
    assert np.median(values[(values > -150) & (values < -50)]) == pytest.approx(
        -100, abs=25
    )


def test_the_stage_changes_labels_alone_and_widens_them() -> None:
    cases = [pelvis_case(5, 1, shape=SHAPE, severity=stage) for stage in MARGINS]
    sizes = [int(case.labels.data.sum()) for case in cases]
    assert sizes == sorted(set(sizes))
    assert sizes[0] > 0
    for case in cases[1:]:
        np.testing.assert_array_equal(case.image.data, cases[0].image.data)
    # Each holds the one before, and T3 reaches farther up: to the seminal vesicles.
    for small, large in pairwise(cases):
        assert (small.labels.data <= large.labels.data).all()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="no T stage 'T5': expected one of T1"):
        pelvis_case(0, 0, severity="T5")
    with pytest.raises(ValueError, match="at least 8 voxels"):
        pelvis_case(0, 0, shape=(4, 64, 64))


def test_a_written_cohort_is_nifti_and_read_back_equal(tmp_path: Path) -> None:
    cases = list(pelvis_cohort(2, seed=6, shape=(12, 40, 48)))
    write_cohort(tmp_path, cases, notice=NOTICE)
    assert (tmp_path / "images" / "00000.nii.gz").is_file()
    for written, read in zip(cases, read_cohort(tmp_path), strict=True):
        np.testing.assert_array_equal(read.image.data, written.image.data)
        np.testing.assert_array_equal(read.labels.data, written.labels.data)
        assert read.image.axes == ("z", "y", "x")
        np.testing.assert_allclose(read.image.affine, written.image.affine, atol=1e-5)
        assert read.patient == written.patient


def test_race_moves_the_disc_and_nothing_that_can_be_seen() -> None:
    plain = list(fundus_cohort(6, seed=8, size=(96, 96)))
    moved = list(fundus_race_cohort(6, seed=8, size=(96, 96)))
    for before, after in zip(plain, moved, strict=True):
        np.testing.assert_array_equal(before.image.data, after.image.data)
        assert before.patient == after.patient
        disc, other = (int((case.labels.data > 0).sum()) for case in (before, after))
        factor = DISC_FACTORS[str(after.patient.race)]
        assert np.sign(other - disc) == np.sign(factor - 1)
    assert "invented" in RACE_NOTICE


def test_the_cup_never_leaves_the_disc() -> None:
    narrow = fundus_case(
        8,
        1,
        size=(96, 96),
        severity="glaucoma",
        disc_factors=dict.fromkeys(DISC_FACTORS, 0.5),
    )
    cup = int((narrow.labels.data == 2).sum())
    disc = int((narrow.labels.data > 0).sum())
    assert 0 < cup <= 1.05 * LARGEST_CUP**2 * disc


def test_every_kind_has_a_notice_and_draws() -> None:
    assert list(KINDS) == ["fundus", "fundus-race", "skin", "pelvis"]
    for kind in KINDS.values():
        assert "invented" in kind.notice
        assert kind.title
