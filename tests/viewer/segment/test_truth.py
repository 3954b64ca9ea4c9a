"""The truth of an image in the dock: Dice beside the areas, and what is missed."""

from __future__ import annotations

import numpy as np
import pytest
from desk import Desk
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_dmoe.viewer.segment.truth_view import FILE, NONE

pytestmark = pytest.mark.gui

SHAPE = (12, 9)


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """Return a desk with an image called eye, segmented for suspect.

    The mask has 20 pixels of the rim, of which 4 are cup's: 20 of 24 are the rim.
    """
    desk.viewer.layers.clear()
    desk.viewer.add_layer(Image(np.zeros(SHAPE, np.uint8), name="eye"))
    desk.choose("severity", "suspect")
    desk.run()
    return desk


def truth_of(mask: np.ndarray) -> np.ndarray:
    """Return a truth that has a row of rim more, and no cup in one pixel."""
    truth = np.array(mask)
    truth[6, :4] = 1
    truth[0, 0] = 1
    return truth


def add_truth(desk: Desk, values: np.ndarray, **how: object) -> Labels:
    layer = Labels(values, **{"name": "drawn", **how})
    desk.viewer.add_layer(layer)
    desk.settle()
    return layer


def view(desk: Desk):
    return desk.segmenting.tab.result.truth


def offered(desk: Desk) -> list[str]:
    combo = view(desk).combo
    return [combo.itemText(place) for place in range(combo.count())]


def choose(desk: Desk, name: str) -> None:
    combo = view(desk).combo
    steps = combo.findText(name) - combo.currentIndex()
    for _ in range(abs(steps)):
        desk.qtbot.keyClick(combo, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
    desk.wait_until_idle()


def overlaps(desk: Desk) -> dict[str, str]:
    """Return what the truth says beside the sizes, by the names of the lines."""
    rows = desk.segmenting.tab.result.table._facts
    return {row.name: row.beside.replace("\u00a0", " ") for row in rows}


def test_without_a_truth_the_table_is_as_it_was(desk: Desk) -> None:
    assert offered(desk) == [NONE, FILE]
    assert view(desk).combo.currentText() == NONE
    assert set(overlaps(desk).values()) == {""}
    assert view(desk).missed_box.isHidden()


def test_dice_and_iou_stand_beside_the_areas(desk: Desk) -> None:
    mask = desk.masks[0].data
    add_truth(desk, truth_of(mask))
    headline = desk.segmenting.tab.result.headline.text()
    choose(desk, "drawn")

    n = {k: int((mask == k).sum()) for k in (1, 2)}
    # The truth's rim has 4 pixels more below, and one of the cup's.
    rim, cup = 2 * n[1] / (2 * n[1] + 5), 2 * (n[2] - 1) / (2 * n[2] - 1)
    disc = 2 * (n[1] + n[2]) / (2 * (n[1] + n[2]) + 4)
    found = overlaps(desk)
    assert found["rim"] == f"Dice {rim:.3f}, IoU {rim / (2 - rim):.3f}"
    assert found["cup"] == f"Dice {cup:.3f}, IoU {cup / (2 - cup):.3f}"
    assert found["disc"] == f"Dice {disc:.3f}, IoU {disc / (2 - disc):.3f}"
    assert desk.segmenting.tab.result.headline.text() == headline
    desk.click(desk.segmenting.tab.result.copy_button)
    copied = QApplication.clipboard().text().replace("\u00a0", " ")
    assert f"Dice {disc:.3f}" in copied
