"""The lines of a table: added, sorted and filtered without making it anew."""

from __future__ import annotations

import math

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from tables import column_of, go_to, text_of

from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.ui import table_model
from napari_dmoe.viewer.ui.table_model import TableModel
from napari_dmoe.viewer.ui.tables import Table

pytestmark = pytest.mark.gui

COLUMNS = (
    Column("id", "image"),
    Column("dice", "Dice", decimals=3, is_unknown_last=True),
)
N_MANY = 8_729


def line(name: str, dice: float = math.nan) -> Line:
    return Line({"id": name, "dice": dice})


@pytest.fixture
def table(qtbot: QtBot) -> Table:
    table = Table("Images", is_sorted=True)
    qtbot.addWidget(table)
    table.show_lines([line("b", 0.5), line("a", 0.25), line("c")], COLUMNS)
    table.show()
    return table


def test_more_lines_come_behind_the_others_without_a_reset(
    qtbot: QtBot, table: Table
) -> None:
    go_to(table, 1)
    model = table.model()
    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignal(model.rowsInserted):
        table.add_lines([line("d", 0.75)])
    assert column_of(table, 0) == ["b", "a", "c", "d"]
    assert text_of(table, 3, 1) == "0.750"
    assert table.currentIndex().row() == 1


def test_more_lines_go_to_where_they_are_sorted(table: Table) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    go_to(table, 1)
    table.add_lines([line("d", 0.3)])
    assert column_of(table, 0) == ["a", "d", "b", "c"]
    assert text_of(table, table.currentIndex().row(), 0) == "b"
    assert table.shown_places() == [1, 3, 0, 2]


def test_what_is_not_known_stays_last_where_a_column_says_so(table: Table) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert column_of(table, 1) == ["0.250", "0.500", "–"]
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert column_of(table, 1) == ["0.500", "0.250", "–"]


def test_numbers_are_sorted_as_numbers_also_where_they_are_text(qtbot: QtBot) -> None:
    table = Table(is_sorted=True)
    qtbot.addWidget(table)
    table.show_lines([Line({"age": each}) for each in ("9", "100", "", "85+", "20")])
    table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert column_of(table, 0) == ["", "9", "20", "100", "85+"]


def test_some_lines_are_left_out_and_the_height_stays(table: Table) -> None:
    go_to(table, 1)
    height = table.height()
    table.keep_lines(lambda each: each.cells["id"] in "ad")
    assert column_of(table, 0) == ["a"]
    assert table.height() == height
    assert table.currentIndex().row() == 0
    table.add_lines([line("d"), line("e")])
    assert column_of(table, 0) == ["a", "d"]
    table.keep_lines(None)
    assert column_of(table, 0) == ["b", "a", "c", "d", "e"]
    assert table.currentIndex().row() == 1


def test_one_line_is_replaced_where_it_stands(table: Table) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    table.replace_line(1, line("a", 0.9))
    assert column_of(table, 1) == ["0.900", "0.500", "–"]
    assert table.text().splitlines()[2] == "a\t0.9"


def test_other_columns_of_the_same_lines_are_shown(table: Table) -> None:
    go_to(table, 2)
    table.show_columns([Column("dice", "Dice"), Column("id", "image")])
    assert column_of(table, 1) == ["b", "a", "c"]
    assert table.currentIndex().row() == 2


def test_thousands_of_lines_are_looked_at_once_for_an_order_and_never_for_a_new_one(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes long is counted: the clock of a busy machine tells little."""
    n_cells = n_keys = 0
    data, key = TableModel.data, table_model.sort_key

    def counted(model: TableModel, *arguments: object) -> object:
        nonlocal n_cells
        n_cells += 1
        return data(model, *arguments)

    def keyed(value: object) -> object:
        nonlocal n_keys
        n_keys += 1
        return key(value)

    table = Table(is_sorted=True)
    qtbot.addWidget(table)
    table.show_lines([line(f"{i:05d}", i % 97 / 97) for i in range(N_MANY)], COLUMNS)
    table.show()
    monkeypatch.setattr(TableModel, "data", counted)
    monkeypatch.setattr(table_model, "sort_key", keyed)
    for number in range(20):
        table.add_lines([line(f"new {number}", 0.5)])
    qtbot.wait(50)
    assert n_keys == 0
    assert 0 < n_cells < N_MANY  # those that are seen are painted
    n_cells = 0
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    qtbot.wait(50)
    assert n_keys == N_MANY + 20
    assert n_cells < N_MANY
    assert text_of(table, 0, 1) == "0.000"
    n_cells = 0
    table.verticalScrollBar().setValue(table.verticalScrollBar().maximum())
    qtbot.wait(50)
    assert 0 < n_cells < N_MANY
