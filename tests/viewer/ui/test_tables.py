"""Tables in a narrow dock: as high as their lines, sorted, copied and saved."""

from __future__ import annotations

import math

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from tables import cell, column_of, go_to, heads_of, text_of

from napari_dmoe.viewer.rows import Column, Line, TableRow
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.tables import Facts, Table

pytestmark = pytest.mark.gui

ROW = {"value": "80 and over", "lesion mm²": "31.9", "Dice ●": "0.765", "≠ ●": "4692"}
NUMBERS = [
    {"expert": 10, "flips": 0.25, "Dice": math.nan, "note": "b"},
    {"expert": 9, "flips": 1234.5, "Dice": -0.0, "note": "a"},
    {"expert": 2, "flips": 0.0001, "Dice": 0.98765, "note": "c"},
]


@pytest.fixture
def table(qtbot: QtBot) -> Table:
    table = Table("Values", "One line a value.")
    qtbot.addWidget(table)
    columns = [Column(name, name) for name in ROW]
    columns[3] = Column("≠ ●", "≠ ●", "Pixels whose class is another.")
    table.show_lines([Line(ROW, help=ROW)] * 5, columns)
    table.show()
    return table


@pytest.fixture
def numbers(qtbot: QtBot) -> Table:
    table = Table("Effects", is_sorted=True)
    qtbot.addWidget(table)
    table.show_lines([Line(each) for each in NUMBERS])
    table.show()
    return table


def resize(qtbot: QtBot, widget: Table, width: int) -> None:
    widget.resize(width, widget.height())
    qtbot.waitUntil(lambda: widget.width() == width)


@pytest.mark.parametrize(("width", "has_bar"), [(300, False), (120, True)])
def test_a_table_of_four_columns_is_scrolled_only_where_it_must_be(
    qtbot: QtBot, table: Table, width: int, has_bar: bool
) -> None:
    resize(qtbot, table, width)
    qtbot.waitUntil(lambda: (table.horizontalScrollBar().maximum() > 0) == has_bar)
    helps = heads_of(table, Qt.ItemDataRole.ToolTipRole)
    assert helps[3] == "Pixels whose class is another."


def test_a_table_a_little_too_wide_cuts_its_first_column(
    qtbot: QtBot, table: Table
) -> None:
    wanted = [table._needed(place) for place in range(4)]
    resize(qtbot, table, sum(wanted) + 2 * table.frameWidth() - 20)
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() == 0)
    assert table.columnWidth(0) == wanted[0] - 20
    assert cell(table, 0, 0).data(Qt.ItemDataRole.ToolTipRole) == "80 and over"


def test_a_table_that_wraps_sets_words_below_each_other_rather_than_to_scroll(
    qtbot: QtBot,
) -> None:
    table = Table(wraps=True)
    qtbot.addWidget(table)
    heading = Line({"group": "a heading over all columns"}, is_heading=True)
    cells = {"group": "upper extremity", "dice": ".800 worse", "n": "3*"}
    lines = [heading, Line(cells, bold=("group",)), Line({"group": "all", "n": "9"})]
    table.show_lines(lines, [Column(key, key) for key in cells])
    table.show()
    resize(qtbot, table, sum(table._needed(n, is_wrapped=True) for n in range(3)) + 2)
    qtbot.waitUntil(lambda: table.horizontalScrollBar().maximum() == 0)
    one = table.rowHeight(2)
    assert (table.rowHeight(0), table.rowHeight(1) > one) == (one, True)
    assert table.height() >= sum(map(table.rowHeight, range(3)))
    resize(qtbot, table, 600)
    assert table.rowHeight(1) == one


def test_the_columns_share_the_whole_width(qtbot: QtBot, table: Table) -> None:
    resize(qtbot, table, 601)
    qtbot.waitUntil(
        lambda: table.horizontalHeader().length() == table.viewport().width()
    )
    more = [table.columnWidth(place) - table._needed(place) for place in range(4)]
    assert max(more) - min(more) <= 1
    assert min(more) > 0


def test_what_is_outdated_is_in_italics(table: Table) -> None:
    table.show_outdated(True)
    assert table.font().italic()
    table.show_outdated(False)
    assert not table.font().italic()


def test_a_table_is_as_high_as_nine_lines_at_most(qtbot: QtBot, table: Table) -> None:
    resize(qtbot, table, 300)
    around = table.height() - 5 * table.rowHeight(0)
    table.show_lines([Line(ROW)] * 9)
    qtbot.waitUntil(lambda: table.verticalScrollBar().maximum() == 0)
    table.show_lines([Line(ROW)] * 20)
    assert table.height() == 9 * table.rowHeight(0) + around
    table.show_lines([])
    assert not table.isVisible()


def test_lines_keep_their_order_until_a_column_is_clicked(numbers: Table) -> None:
    assert column_of(numbers, 0) == ["10", "9", "2"]
    header = numbers.horizontalHeader()
    header.setSortIndicator(0, Qt.SortOrder.AscendingOrder)  # as a click does
    assert column_of(numbers, 0) == ["2", "9", "10"]
    numbers.show_lines([Line(each) for each in NUMBERS])
    assert column_of(numbers, 0) == ["10", "9", "2"]


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (1, ["≈ 0", "0.25", "1.23e+03"]),
        (2, ["–", "0", "0.988"]),
        (3, ["a", "b", "c"]),
    ],
)
def test_columns_are_sorted_by_their_numbers(
    numbers: Table, place: int, wanted: list[str]
) -> None:
    numbers.sortByColumn(place, Qt.SortOrder.AscendingOrder)
    assert column_of(numbers, place) == wanted
    numbers.sortByColumn(place, Qt.SortOrder.DescendingOrder)
    assert column_of(numbers, place) == wanted[::-1]


