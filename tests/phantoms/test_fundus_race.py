"""Fundi whose disc depends on race: the same images, other labels."""

from __future__ import annotations

import numpy as np

from napari_dmoe.phantoms.fundus.anatomy import LARGEST_CUP
from napari_dmoe.phantoms.fundus.cohort import (
    DISC_FACTORS,
    RACE_NOTICE,
    fundus_race_case,
    fundus_race_cohort,
)


def test_race_moves_the_disc_and_nothing_that_can_be_seen() -> None:
    alike = dict.fromkeys(DISC_FACTORS, 1.0)
    plain = list(fundus_race_cohort(6, seed=8, size=(96, 96), disc_factors=alike))
    moved = list(fundus_race_cohort(6, seed=8, size=(96, 96)))
    for before, after in zip(plain, moved, strict=True):
        np.testing.assert_array_equal(before.image.data, after.image.data)
        assert before.patient == after.patient
        disc, other = (int((case.labels.data > 0).sum()) for case in (before, after))
        factor = DISC_FACTORS[str(after.patient.race)]
        assert np.sign(other - disc) == np.sign(factor - 1)
    assert "invented" in RACE_NOTICE


def test_the_cup_never_leaves_the_disc() -> None:
    narrow = fundus_race_case(
        8,
        1,
        size=(96, 96),
        severity="glaucoma",
        disc_factors=dict.fromkeys(DISC_FACTORS, 0.5),
    )
    cup = int((narrow.labels.data == 2).sum())
    disc = int((narrow.labels.data > 0).sum())
    assert 0 < cup <= 1.05 * LARGEST_CUP**2 * disc
