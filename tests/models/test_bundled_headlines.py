"""Bundled models state the sizes in their training cases: phantoms are plausible."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

import implausible
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.masks.headline import mask_headline
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import bundled_names, load_checkpoint

FEW = 4


@pytest.mark.parametrize("model", bundled_names())
@pytest.mark.parametrize("number", [FEW, pytest.param(100, marks=pytest.mark.full)])
def test_phantoms_that_it_never_saw_are_plausible(model: str, number: int) -> None:
    cases = implausible.phantoms(model, number, 77)
    found = implausible.figures(load_checkpoint(model), cases)
    assert found["images"] == number
    assert found["others called so"] <= max(1, 0.05 * number)


def test_a_disc_that_is_most_of_a_fundus_is_not() -> None:
    image = SpatialImage.from_array(skimage.data.retina(), axes="yxc")
    result = segment(load_checkpoint("fundus-phantom"), image)
    said = mask_headline(result.labels, result.provenance, image)
    assert said.startswith("rim ")
    half = np.ones_like(result.labels)
    said = mask_headline(half, result.provenance, image)
    assert said.startswith("Implausible: disc is 100 % of the picture, in training")
