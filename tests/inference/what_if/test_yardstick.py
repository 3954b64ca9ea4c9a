"""What a verdict is held against: pictures moved by a pixel, run and moved back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.running.drivers import choose_routers
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.verdict import shift_share
from napari_dmoe.inference.what_if.yardstick import (
    moved_masks,
    n_moves,
    pixel_of,
    yardstick_of,
)
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.samples import sample_skin
from napari_dmoe.progress import silent

SETTINGS = InferenceSettings(device="cpu")


@pytest.fixture(scope="module")
def skin() -> LoadedModel:
    return load_checkpoint("skin-phantom")


@pytest.fixture(scope="module")
def image() -> SpatialImage:
    return sample_skin().image


def test_a_pixel_is_the_larger_of_the_images_and_the_networks(
    skin: LoadedModel, image: SpatialImage
) -> None:
    patient = sample_skin().patient
    result = segment(skin, image, patient, settings=SETTINGS)
    wide = max(image.spatial_shape) / skin.card.preprocessing.side
    assert pixel_of(result) == pytest.approx((wide, wide))
    small = replace(image, data=np.asarray(image.data)[60:110, 60:110])
    assert pixel_of(segment(skin, small, patient, settings=SETTINGS)) == (1, 1)


def test_masks_of_moved_pictures_lie_where_the_own_one_does(
    skin: LoadedModel, image: SpatialImage
) -> None:
    patient = sample_skin().patient
    own = segment(skin, image, patient, settings=SETTINGS)
    choice = choose_routers(skin, patient, SETTINGS)
    how = {"like": own, "progress": silent}
    masks = moved_masks(skin, image, choice, SETTINGS, **how)
    assert len(masks) == n_moves(skin, image) == 3
    plain = shift_share(own.labels == 1, pixel_of(own))
    for mask in masks:
        assert mask.shape == own.labels.shape
        apart = (mask != own.labels).sum() / ((mask | own.labels) == 1).sum()
        assert 0 < apart < plain  # not moved back, or twice, they would be beyond
    again = moved_masks(skin, image, choice, SETTINGS, **how)
    np.testing.assert_array_equal(again, masks)
    at_network = SETTINGS.model_copy(update={"scored_at": "network"})
    small = segment(skin, image, patient, settings=at_network)
    how = {"like": small, "progress": silent}
    for mask in moved_masks(skin, image, choice, at_network, **how):
        apart = (mask != small.labels).sum() / ((mask | small.labels) == 1).sum()
        assert 0 < apart < plain


def test_both_are_shares_of_the_largest_mask(
    skin: LoadedModel, image: SpatialImage
) -> None:
    own = segment(skin, image, sample_skin().patient, settings=SETTINGS)
    larger = np.zeros_like(own.labels)
    larger[20:180, 20:260] = 1
    moved = [np.roll(own.labels, 1, axis=1)]
    alone = yardstick_of("own", own, moved, [own.labels])
    found = yardstick_of("own", own, moved, [own.labels, larger])
    share = (own.labels.sum()) / larger.sum()
    assert found.rerun[0] == pytest.approx(alone.rerun[0] * share)
    assert found.shift[0] == shift_share(larger == 1, pixel_of(own))
    assert alone.shift[0] == shift_share(own.labels == 1, pixel_of(own))


def test_a_stack_is_moved_once_and_keeps_its_planes(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    race = load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")
    stack = np.random.default_rng(1).integers(0, 256, (5, 20, 24), dtype=np.uint8)
    assert n_moves(race, SpatialImage.of(stack)) == 1
    swept = sweep(race, stack, attribute="race", settings=SETTINGS)
    assert swept.verdict.yardstick.n_reruns == 1


def test_an_unknown_value_takes_the_one_nearest_to_the_mixture(
    skin: LoadedModel, image: SpatialImage
) -> None:
    swept = sweep(skin, image, attribute="age", patient=Patient(), settings=SETTINGS)
    nearest = min(swept.values, key=lambda value: value.n_different)
    assert swept.verdict.yardstick.value == nearest.name
    assert swept.verdict.says == "matters"
