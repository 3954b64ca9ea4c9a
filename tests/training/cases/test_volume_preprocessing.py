"""Training sees volumes as runs do, whatever their card asks for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_cases import CUBE_CARD, CUBE_CONFIG, PLAIN, cube

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.foreground import Foreground
from napari_dmoe.imaging.orientations import turned
from napari_dmoe.imaging.resampling import prepare_labels
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.training.augmentation.settings import VolumeAugmentSettings
from napari_dmoe.training.cases.pool import part_of, read_pool
from napari_dmoe.training.cases.volumes import VolumePool
from napari_dmoe.training.facts.image_facts import appearances
from napari_dmoe.training.loop.evaluation import found_labels
from napari_dmoe.training.loop.fit import fit

HOW = VolumePreprocessing(
    orientation="RAS",
    spacing=(3.0, 2.5, 2.5),
    standardise=True,
    foreground=Foreground(above=12, crop=True, margin=1),
    patch=(64, 32, 64),
)


def case(number: int) -> Case:
    """Return a cube in noise, within a margin that is no foreground."""
    one = cube(number)
    data = one.image.data.copy()
    data[:, :3], data[..., -4:] = 0, 0
    affine = np.diag([3.0, 2, -2, 1])
    axes = ("z", "y", "x")
    image = SpatialImage(data, axes, affine, "mm")
    return replace(
        one, image=image, labels=SpatialImage(one.labels.data, axes, affine, "mm")
    )


def model(how: VolumePreprocessing = HOW) -> LoadedModel:
    card = CUBE_CARD.model_copy(update={"preprocessing": how})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return new_model("dmoe-unet3d", CUBE_CONFIG, card)


@pytest.fixture(scope="module")
def pool() -> VolumePool:
    return read_pool([case(0), case(1)], model().card)


def test_training_sees_what_a_run_sees(pool: VolumePool) -> None:
    prepared = prepare_volume(case(0).image, HOW)
    images, labels = pool.whole(torch.tensor([0]))
    np.testing.assert_allclose(images[0], turned(prepared.tensor, "RAS"), atol=5e-3)
    drawn = prepare_labels(case(0).labels.data, prepared.grid)
    assert torch.equal(labels[0], turned(torch.from_numpy(drawn.copy()), "RAS"))
    assert images.mean().abs() < 1e-2
    assert (labels == 1).any()


@pytest.mark.parametrize("augmentation", [None, VolumeAugmentSettings(flip=True)])
def test_patches_are_those_of_the_network(
    pool: VolumePool, augmentation: VolumeAugmentSettings | None
) -> None:
    chosen = torch.tensor([1, 0])
    generator = torch.Generator().manual_seed(0)
    images, labels = (
        pool.plain(chosen)
        if augmentation is None
        else pool.varied(chosen, augmentation, generator)
    )
    assert pool.seen_patch == images.shape[2:] == labels.shape[1:] == (64, 32, 64)
    cubes = images[:, 0][labels == 1]
    assert cubes.mean() > 1 > images[:, 0][labels == 0].mean()


def test_a_small_volume_is_padded_as_in_a_run(pool: VolumePool) -> None:
    images, _ = pool.plain(torch.tensor([0]))
    z_planes = images[0, 0, 16, 16]  # along z: 40 planes in 64
    assert z_planes[:12].abs().max() < 5e-3
    assert z_planes[-12:].abs().max() < 5e-3


def test_a_part_of_a_pool_keeps_its_ranges(pool: VolumePool) -> None:
    part = part_of(pool, [1])
    both = [each.whole(torch.tensor([i]))[0] for each, i in ((part, 0), (pool, 1))]
    assert torch.equal(*both)


def test_labels_that_a_model_found_are_turned_back(pool: VolumePool) -> None:
    _, labels = pool.whole(torch.tensor([0]))
    assert torch.equal(pool.turned_back(labels)[0], pool.labels[0])


def test_facts_of_images_are_measured_as_a_run_measures_them(pool: VolumePool) -> None:
    from napari_dmoe.imaging.appearance import appearance

    seen = appearance(prepare_volume(case(0).image, HOW).tensor)
    for side, numbers in appearances(pool)[0].items():
        np.testing.assert_allclose(numbers, seen[side], atol=2e-2)


def test_held_out_cases_are_segmented_as_in_a_run(pool: VolumePool) -> None:
    loaded = model()
    settings = InferenceSettings(device="cpu", scored_at="network")
    run = segment(loaded, case(0).image, case(0).patient, settings=settings)
    images, _ = pool.whole(torch.tensor([0]))
    found = found_labels(
        loaded.module,
        images,
        pool.category[:1],
        card=loaded.card,
        patch=pool.seen_patch,
        batch=2,
    )
    same = pool.turned_back(found)[0].numpy()[..., ::-1] == run.labels
    assert same.mean() > 0.999  # kept in 16 bits


def test_a_model_is_trained_and_used(pool: VolumePool) -> None:
    settings = PLAIN.model_copy(update={"epochs": 1, "device": "cpu"})
    fitted = fit(model(), [case(0), case(1)], settings=settings, held_out=[case(2)])
    assert np.isfinite(fitted.history[0].loss)
    run = segment(
        fitted.loaded,
        case(2).image,
        case(2).patient,
        settings=InferenceSettings(device="cpu"),
    )
    assert run.labels.shape == case(2).image.data.shape
    assert fitted.loaded.card.preprocessing == HOW
