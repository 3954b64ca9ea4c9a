"""Tables and lists in a narrow dock: as high as what they hold, without scroll bars."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_dmoe.viewer.ui.lists import RegionList
from napari_dmoe.viewer.ui.wide_table import WideTable

pytestmark = pytest.mark.gui

ROW = {"value": "80 and over", "lesion mm²": "31.9", "Dice ●": "0.765", "≠ ●": "4692"}


@pytest.fixture
def table(qtbot: QtBot) -> WideTable:
    table = WideTable("Values", "One line a value.")
    qtbot.addWidget(table)
    table.show_rows([ROW] * 5, {"≠ ●": "Pixels whose class is another."})
    table.show()
    return table


def resize(qtbot: QtBot, widget: WideTable | RegionList, width: int) -> None:
    widget.resize(width, widget.height())
    qtbot.waitUntil(lambda: widget.width() == width)


@pytest.mark.parametrize(("width", "has_bar"), [(300, False), (120, True)])
def test_a_table_of_four_columns_is_scrolled_only_where_it_must_be(
    qtbot: QtBot, table: WideTable, width: int, has_bar: bool
) -> None:
    resize(qtbot, table, width)
    qtbot.waitUntil(lambda: (table.horizontalScrollBar().maximum() > 0) == has_bar)
    assert table.horizontalHeaderItem(3).toolTip() == "Pixels whose class is another."


def test_a_table_a_little_too_wide_cuts_its_first_column(
    qtbot: QtBot, table: WideTable
) -> None:
    resize(qtbot, table, 600)
    wanted, header = table.columnWidth(0), table.horizontalHeader()
    last = max(table.sizeHintForColumn(3), header.sectionSizeHint(3))
    needed = sum(table.columnWidth(i) for i in range(3)) + last
    resize(qtbot, table, needed + 2 * table.frameWidth() - 20)
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() == 0)
    assert table.columnWidth(0) == wanted - 20
    assert table.item(0, 0).toolTip() == "80 and over"


def test_what_is_outdated_is_in_italics(table: WideTable) -> None:
    table.show_outdated(True)
    assert table.font().italic()
    table.show_outdated(False)
    assert not table.font().italic()


def test_a_list_wraps_its_lines_and_shows_five_of_them(qtbot: QtBot) -> None:
    regions = RegionList("Regions", "Regions that flip.")
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
