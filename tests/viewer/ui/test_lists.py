"""Lists in a narrow dock: as high as their lines, boxes in rows of one width."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QCheckBox

from napari_dmoe.viewer.ui.lists import BoxFlow, WrappingList

pytestmark = pytest.mark.gui


def resize(qtbot: QtBot, widget: WrappingList | BoxFlow, width: int) -> None:
    widget.resize(width, widget.height())
    qtbot.waitUntil(lambda: widget.width() == width)


def test_a_list_wraps_its_lines_and_shows_five_of_them(qtbot: QtBot) -> None:
    regions = WrappingList("Regions", "Regions that flip.")
    qtbot.addWidget(regions)
    line = "19.5 mm² · lesion for 60-79, 80 and over; background for 0-19, 20-39, 40-59"
    regions.show_lines([line])
    regions.show()
    resize(qtbot, regions, 260)
    text_height = regions.fontMetrics().height()
    assert regions.height() >= 2 * text_height
    assert regions.verticalScrollBar().maximum() == 0
    one = regions.height()
    regions.show_lines([line] * 5)
    assert regions.verticalScrollBar().maximum() == 0
    five = regions.height()
    assert 4 * one < five <= 5 * one
    regions.show_lines([line] * 9)
    qtbot.waitUntil(lambda: regions.verticalScrollBar().maximum() > 0)
    assert five <= regions.height() <= five + 5 * text_height
    regions.show_lines([])
    assert not regions.isVisible()


@pytest.mark.parametrize("width", [240, 600])
def test_boxes_stand_below_each_other_in_as_many_rows_as_they_need(
    qtbot: QtBot, width: int
) -> None:
    flow, boxes = BoxFlow(), [QCheckBox() for _ in range(8)]
    qtbot.addWidget(flow)
    flow.show_boxes(boxes)
    flow.show_texts([f"{i} · {10 ** (i % 3)} %" for i in range(8)])
    flow.show()
    resize(qtbot, flow, width)
    qtbot.waitUntil(lambda: boxes[-1].y() > 0)
    places = {(box.x(), box.y()) for box in boxes}
    assert len(places) == 8
    in_a_row = sum(box.y() == 0 for box in boxes)
    assert in_a_row >= 2
    left_edges = [box.x() for box in boxes]
    assert left_edges[in_a_row:] == left_edges[: 8 - in_a_row]
    assert all(box.x() + box.sizeHint().width() <= width for box in boxes)
