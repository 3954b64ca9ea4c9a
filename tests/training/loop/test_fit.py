"""Training: it learns, is reproducible, can be stopped, and refuses what it cannot."""

import math

import numpy as np
import pytest
import torch
from training_cases import CARD, CONFIG, PLAIN

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import prepare
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.checkpoint import load_checkpoint, new_model
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled
from napari_dmoe.training.augmentation.planes import AugmentSettings, augment
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.pacing import READING, STEPS
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting import new_model as new_model_module
from napari_dmoe.training.starting.new_model import HELD_OUT_EVERY, train_new
from napari_dmoe.training.starting.recipes import RECIPES, Recipe


def squares(n=8, severity="suspect"):
    """Make images with a bright square, labelled 1 with a core of 2."""
    rng = np.random.default_rng(0)
    cases = []
    for i in range(n):
        pixels = rng.integers(0, 40, (32, 32), np.uint8)
        truth = np.zeros((32, 32), np.uint8)
        row, column = rng.integers(1, 12, 2)
        truth[row : row + 18, column : column + 18] = 1
        truth[row + 5 : row + 13, column + 5 : column + 13] = 2
        pixels[truth > 0] += 120
        image, labels = (
            SpatialImage.from_array(array, axes="yx") for array in (pixels, truth)
        )
        cases.append(Case(str(i), image, labels, Patient(severity=severity)))
    return cases


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return new_model("dmoe-vit", CONFIG, CARD)


def weights(loaded):
    return torch.cat([p.detach().flatten() for p in loaded.network.parameters()])


def test_training_lowers_the_loss_and_finds_the_square(tiny):
    settings = PLAIN.model_copy(update={"epochs": 40})
    fitted = fit(tiny, squares(), settings=settings, held_out=squares(4))
    losses = [epoch.loss for epoch in fitted.history]
    assert losses[-1] < 0.6 * losses[0]
    assert fitted.history[-1].dice["rim"] > 0.6
    assert not fitted.loaded.network.training


def test_the_model_passed_in_is_left_as_it_was(tiny):
    before = weights(tiny)
    fitted = fit(tiny, squares(), settings=PLAIN)
    assert torch.equal(weights(tiny), before)
    assert not torch.equal(weights(fitted.loaded), before)
    assert fitted.history[-1].dice == {}


def test_the_seed_decides_everything_and_the_global_one_nothing(tiny):
    settings = TrainSettings(epochs=1, batch=4, seed=5)
    torch.manual_seed(1)
    first = fit(tiny, squares(), settings=settings)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    second = fit(tiny, squares(), settings=settings)
    assert first.history == second.history
    assert torch.equal(weights(first.loaded), weights(second.loaded))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    other = fit(tiny, squares(), settings=settings.model_copy(update={"seed": 6}))
    assert other.history != first.history


def test_progress_counts_every_case_and_step(tiny):
    seen = []
    fit(tiny, squares(6), settings=PLAIN, progress=seen.append)
    reading, training = seen[:6], seen[6:]
    assert {p.phase for p in reading} == {READING}
    assert {p.phase for p in training} == {STEPS}
    read, trained = (dict(seen[0].plan)[phase] for phase in (READING, STEPS))
    assert read + trained == pytest.approx(1)
    told = [p.fraction for p in seen]
    wanted = [read * i / 6 for i in range(1, 7)]
    wanted += [read + trained * i / 4 for i in range(1, 5)]
    assert told == pytest.approx(wanted, abs=1e-4)
    assert "epoch 2" in seen[-1].message


def test_a_hook_that_cancels_stops_at_its_step(tiny):
    seen = []

    def stop(progress):
        seen.append(progress)
        if "epoch" in progress.message:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit(tiny, squares(), settings=PLAIN, progress=stop)
    assert len(seen) == 9


def test_a_loss_that_is_no_number_stops_training(tiny):
    with torch.no_grad():
        tiny.network.head.bias[0] = math.nan
    with pytest.raises(TrainingError, match="the loss became nan at step 1"):
        fit(tiny, squares(), settings=PLAIN)


def test_cases_that_cannot_be_trained_on_are_refused(tiny):
    good = squares(1)[0]
    for case, error, message in (
        (
            Case("a", good.image, None, good.patient),
            TrainingError,
            "case a has no labels",
        ),
        (
            Case(
                "c",
                good.image,
                SpatialImage(good.labels.data + 1, ("y", "x")),
                good.patient,
            ),
            TrainingError,
            "case c: labels reach from 1 to 3, but the card has 3 classes",
        ),
    ):
        with pytest.raises(error, match=message):
            fit(tiny, [case], settings=PLAIN)
    unknown = Case("b", good.image, good.labels, Patient())
    strict = PLAIN.model_copy(update={"unknown_drivers": "leave-out"})
    with pytest.raises(TrainingError, match="case b: severity is not known"):
        fit(tiny, [unknown], settings=strict)
    with pytest.raises(TrainingError, match="no cases"):
        fit(tiny, [], settings=PLAIN)


