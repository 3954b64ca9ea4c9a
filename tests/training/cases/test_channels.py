"""A network of any number of channels is trained on what it segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import CARD, CONFIG, CUBE_CARD, CUBE_CONFIG, PLAIN, square

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import prepare
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint, new_model
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.training.augmentation import settings as kinds
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.starting.new_model import train_new
from napari_dmoe.training.starting.recipes import Recipe
from napari_dmoe.training.tuning.tune import tune

ON_CPU = InferenceSettings(device="cpu")
SETTINGS = PLAIN.model_copy(update={"epochs": 1, "device": "cpu"})


def planes_model(n_channels: int) -> LoadedModel:
    config = CONFIG.model_copy(update={"in_channels": n_channels})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_model("dmoe-vit", config, CARD)


def volumes_model(n_channels: int) -> LoadedModel:
    config = CUBE_CONFIG.model_copy(update={"in_channels": n_channels})
    small = VolumePreprocessing(window=(0, 100), patch=(32, 32, 64))
    card = CUBE_CARD.model_copy(update={"preprocessing": small})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_model("dmoe-unet3d", config, card)


def plane(number: int, n_channels: int | None = None) -> Case:
    """Return a square in as many channels, which differ; without an axis for them."""
    case = square(number, ("healthy", "suspect", "glaucoma")[number % 3])
    if n_channels is None:
        return case
    pixels = np.asarray(case.image.data)
    pixels = pixels if pixels.ndim == 2 else pixels[..., 0]
    each = [(pixels * (1 - 0.1 * i)).astype(np.uint8) for i in range(n_channels)]
    image = SpatialImage.from_array(np.stack(each), axes="cyx")
    return replace(case, image=image)


def volume(number: int, n_channels: int | None) -> Case:
    rng = np.random.default_rng(number)
    shape = (32, 32, 64) if n_channels is None else (n_channels, 32, 32, 64)
    pixels = rng.integers(0, 40, shape, np.uint8)
    truth = np.zeros((32, 32, 64), np.uint8)
    truth[8:20, 8:20, 10:40] = 1
    pixels[..., truth > 0] += 50
    axes = "zyx" if n_channels is None else "czyx"
    return Case(
        f"v{number}",
        SpatialImage.from_array(pixels, axes=axes, spacing=(1, 1, 1), unit="mm"),
        SpatialImage.from_array(truth, axes="zyx", spacing=(1, 1, 1), unit="mm"),
        Patient(severity=("T1", "T2")[number % 2]),
    )


KINDS = [
    pytest.param(planes_model, plane, 1, None, id="grey planes"),
    pytest.param(planes_model, plane, 1, 1, id="planes of one channel"),
    pytest.param(planes_model, plane, 2, 2, id="planes of two channels"),
    pytest.param(planes_model, plane, 2, None, id="grey planes for two channels"),
    pytest.param(planes_model, plane, 4, 4, id="planes of four channels"),
    pytest.param(planes_model, plane, 3, 3, id="colour planes"),
    pytest.param(volumes_model, volume, 1, None, id="grey volumes"),
    pytest.param(volumes_model, volume, 2, 2, id="volumes of two channels"),
    pytest.param(volumes_model, volume, 3, 3, id="volumes of three channels"),
]


@pytest.mark.parametrize(("model", "case", "n_channels", "n_given"), KINDS)
def test_what_is_segmented_can_be_trained_and_is_segmented_again(
    tmp_path: Path,
    model: Callable[[int], LoadedModel],
    case: Callable[..., Case],
    n_channels: int,
    n_given: int | None,
) -> None:
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, model(n_channels))
    loaded = load_checkpoint(path)
    assert loaded.config.in_channels == n_channels
    cases = [case(number, n_given) for number in range(6)]
    before = segment(loaded, cases[0].image, cases[0].patient, settings=ON_CPU)
    fitted = fit(loaded, cases[:4], settings=SETTINGS, held_out=cases[4:])
    assert np.isfinite(fitted.history[0].loss)
    save_checkpoint(path, fitted.loaded)
    after = segment(
        load_checkpoint(path), cases[0].image, cases[0].patient, settings=ON_CPU
    )
    assert after.labels.shape == before.labels.shape == cases[0].labels.data.shape


@pytest.mark.parametrize(("model", "case", "n_channels", "n_given"), KINDS)
def test_training_sees_what_a_run_sees(
    model: Callable[[int], LoadedModel],
    case: Callable[..., Case],
    n_channels: int,
    n_given: int | None,
) -> None:
    loaded, one = model(n_channels), case(0, n_given)
    pool = read_pool([one], loaded.card, n_channels=n_channels)
    assert len(pool.images[0]) == n_channels
    inputs, _ = pool.whole(torch.tensor([0]))
    how = loaded.preprocessing
    see = prepare if loaded.card.dims == 2 else prepare_volume
    seen = see(one.image, how, n_channels=n_channels).tensor  # type: ignore[operator]
    step = 8 if loaded.card.dims == 2 else 1  # standardised: 1 / 255 over the spread
    np.testing.assert_allclose(inputs[0], seen.expand_as(inputs[0]), atol=step / 255)


@pytest.mark.parametrize(
    "augmentation",
    [kinds.AugmentSettings(), kinds.PublishedAugmentSettings()],
    ids=lambda each: each.kind,
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_planes_of_any_channels_are_varied(
    augmentation: kinds.Augmentation, n_channels: int
) -> None:
    settings = SETTINGS.model_copy(update={"augmentation": augmentation})
    cases = [plane(number, n_channels) for number in range(4)]
    fitted = fit(planes_model(n_channels), cases, settings=settings)
    assert np.isfinite(fitted.history[0].loss)


@pytest.mark.parametrize(
    "augmentation",
    [kinds.VolumeAugmentSettings(flip=True), kinds.PublishedAugmentSettings()],
    ids=lambda each: each.kind,
)
def test_volumes_of_two_channels_are_varied(augmentation: kinds.Augmentation) -> None:
    settings = SETTINGS.model_copy(
        update={"augmentation": augmentation, "hold_out": "slices"}
    )
    fitted = fit(volumes_model(2), [volume(n, 2) for n in range(2)], settings=settings)
    assert np.isfinite(fitted.history[0].loss)
    assert fitted.held_out == "slices"


@pytest.mark.parametrize(
    ("model", "case", "n_channels", "n_given", "words"),
    [
        (planes_model, plane, 1, 3, "takes grey images, of 1 channel: found 3 chan"),
        (planes_model, plane, 1, 4, "takes grey images, of 1 channel: found 4 chan"),
        (planes_model, plane, 3, 2, "takes grey or RGB images: found 2 channels"),
        (planes_model, plane, 2, 3, "takes images of 1 or 2 channels: found 3 chan"),
        (
            volumes_model,
            volume,
            2,
            None,
            "takes images of 2 channels: found 1 chan",
        ),
        (volumes_model, volume, 2, 3, "takes images of 2 channels: found 3 channels"),
        (volumes_model, volume, 1, 2, "takes grey images, of 1 channel: found 2 ch"),
    ],
)
def test_other_channels_are_refused_in_words_by_runs_and_trainings(
    model: Callable[[int], LoadedModel],
    case: Callable[..., Case],
    n_channels: int,
    n_given: int | None,
    words: str,
) -> None:
    loaded, one = model(n_channels), case(1, n_given)
    with pytest.raises(ImageError, match=words):
        segment(loaded, one.image, one.patient, settings=ON_CPU)
    with pytest.raises(TrainingError, match=f"case {one.id}: the model {words}"):
        fit(loaded, [one], settings=SETTINGS)


def test_a_new_model_of_one_channel_is_trained_by_a_recipe() -> None:
    config = CONFIG.model_copy(update={"in_channels": 1})
    recipe = Recipe("dmoe-vit", config, CARD, SETTINGS)
    fitted = train_new(recipe, [plane(number) for number in range(6)])
    assert fitted.loaded.config.in_channels == 1


def test_a_model_of_two_channels_is_tuned_with_a_guard(tmp_path: Path) -> None:
    loaded, cases = volumes_model(2), [volume(number, 2) for number in range(4)]
    settings = TrainSettings(epochs=1, augmentation=None, device="cpu")
    tuned = tune(loaded, cases[:2], settings=settings, guard=Guard(), folder=tmp_path)
    assert tuned.loaded.config.in_channels == 2
