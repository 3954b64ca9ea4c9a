"""Bundled models state the sizes in their training cases: phantoms are plausible."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

import implausible
from napari_dmoe.imaging.pixels import CONSTANT
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.headline import mask_headline
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import bundled_names, load_checkpoint
from napari_dmoe.phantoms.samples import sample_skin

FEW = 4

OF_PHANTOMS = [name for name in bundled_names() if name.endswith("-phantom")]


@pytest.mark.parametrize("model", OF_PHANTOMS)
@pytest.mark.parametrize("number", [FEW, pytest.param(100, marks=pytest.mark.full)])
def test_phantoms_that_it_never_saw_are_plausible(model: str, number: int) -> None:
    cases = implausible.phantoms(model, number, 77)
    found = implausible.figures(load_checkpoint(model), cases)
    assert found["images"] == number
    assert found["others called so"] <= max(1, 0.05 * number)


COLOUR = np.full((64, 80, 3), (200, 120, 90), np.uint8)
"""A picture of a single colour, which shows nothing."""


@pytest.mark.parametrize(
    "picture",
    [np.zeros_like(COLOUR), np.full_like(COLOUR, 128), COLOUR],
    ids=["black", "grey", "one colour"],
)
def test_nothing_is_found_in_a_picture_that_shows_nothing(picture: np.ndarray) -> None:
    image = SpatialImage.from_array(picture, axes="yxc")
    result = segment(load_checkpoint("skin-phantom"), image)
    assert mask_headline(result.labels, result.provenance, image) == "Nothing found"
    assert not any(labels.any() for labels in result.by_value.values())
    assert CONSTANT in result.provenance.notices


def test_nothing_is_found_in_the_planes_of_a_stack_that_show_nothing() -> None:
    lesion = sample_skin().image.data[::3, ::3]
    empty = np.full_like(lesion, (200, 120, 90))
    image = SpatialImage.from_array(np.stack([empty, lesion, empty]), axes="tyxc")
    result = segment(load_checkpoint("skin-phantom"), image)
    said = mask_headline(result.labels, result.provenance, image)
    assert said == "lesion in 1 of 3 planes"
    (told,) = (n for n in result.provenance.notices if "constant" in n)
    assert told.startswith("2 of 3 planes are constant: there is nothing to segment")


def test_a_disc_that_is_most_of_a_fundus_is_not() -> None:
    image = SpatialImage.from_array(skimage.data.retina(), axes="yxc")
    result = segment(load_checkpoint("fundus-phantom"), image)
    said = mask_headline(result.labels, result.provenance, image)
    assert said.startswith("rim ")
    half = np.ones_like(result.labels)
    said = mask_headline(half, result.provenance, image)
    assert said.startswith("Implausible: disc is 100 % of the picture, in training")
