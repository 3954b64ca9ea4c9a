"""The bundled model keeps what it promises, on phantoms and on a real photograph."""

import numpy as np
import pytest

import fundus_model
from napari_dmoe.models.checkpoint import bundled_names, load_checkpoint
from napari_dmoe.phantoms.fundus.cohort import CUP_FACTORS, fundus_cohort

UNSEEN_SEED = 2024


@pytest.fixture(scope="module")
def loaded():
    return load_checkpoint("fundus-phantom")


def test_the_bundled_file_is_small_and_its_card_says_what_it_is(loaded):
    assert "fundus-phantom" in bundled_names()
    assert loaded.n_bytes <= 6_000_000
    assert loaded.card.attributes[0].name == "severity"
    assert loaded.card.attributes[0].values == tuple(CUP_FACTORS)
    assert loaded.card.classes == ("background", "rim", "cup")
    assert "invented" in loaded.card.training.note
    assert "made-up" in loaded.card.notice


@pytest.mark.parametrize("number", [48, pytest.param(200, marks=pytest.mark.full)])
def test_disc_and_cup_are_found_in_phantoms_it_never_saw(loaded, number):
    cases = list(fundus_cohort(number, seed=UNSEEN_SEED))
    found = fundus_model.phantom_figures(loaded, cases)
    # Some discs can hardly be seen, and of a few the first pass is not sure. Measured:
    # 0.854 and 0.756 of 46 that are shown, 0.853 and 0.744 of 191.
    assert found["disc_dice"] >= 0.84
    assert found["cup_dice"] >= 0.735
    assert found["n_without_disc_left_empty"] >= found["n_without_disc"] / 2
    assert found["disc_dice"] >= found["best_constant_disc_dice"] + 0.2
    assert found["cup_dice"] >= found["best_constant_cup_dice"] + 0.2
    # Measured: 0.075 of 46, 0.036 of 191 (before the first pass had to be sure).
    assert found["cup_drop_when_shuffled"] >= 0.03
    assert found["cup_drop_interval"][0] > 0


def test_the_disc_is_found_in_a_real_photograph(loaded):
    found = fundus_model.photograph_figures(loaded)
    assert found["colour_crops"]["median"] >= 0.75
    assert found["colour_crops"]["min"] >= 0.5
    assert found["colour_whole"] >= 0.75
    assert found["green_whole"] >= 0.75


def test_crops_hold_the_whole_disc_and_stay_inside_the_photograph():
    image, disc = fundus_model.photograph()
    crops = fundus_model.crops()
    assert len(crops) == 20
    for crop in crops:
        assert disc[crop].sum() == disc.sum()
        height, width = image[crop].shape[:2]
        assert height == width
        assert round(512 / 1.4) <= height <= round(512 / 0.7)


def test_the_best_constant_mask_of_equal_cases_is_the_case():
    mask = np.zeros((6, 6), bool)
    mask[2:4, 1:4] = True
    assert fundus_model.best_constant_dice([mask, mask]) == 1.0
    shifted = np.roll(mask, 3, axis=1)
    assert fundus_model.best_constant_dice([mask, shifted]) == pytest.approx(2 / 3)