def test_a_card_without_preprocessing_is_refused():
    card = CARD.model_copy(update={"preprocessing": None})
    with pytest.raises(TrainingError, match="states no preprocessing"):
        read_pool(squares(1), card)


def test_a_card_without_a_driver_trains_on_router_0():
    card = CARD.model_copy(update={"attributes": ()})
    assert read_pool(squares(2, severity=None), card).category.tolist() == [[0], [0]]


def test_the_pool_finishes_what_preparing_an_image_does():
    (case,) = squares(1)
    pool = read_pool([case], CARD)
    seen = pool.plain(torch.tensor([0]))[0][0]
    exact = prepare(case.image, CARD.preprocessing).tensor.expand(3, -1, -1)
    torch.testing.assert_close(seen, exact, atol=1e-4, rtol=1e-4)


def test_augmentation_that_changes_nothing_returns_the_batch():
    nothing = AugmentSettings(
        rotation=0, zoom=1, shift=0, light=0, colour=0, grey_share=0, blur_px=0, noise=0
    )
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images = 0.5 * (images + images.flip(2))
    images = 0.5 * (images + images.flip(3))  # flips are always on: make it symmetric
    labels = torch.zeros(2, 16, 16, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    varied, same = augment(images, labels, settings=nothing, generator=generator)
    torch.testing.assert_close(varied, images, atol=2e-4, rtol=0)
    assert torch.equal(same, labels)


def test_labels_follow_the_image_through_the_geometry():
    only_geometry = AugmentSettings(light=0, colour=0, grey_share=0, blur_px=0, noise=0)
    labels = torch.zeros(8, 64, 64, dtype=torch.uint8)
    labels[:, 10:40, 20:36] = 1
    images = labels[:, None].float().expand(-1, 3, -1, -1)
    generator = torch.Generator().manual_seed(1)
    varied, moved = augment(images, labels, settings=only_geometry, generator=generator)
    assert not torch.equal(moved, labels)
    assert ((varied[:, 0] > 0.5) == (moved == 1)).float().mean() > 0.99


def test_augmented_images_stay_in_range_and_some_turn_grey():
    images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(16, 32, 32, dtype=torch.uint8)
    settings = AugmentSettings(noise=0)
    generator = torch.Generator().manual_seed(0)
    varied, _ = augment(images, labels, settings=settings, generator=generator)
    assert varied.min() >= 0
    assert varied.max() <= 1
    is_grey = (varied.amax(1) - varied.amin(1)).amax((1, 2)) < 1e-5
    assert 0 < is_grey.sum() < 16


def test_a_recipe_states_in_the_card_what_it_was_trained_on(tmp_path):
    cases = squares(16, "healthy") + squares(16, "glaucoma")
    fitted = train_new(Recipe("dmoe-vit", CONFIG, CARD, PLAIN), cases)
    save_checkpoint(tmp_path / "new.safetensors", fitted.loaded)
    card = load_checkpoint(tmp_path / "new.safetensors").card
    assert card.training.n_cases == 30
    assert card.training.n_per_value == {
        "severity": {"healthy": 15, "suspect": 0, "glaucoma": 15}
    }
    assert card.attributes[0].frequencies == (0.5, 0.0, 0.5)
    assert set(card.training.dice) == {"rim", "cup"}
    assert card.training.settings["seed"] == 0


def test_a_recipe_holds_out_some_of_every_value_that_has_enough(monkeypatch):
    held = []
    monkeypatch.setattr(
        new_model_module,
        "fit_cohort",
        lambda model, cases, *, settings, **_: held.append(
            (settings.hold_out, settings.hold_out_every)
        ),
    )
    recipe = Recipe("dmoe-vit", CONFIG, CARD, PLAIN)
    many, few = squares(12, "healthy"), squares(12, "glaucoma")
    train_new(recipe, many + few)  # the first of 24 is healthy
    train_new(recipe, many + few[:4])
    train_new(recipe, squares(25, "healthy") + many + few)
    train_new(recipe, squares(25, "healthy") + few + many)
    every = "every", HELD_OUT_EVERY
    assert held == [("cases", 5), every, ("cases", 5), every]


def test_a_recipe_gives_the_same_model_twice():
    recipe = Recipe("dmoe-vit", CONFIG, CARD, PLAIN)
    first, second = (train_new(recipe, squares(4)) for _ in range(2))
    assert torch.equal(weights(first.loaded), weights(second.loaded))


def test_the_bundled_recipe_says_that_it_is_invented():
    card = RECIPES["fundus-phantom"].card
    assert "invented" in card.notice
    assert "never for a clinical decision" in card.intended_use
