"""Models of several attributes and of volumes, in the dock."""

from __future__ import annotations

import numpy as np
import pytest
from desk import Desk
from napari.layers import Image
from qtpy.QtCore import Qt

from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.training.starting.recipes import RECIPES

pytestmark = pytest.mark.gui


@pytest.fixture
def models(models: dict[str, LoadedModel]) -> dict[str, LoadedModel]:
    skin, pelvis = RECIPES["skin-phantom"], RECIPES["pelvis-phantom"]
    small = UNetConfig(feature_size=4, n_routers=4, n_experts=2)
    return models | {
        "skin": new_model("dmoe-vit", skin.config, skin.card),
        "pelvis": new_model("dmoe-unet3d", small, pelvis.card),
    }


def load(desk: Desk, name: str) -> None:
    desk.segmenting.tab.model.model_requested.emit(name)
    desk.wait_until_idle()


def test_every_driver_is_marked_and_changes_what_is_asked_for(desk: Desk) -> None:
    load(desk, "skin")
    section = desk.segmenting.tab.patient
    drivers = [name for name, i in section.inputs.items() if i.field.drives]
    assert drivers == ["sex", "age"]
    section.rerun_box.click()
    desk.choose("sex", "female")
    desk.type("age", "63")
    assert "60-79" in section._sources["age"].text()
    desk.run()
    assert desk.segmenting.tab.result.outdated.text() == ""
    desk.type("age", "64")  # the same band
    assert desk.segmenting.tab.result.outdated.text() == ""
    desk.type("age", "81")
    assert "Outdated" in desk.segmenting.tab.result.outdated.text()


def test_each_unknown_driver_says_what_is_mixed(desk: Desk) -> None:
    load(desk, "skin")
    text = desk.segmenting.tab.patient.mixture_label.text()
    assert "female" in text
    assert "80 and over" in text
    desk.choose("sex", "male")
    text = desk.segmenting.tab.patient.mixture_label.text()
    assert "female" not in text
    assert "80 and over" in text


def test_a_plane_is_refused_by_a_3d_model_before_it_is_run(desk: Desk) -> None:
    load(desk, "pelvis")
    assert not desk.dock.footer.button.isEnabled()
    assert "takes grey volumes, and this image is flat" in desk.fit
    volume = Image(
        np.zeros((8, 10, 12)),
        name="scan",
        scale=(4, 3, 3),
        units=("mm",) * 3,
        axis_labels=("z", "y", "x"),
    )
    desk.viewer.layers.clear()
    desk.viewer.add_layer(volume)
    desk.qtbot.waitUntil(desk.dock.footer.button.isEnabled)
    desk.wait_until_idle()
    assert desk.fit == "✓ 12 × 10 × 8 · grey · 3 × 3 × 4 mm voxels"
    desk.qtbot.mouseClick(desk.dock.footer.button, Qt.MouseButton.LeftButton)
    desk.wait_until_idle()
    assert desk.segment.calls
