"""The stages of a U-Net of planes in the window: each map lies on what it is of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from desk import Desk
from mapping import box, choose, words
from napari.components import ViewerModel
from plane_networks import STAGES, marking_unet

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.viewer.engines import segment
from napari_dmoe.viewer.routing.extras import STAGES as WHY_NOT

pytestmark = pytest.mark.gui


@pytest.fixture
def models(models: dict[str, LoadedModel]) -> dict[str, LoadedModel]:
    return models | {"planes": marking_unet()}


@pytest.fixture
def picture() -> np.ndarray:
    """Return 4:3 in colours; 256 pixels are 128 samples, and 192 are 96 of them."""
    marked = np.random.default_rng(0).integers(0, 20, (192, 256, 3), np.uint8)
    marked[:96, :128] += 230
    return marked


@pytest.fixture
def mapped(make_desk: Callable[..., Desk], picture: np.ndarray) -> Desk:
    desk = make_desk(ViewerModel(), segment=segment)
    desk.viewer.add_image(picture, name="marked", rgb=True, scale=(0.5, 0.5))
    desk.load("planes")
    desk.choose("severity", "suspect")
    desk.run()
    desk.settle()
    assert desk.masks, desk.status
    return desk


def test_every_stage_has_its_map_on_what_is_marked(
    mapped: Desk, picture: np.ndarray
) -> None:
    tab = mapped.routing.tab
    choose(mapped, "dominant")
    assert tab.block_label.text() == "Stage"
    assert (tab.block_slider.minimum(), tab.block_slider.maximum()) == (0, 4)
    assert tab.block_slider.value() == 0  # the finest
    for stage in reversed(STAGES):
        tab.block_slider.setValue(stage)
        mapped.settle()
        (layer,) = (
            each
            for each in mapped.viewer.layers
            if each.name == f"marked / routing stage {stage}" and each.visible
        )
        token = 2 * 2 ** (stage + 1) * 0.5
        np.testing.assert_allclose(layer.scale, token)
        first, last = box(layer)
        # The coarsest tokens reach half into what is padded, above as below.
        beyond = token / 2 if stage == 4 else 0
        np.testing.assert_allclose(first, (-0.25 - beyond, -0.25))
        height, width = picture.shape[0] / 2, picture.shape[1] / 2
        np.testing.assert_allclose(last, (height - 0.25 + beyond, width - 0.25))
        # Bright and dark tokens change hands where bright and dark pixels do.
        for row, column in ((2, 2), (30, 100), (98, 2), (2, 130), (190, 254)):
            at = layer.world_to_data((row * 0.5, column * 0.5))
            expert = layer.data[tuple(np.round(at).astype(int))]
            is_bright = picture[row, column, 0] > 200
            assert expert == int(is_bright), (stage, row, column)
        mapped.viewer.cursor.position = (1.0, 1.0)
        mapped.viewer.status = f"marked, stage {stage}"
        assert str(mapped.viewer.status).endswith(f"expert 1 1.00, stage {stage}")


def test_stages_share_no_experts_so_they_cannot_agree(mapped: Desk) -> None:
    state = mapped.routing.tab.maps.map_combo
    assert WHY_NOT.startswith("The stages of a U-Net")
    barred = [
        state.itemText(i)
        for i in range(state.count())
        if not state.model().item(i).isEnabled()
    ]
    assert barred == ["Agreement of blocks"]


def test_experts_are_muted_in_a_stage(mapped: Desk) -> None:
    combo = mapped.what_if.tab.experts.block_combo
    names = [combo.itemText(i) for i in range(combo.count())]
    assert names == ["all stages", *(f"stage {i}" for i in STAGES)]
    assert words(mapped.routing.tab.title).startswith("of “marked / mask”")
