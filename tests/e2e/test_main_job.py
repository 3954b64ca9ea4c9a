"""The main job with the real model, from the menu entries to a mask that changes."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.demonstration import MODELS, open_demo
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl

pytestmark = pytest.mark.gui

MODEL_TIMEOUT_MS = 60_000


def test_sample_patient_segment_change_and_paint(
    make_napari_viewer: Callable[..., napari.Viewer],
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NAPARI_STRICT_QT", "raise")
    viewer = make_napari_viewer()
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    dock = open_dock(viewer)

    def click_segment_and_wait() -> None:
        qtbot.waitUntil(dock.footer.button.isEnabled, timeout=MODEL_TIMEOUT_MS)
        qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(
            lambda: not dock.control(SegmentControl).run.is_busy,
            timeout=MODEL_TIMEOUT_MS,
        )

    def choose_severity(value: str) -> None:
        combo = dock.control(SegmentControl).tab.patient.inputs["severity"].combo
        while combo.currentText() != value:
            index = combo.findText(value)
            key = Qt.Key.Key_Down if index > combo.currentIndex() else Qt.Key.Key_Up
            qtbot.keyClick(combo, key)

    qtbot.waitUntil(dock.footer.button.isEnabled, timeout=MODEL_TIMEOUT_MS)
    dock.control(
        SegmentControl
    ).tab.patient.rerun_box.click()  # runs may be slow on this machine
    choose_severity("healthy")
    click_segment_and_wait()
    mask = viewer.layers["phantom fundus / mask"]
    image = viewer.layers["phantom fundus"]
    assert mask.data.shape == image.data.shape[:2]
    assert set(np.unique(mask.data)) == {0, 1, 2}
    np.testing.assert_array_equal(mask.scale, image.scale)
    assert mask.units == image.units
    assert "mm²" in dock.control(SegmentControl).tab.result.text()

    healthy = mask.data.copy()
    choose_severity("glaucoma")
    assert "Outdated" in dock.control(SegmentControl).tab.result.outdated.text()
    click_segment_and_wait()
    assert np.count_nonzero(mask.data == 2) > np.count_nonzero(healthy == 2)

    mask.paint((5, 5), 1)
    painted = mask.data.copy()
    choose_severity("healthy")
    click_segment_and_wait()
    np.testing.assert_array_equal(mask.data, painted)
    np.testing.assert_array_equal(
        viewer.layers["phantom fundus / mask [2]"].data, healthy
    )


@pytest.mark.parametrize("sample", MODELS)
def test_the_demo_opens_with_its_result(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, sample: str
) -> None:
    viewer = make_napari_viewer()
    dock = open_demo(viewer, sample)
    qtbot.waitUntil(
        lambda: not dock.control(SegmentControl).loader.is_busy,
        timeout=MODEL_TIMEOUT_MS,
    )
    qtbot.waitUntil(
        lambda: "Made for" in dock.control(SegmentControl).tab.result.text()
    )
    assert dock.control(SegmentControl).tab.result.outdated.text() == ""
    assert [layer.name.split(" / ")[-1] for layer in viewer.layers][1:] == ["mask"]
    dock.control(RoutingControl).tab.shown_box.click()
    shown = [layer.name.split(" / ")[-1] for layer in viewer.layers][1:]
    is_transformer = sample == "phantom-skin"
    assert shown == ["routing block 3" if is_transformer else "routing stage 0", "mask"]
    assert dock.control(RoutingControl).tab.shown_box.isChecked()
