"""Training on volumes, and on cases of several attributes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training_cases import CUBE_CARD as CARD
from training_cases import CUBE_CONFIG as CONFIG
from training_cases import STAGE, cube

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import new_model
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.patient import Patient
from napari_dmoe.training.augmentation.volumes import VolumeAugmentSettings
from napari_dmoe.training.cases.annotation import TrainingError, category_of
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.new_model import train_new
from napari_dmoe.training.starting.recipes import Recipe

PATCH = CARD.preprocessing.patch
SEX = CardAttribute(name="sex", values=("female", "male"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_patches_have_the_cards_size_and_small_volumes_are_padded() -> None:
    pool = read_pool([cube(0), cube(1, shape=(20, 50, 30))], CARD)
    images, labels = pool.plain(torch.tensor([0, 1]))
    assert images.shape == (2, 1, *PATCH)
    assert labels.shape == (2, *PATCH)
    assert not images[1, 0, :6].any()  # 12 slices are missing, half on each side
    assert not images[1, 0, -6:].any()
    assert images[1, 0, 6:-6].any()


def test_plain_patches_hold_the_label_and_keep_intensities() -> None:
    case = cube(3)
    pool = read_pool([case], CARD)
    images, labels = pool.plain(torch.tensor([0]))
    assert labels.sum() == case.labels.data.sum()
    inside = images[0, 0][labels[0] == 1].mean().item()
    truth = float(np.clip(case.image.data[case.labels.data == 1] / 100, 0, 1).mean())
    assert inside == pytest.approx(truth, abs=0.01)


def test_random_patches_follow_their_generator_and_flip_together() -> None:
    pool = read_pool([cube(4)], CARD)
    settings = VolumeAugmentSettings(foreground=1, reach=0, flip=True, light=0, noise=0)
    chosen = torch.zeros(16, dtype=torch.int64)
    first = pool.varied(chosen, settings, generator(1))
    again = pool.varied(chosen, settings, generator(1))
    assert torch.equal(first[0], again[0])
    plain = pool.plain(torch.tensor([0]))
    mirrored = 0
    for image, label in zip(*first, strict=True):
        is_flipped = not torch.allclose(image, plain[0][0], atol=1e-3)
        mirrored += is_flipped
        expected = tuple(p[0].flip(-1) if is_flipped else p[0] for p in plain)
        torch.testing.assert_close(image, expected[0], atol=1e-3, rtol=0)
        assert torch.equal(label, expected[1])
    assert 0 < mirrored < 16


def test_light_and_noise_change_intensities_within_bounds() -> None:
    pool = read_pool([cube(5)], CARD)
    settings = VolumeAugmentSettings(foreground=1, reach=0, light=0.3, noise=0.1)
    images, labels = pool.varied(
        torch.zeros(4, dtype=torch.int64), settings, generator()
    )
    plain = pool.plain(torch.tensor([0]))
    assert 0 <= images.min() <= images.max() <= 1
    assert len({round(image.mean().item(), 4) for image in images}) == 4
    assert all(torch.equal(label, plain[1][0]) for label in labels)


def test_labels_follow_axes_and_directions() -> None:
    case = cube(6)
    turned = Case(
        "turned",
        SpatialImage(
            case.image.data.T[::-1], ("x", "y", "z"), np.diag([-1.0, 1, 1, 1])
        ),
        SpatialImage(
            case.labels.data.T[::-1], ("x", "y", "z"), np.diag([-1.0, 1, 1, 1])
        ),
        case.patient,
    )
    straight, found = (
        read_pool([c], CARD).plain(torch.tensor([0])) for c in (case, turned)
    )
    assert torch.equal(straight[0], found[0])
    assert torch.equal(straight[1], found[1])


@pytest.mark.parametrize(
    ("case", "error", "message"),
    [
        (
            Case("c", cube(0).image, None, Patient(severity="T1")),
            TrainingError,
            "c has no labels",
        ),
        (
            cube(0, severity=None),
            TrainingError,
            "severity is not known, but drives the model",
        ),
        (
            Case(
                "c",
                cube(0).image,
                SpatialImage(np.indices((40, 40, 70))[0] % 4, ("z", "y", "x")),
                Patient(severity="T1"),
            ),
            TrainingError,
            "reach from 0 to 3",
        ),
    ],
)
def test_cases_that_cannot_be_trained_on_are_named(
    case: Case, error: type[ValueError], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_pool([case], CARD)


def test_one_of_two_attributes_may_be_unknown() -> None:
    card = CARD.model_copy(update={"attributes": (STAGE, SEX)})
    assert category_of(cube(0, sex="male"), card) == [1, 3]
    assert category_of(cube(0), card) == [1, -1]
    with pytest.raises(TrainingError, match="severity and sex are not known"):
        category_of(cube(0, severity=None), card)


def test_training_on_volumes_lowers_the_loss() -> None:
    torch.manual_seed(0)
    cases = [cube(i) for i in range(4)]
    settings = TrainSettings(
        epochs=14,
        batch=2,
        learning_rate=5e-3,
        dropout=0,
        augmentation=VolumeAugmentSettings(foreground=1, reach=0.1),
    )
    untrained = new_model("dmoe-unet3d", CONFIG, CARD)
    before = {k: v.clone() for k, v in untrained.module.state_dict().items()}
    fitted = fit(untrained, cases, settings=settings, held_out=cases[:2])
    assert fitted.history[-1].loss < 0.9 * fitted.history[0].loss
    assert fitted.cases_per_router == (2, 2)
    assert fitted.n_cases == 4
    assert set(fitted.history[-1].dice) == {"cube"}
    for name, tensor in untrained.module.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("knows_age", [True, False])
def test_the_card_states_what_it_was_trained_on(knows_age: bool) -> None:
    age = CardAttribute(name="age", values=("young", "old"), edges=(50,))
    card = ModelCard(
        name="two",
        title="Two",
        attributes=(SEX, age),
        classes=("background", "spot"),
        preprocessing=Preprocessing(side=32, resize="half-pixel"),
    )
    config = ViTConfig(
        width=8,
        depth=1,
        n_heads=1,
        mlp_width=8,
        grid=2,
        n_classes=2,
        n_routers=4,
        n_experts=2,
        expert_width=8,
        decoder_entry=8,
        decoder_widths=(4, 4, 4, 4),
    )
    rng = np.random.default_rng(0)
    cases = [
        Case(
            str(i),
            SpatialImage(rng.integers(0, 256, (32, 32), np.uint8), ("y", "x")),
            SpatialImage(rng.integers(0, 2, (32, 32), np.uint8), ("y", "x")),
            Patient(sex="male", age=(20 if i < 2 else 70) if knows_age else None),
        )
        for i in range(5)
    ]
    recipe = Recipe("dmoe-vit", config, card, TrainSettings(epochs=1, batch=2))
    if not knows_age:
        with pytest.raises(TrainingError, match="age is not known in any of the 4"):
            train_new(recipe, cases)
        return
    fitted = train_new(recipe, cases)  # the first case is held out
    facts = fitted.loaded.card.training
    assert facts.n_cases == 4
    assert facts.n_per_value == {
        "sex": {"female": 0, "male": 4},
        "age": {"young": 1, "old": 3},
    }
    shares = [attribute.frequencies for attribute in fitted.loaded.card.attributes]
    assert shares == [(0, 1), (0.25, 0.75)]
