"""How many clicks the first ten minutes take: counted, in a real window.

A click is one press of the mouse on a button or tab, one entry chosen in a menu, one
file dropped, or one file chosen in a dialog.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QWidget
from tuning_desk import TuningDesk

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.viewer.coming_up import open_dock
from napari_dmoe.viewer.dock import DMoEDock
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.what_if.control import WhatIfControl

pytestmark = pytest.mark.gui

TIMEOUT_MS = 120_000


class Hand:
    """Does what a person does with the mouse, and counts."""

    def __init__(self, qtbot: QtBot) -> None:
        self._qtbot, self.clicks = qtbot, 0

    def click(self, button: QWidget) -> None:
        assert button.isVisible()
        assert button.isEnabled()
        self.clicks += 1
        self._qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def tab(self, dock: DMoEDock, tab: QWidget) -> None:
        bar = dock.tabs.tabBar()
        place = bar.tabRect(dock.tabs.indexOf(tab)).center()
        self.clicks += 1
        self._qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)

    def choose(self, act: Callable[[], object]) -> None:
        """Choose an entry of a menu, or drop a file."""
        self.clicks += 1
        act()

    def wait(self, is_so: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(is_so, timeout=TIMEOUT_MS)


@pytest.fixture
def hand(qtbot: QtBot) -> Hand:
    return Hand(qtbot)


def lines_to_read(dock: DMoEDock) -> list[str]:
    """Return the sentences that stand above the button, and beside it."""
    head = dock.control(SegmentControl).tab
    parts = head.model, head.image, head.patient, head.action
    labels = (label for part in parts for label in part.findChildren(QLabel))
    return [
        label.text()
        for label in labels
        if label.isVisible() and len(label.text().split()) > 3
        if not label.font().bold()  # a heading
    ]


@pytest.mark.timeout(300)
def test_from_an_empty_napari_to_a_mask_and_a_sweep(
    make_napari_viewer: Callable[..., napari.Viewer], hand: Hand
) -> None:
    viewer = make_napari_viewer(show=True)
    hand.choose(lambda: viewer.open_sample("napari-dmoe", "phantom-fundus"))
    hand.wait(lambda: bool(viewer.window.dock_widgets))  # it comes up by itself
    dock = open_dock(viewer)
    hand.wait(dock.footer.button.isEnabled)
    hand.wait(lambda: not dock.control(SegmentControl).fit.is_looking)
    assert len(lines_to_read(dock)) == 1
    hand.click(dock.footer.button)
    hand.wait(lambda: "phantom fundus / mask" in viewer.layers)
    assert hand.clicks <= 3
    hand.wait(lambda: not dock.work.is_busy)

    before, tab = hand.clicks, dock.control(WhatIfControl).tab
    hand.tab(dock, tab)
    hand.click(tab.sweep.button)
    hand.wait(lambda: "phantom fundus / sweep of severity" in viewer.layers)
    assert hand.clicks - before == 2


@pytest.mark.timeout(300)
def test_ones_own_picture_and_checkpoint(
    make_napari_viewer: Callable[..., napari.Viewer],
    hand: Hand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, picture = tmp_path / "mine.safetensors", tmp_path / "eye.png"
    save_checkpoint(mine, load_checkpoint("fundus-phantom"))
    Image.effect_noise((90, 60), 40).convert("RGB").save(picture)

    def chosen(*_: object) -> tuple[str, str]:
        hand.clicks += 1
        return str(mine), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", chosen)
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    segmenting = dock.control(SegmentControl)
    hand.wait(lambda: not segmenting.loader.is_busy)
    hand.choose(lambda: viewer.open(picture, plugin="napari"))
    hand.click(segmenting.tab.model.browse_button)
    hand.wait(lambda: dock._session.model_origin == str(mine))
    hand.wait(lambda: dock.footer.button.isEnabled() and not segmenting.fit.is_looking)
    hand.click(dock.footer.button)
    hand.wait(lambda: "eye / mask" in viewer.layers)
    assert hand.clicks == 4
    hand.wait(lambda: not dock.work.is_busy)


def test_tuning_on_a_painted_mask(
    make_napari_viewer: Callable[..., napari.Viewer],
    make_tuning: Callable[..., TuningDesk],
    hand: Hand,
) -> None:
    tuning = make_tuning(make_napari_viewer(show=True))
    tuning.know()
    tuning.paint()
    dock = tuning.desk.dock
    hand.tab(dock, tuning.tab)
    hand.wait(tuning.tab.foot.button.isEnabled)
    hand.click(tuning.tab.foot.button)
    hand.wait(lambda: bool(tuning.fake.started))
    process = tuning.fake.last
    process.train()
    process.finish()
    tuning.wait_for(State.DONE)
    hand.click(tuning.tab.outcome.keep_button)
    hand.wait(lambda: tuning.state is not State.DONE)
    assert hand.clicks == 3
