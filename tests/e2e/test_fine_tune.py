"""Fine-tuning with the real model and the real process, from a sample to a new mask."""

from __future__ import annotations

from collections.abc import Callable

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.segment.control import SegmentControl

pytestmark = pytest.mark.gui

TIMEOUT_MS = 280_000
ROUNDS, BATCH, RATE = 2, 1, 1e-3


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (one.sum() + other.sum())


@pytest.mark.timeout(600)
def test_sample_segment_paint_tune_keep_segment(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    viewer.open_sample("napari-dmoe", "phantom-fundus")
    dock = open_dock(viewer)
    tab, tuning = (
        dock.control(FineTuneControl).tab,
        dock.control(FineTuneControl).tuning,
    )
    qtbot.waitUntil(dock.footer.button.isEnabled, timeout=TIMEOUT_MS)
    dock.control(SegmentControl).tab.patient.rerun_box.click()

    def segment() -> None:
        qtbot.waitUntil(dock.footer.button.isEnabled, timeout=TIMEOUT_MS)
        qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(
            lambda: not dock.control(SegmentControl).run.is_busy, timeout=TIMEOUT_MS
        )

    segment()
    mask = viewer.layers["phantom fundus / mask"]
    before = mask.data == 2
    mask.brush_size = 36
    rows, columns = np.nonzero(before)
    mask.paint((rows.mean(), columns.mean()), 2)  # a much larger cup
    wanted = mask.data == 2
    assert dice(before, wanted) < 0.95

    dock.tabs.setCurrentWidget(tab)
    tab.tune.presets.button(2).click()
    tab.tune.guard_combo.activated.emit(1)  # none: measured elsewhere
    inputs = tab.advanced.form.inputs
    inputs["epochs"].value, inputs["batch"].value = ROUNDS, BATCH
    inputs["learning_rate"].value = RATE
    parent = dock._session.model
    qtbot.waitUntil(tab.foot.button.isEnabled)
    qtbot.mouseClick(tab.foot.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tuning.state is State.TRAINING, timeout=TIMEOUT_MS)
    folder = dock.control(FineTuneControl).tuning.folder.path
    qtbot.waitUntil(lambda: not tuning.state.is_at_work, timeout=TIMEOUT_MS)
    assert tuning.state is State.DONE, tuning.said
    assert len(tuning.epochs) == ROUNDS
    assert "not checked" in tab.outcome.verdict.text()

    qtbot.mouseClick(tab.outcome.keep_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tuning.state is State.KEPT, timeout=TIMEOUT_MS)
    tuned = dock._session.model
    assert tuned.sha256 == load_checkpoint(folder / "kept.safetensors").sha256
    assert parent.sha256[:12] in str(tuned.card.training.note)
    dock.tabs.setCurrentWidget(dock.control(SegmentControl).tab)
    segment()
    new = viewer.layers["phantom fundus / mask [2]"]  # the painted one is left alone
    assert dice(new.data == 2, wanted) > dice(before, wanted)
    record = new.metadata["napari-dmoe"]["model"]
    assert record["card"] == "fundus-phantom-tuned"
    assert record["sha256"] == tuned.sha256
    np.testing.assert_array_equal(mask.data == 2, wanted)
    dock.control(FineTuneControl).abandon()
    assert not folder.exists()
