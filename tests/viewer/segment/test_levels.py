"""Of a multiscale image the finest level is segmented, or one that somebody chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from desk import Desk
from stub_networks import thresholding_model

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.inference.running.outlook import outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.layers.levels import at_level
from napari_dmoe.viewer.layers.placement import data_to_world

pytestmark = pytest.mark.gui

VOXELS = np.random.default_rng(0).random((80, 40, 44), dtype=np.float32)
LEVELS = [VOXELS, VOXELS[::2, ::2, ::2], VOXELS[::4, ::4, ::4]]
PLACE = {"scale": (4, 3, 2), "translate": (7, 8, 9), "units": ("mm",) * 3}


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Import what the first volume needs, which takes longer than a desk waits."""
    Windows((40, 40, 40), (32, 32, 32), 0.5)


@pytest.fixture
def desk(make_desk: Callable[..., Desk], models: dict[str, LoadedModel]) -> Desk:
    models["bright"] = thresholding_model(window=(0, 1))
    desk = make_desk(segment=segment, outlook=outlook)
    desk.load("bright")
    how: dict[str, Any] = {"name": "ct", "contrast_limits": (0, 1), **PLACE}
    desk.viewer.add_image(LEVELS, multiscale=True, **how)
    desk.wait_until_idle()
    desk.choose("severity", "T2")
    desk.settle()
    return desk


def titles(desk: Desk) -> list[str]:
    combo = desk.segmenting.tab.image.level_combo
    return [combo.itemText(i) for i in range(combo.count())]


def choose(desk: Desk, number: int) -> None:
    combo = desk.segmenting.tab.image.level_combo
    combo.setCurrentIndex(number)
    combo.activated.emit(number)
    desk.wait_until_idle()


def test_the_finest_is_meant_and_others_are_offered(desk: Desk) -> None:
    combo = desk.segmenting.tab.image.level_combo
    assert combo.isVisibleTo(desk.segmenting.tab)
    assert titles(desk) == [
        "finest: 80 × 40 × 44",
        "level 1: 40 × 20 × 22",
        "level 2: 20 × 10 × 11",
    ]
    assert combo.currentIndex() == 0
    assert "finest of 3 levels" in desk.fit
    desk.run()
    (mask,) = desk.masks
    np.testing.assert_array_equal(mask.data, VOXELS > 0.5)


def test_an_image_of_one_level_has_no_choice(desk: Desk) -> None:
    desk.viewer.add_image(VOXELS, name="plain", contrast_limits=(0, 1))
    desk.wait_until_idle()
    assert desk.session.image.name == "plain"
    combo = desk.segmenting.tab.image.level_combo
    assert not combo.isVisibleTo(desk.segmenting.tab)


def test_a_chosen_level_is_segmented_in_its_place(desk: Desk) -> None:
    whole = desk.session.image
    choose(desk, 1)
    image = desk.session.image
    assert image.name == "ct level 1"
    assert np.asarray(image.data).base is LEVELS[1].base  # not copied
    assert desk.session.patient_of(image).severity == "T2"
    assert desk.session.source_of(image, "severity") == "from “ct”"
    assert "level 1 of 3 levels" in desk.fit
    assert desk.segmenting.tab.image.level_combo.currentIndex() == 1
    desk.run()
    (mask,) = desk.masks
    np.testing.assert_array_equal(mask.data, LEVELS[1] > 0.5)
    np.testing.assert_allclose(mask.scale, (8, 6, 4))
    np.testing.assert_allclose(mask.translate, (7, 8, 9))
    # A voxel of the level lies where napari shows it: on the finest one that it is of.
    at = data_to_world(mask) @ (10, 5, 7, 1)
    np.testing.assert_allclose(at, data_to_world(whole) @ (20, 10, 14, 1))
    record = mask.metadata[METADATA_KEY]
    said = "level 1 of 3 of a multiscale image was used, 0 being the finest"
    assert any(each.startswith(said) for each in record["notices"])
    assert record["image"]["shape"] == [40, 20, 22]


def test_each_level_is_one_layer_and_the_finest_comes_back(desk: Desk) -> None:
    whole = desk.session.image
    choose(desk, 2)
    coarse = desk.session.image
    assert titles(desk)[2] == "level 2: 20 × 10 × 11"
    choose(desk, 0)
    assert desk.session.image is whole
    choose(desk, 2)
    assert desk.session.image is coarse
    choose(desk, 1)
    names = sorted(each.name for each in desk.viewer.layers)
    assert names == ["ct", "ct level 1", "ct level 2"]
    desk.viewer.layers.remove(coarse)
    choose(desk, 2)
    assert desk.session.image is not coarse
    assert desk.session.image.name == "ct level 2"


def test_a_level_that_is_not_there_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="no level 3: it has 3, from 0"):
        at_level(desk.session.image, 3, [])