def test_a_sorted_table_tells_which_line_was_chosen(
    qtbot: QtBot, numbers: Table
) -> None:
    numbers.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    with qtbot.waitSignal(numbers.line_chosen) as chosen:
        go_to(numbers, 0)
    assert chosen.args == [2]
    with qtbot.waitSignal(numbers.line_activated) as activated:
        qtbot.keyClick(numbers, Qt.Key.Key_Return)
    assert activated.args == [2]


def test_other_lines_keep_the_place_and_tell_nothing(
    qtbot: QtBot, table: Table
) -> None:
    go_to(table, 3)
    with qtbot.assertNotEmitted(table.line_chosen):
        table.show_lines([Line(ROW)] * 6)
    assert table.currentIndex().row() == 3


def test_copies_have_all_columns_and_digits(numbers: Table) -> None:
    numbers.show_lines([Line(each) for each in NUMBERS], [Column("flips", "flips\n%")])
    assert heads_of(numbers) == ["flips\n%"]
    lines = numbers.text().splitlines()
    assert lines[0] == "expert\tflips\tDice\tnote"
    assert lines[1] == "10\t0.25\t\tb"
    assert lines[2] == "9\t1234.5\t0\ta"


def test_some_columns_stand_behind_all_others(qtbot: QtBot) -> None:
    table = Table("Done", last=("outcome", "labels"))
    qtbot.addWidget(table)
    first = {"image": "a", "outcome": "no", "labels": ""}
    table.show_lines([Line(first), Line({"image": "b", "cup mm²": "2"})])
    assert heads_of(table) == ["image", "cup mm²", "outcome", "labels"]
    assert text_of(table, 0, 1) == ""
    assert table.text().splitlines()[2] == "b\t2\t\t"


def test_a_heading_takes_the_whole_width(qtbot: QtBot) -> None:
    table = Table("Dice before and after")
    qtbot.addWidget(table)
    heading = Line({"group": "severity"}, bold=("group",), is_heading=True)
    table.show_lines([heading, Line({"group": "healthy", "n": "12"})])
    assert table.columnSpan(0, 0) == 2
    assert table.columnSpan(1, 0) == 1
    assert cell(table, 0, 0).data(Qt.ItemDataRole.FontRole).bold()
    assert cell(table, 1, 0).data(Qt.ItemDataRole.FontRole) is None


def test_facts_wrap_their_spans_and_take_no_room_without_any(qtbot: QtBot) -> None:
    facts = Facts("Over the values.")
    qtbot.addWidget(facts)
    rows = [
        TableRow("cup", "4 px", "1–9 over the values of age and severity", (9, 9, 9)),
        TableRow("C/D vertical", "0.33"),
    ]
    facts.show_facts(rows)
    facts.show()
    resize(qtbot, facts, 200)
    qtbot.waitUntil(lambda: facts.rowHeight(0) >= 2 * facts.fontMetrics().height())
    assert facts.height() == facts.rowHeight(0) + facts.rowHeight(1)
    assert facts.text() == (
        "cup\t4 px\t1–9 over the values of age and severity\nC/D vertical\t0.33"
    )
    help_text = Qt.ItemDataRole.ToolTipRole
    assert cell(facts, 0, 3).data(help_text) == "Over the values."
    assert not cell(facts, 1, 3).data(help_text)
    facts.show_nothing()
    assert not facts.isVisible()
    assert facts.text() == ""


def test_a_finding_is_copied_and_saved_whole_and_offers_nothing_without_one(
    qtbot: QtBot,
) -> None:
    facts = Facts("Over the values.")
    found = FindingView("noise", "the intervals", facts, rows=facts.file_rows)
    qtbot.addWidget(found)
    found.say("Not one run", "The samples disagree.")
    assert found.exports.isHidden()
    facts.show_facts([TableRow("cup", "2 px", cells={"class": "cup", "pixels": "2"})])
    assert not found.exports.isHidden()
    found.copy_button.click()
    copied = QApplication.clipboard().text()
    assert copied == "Not one run\nThe samples disagree.\ncup\t2 px"
    with qtbot.waitSignal(found.save_requested) as wanted:
        found.save_button.click()
    assert wanted.args == ["the intervals", [{"class": "cup", "pixels": "2"}]]
    found.show_nothing()
    assert found.exports.isHidden()
    assert found.badge.isHidden()
    assert found.text() == ""


def test_of_many_columns_fewer_lines_are_measured(qtbot: QtBot) -> None:
    """All columns of a long table are shown within one turn of the window."""
    table = Table("many")
    qtbot.addWidget(table)
    names = [f"c{n}" for n in range(40)]
    lines = [Line(dict.fromkeys(names, "x")) for _ in range(200)]
    found = {}
    for n in (2, 20, 40):
        table.show_lines(lines, [Column(name, name) for name in names[:n]])
        found[n] = table.horizontalHeader().resizeContentsPrecision()
    assert found == {2: 100, 20: 50, 40: 30}
