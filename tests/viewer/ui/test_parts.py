"""The small parts of the dock: texts that wrap, lines that stay, rows that flow."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QPushButton, QToolButton, QWidget

from napari_dmoe.viewer.ui.lines import FixedLines, LinkButton
from napari_dmoe.viewer.ui.parts import (
    ScrollColumn,
    column,
    flow,
    paragraph,
    row,
    tell,
)

pytestmark = pytest.mark.gui

LONG = "A sentence that is so long that it takes several lines in a narrow dock. " * 3


@pytest.mark.parametrize("is_said_later", [False, True], ids=["at-once", "later"])
def test_a_text_is_as_high_as_its_lines_where_it_scrolls(
    qtbot: QtBot, is_said_later: bool
) -> None:
    text = paragraph("" if is_said_later else LONG)
    if is_said_later:
        text.setText(LONG)
        text.show()
    section, scroll = QWidget(), ScrollColumn()
    column(section, text, *(QPushButton(str(n)) for n in range(12)))
    qtbot.addWidget(scroll)
    scroll.stack(section)
    scroll.resize(260, 200)
    scroll.show()
    qtbot.waitUntil(lambda: scroll.verticalScrollBar().maximum() > 0)
    assert text.height() == text.heightForWidth(text.width())


def test_fixed_lines_are_as_high_whatever_they_say(qtbot: QtBot) -> None:
    lines, page = FixedLines(2), QWidget()
    column(page, lines).addStretch(1)
    qtbot.addWidget(page)
    page.resize(200, 100)
    page.show()
    before = lines.height()
    assert before >= 2 * lines.fontMetrics().height()
    tell(lines, LONG)
    qtbot.waitUntil(lambda: lines.height() == before)
    assert lines.text() == lines.toolTip() == LONG
    tell(lines, "")
    qtbot.waitUntil(lambda: lines.height() == before)


def test_buttons_flow_into_as_many_rows_as_they_need(qtbot: QtBot) -> None:
    buttons = [QPushButton("a button of some words") for _ in range(3)]
    page = QWidget()
    column(page, flow(*buttons)).addStretch(1)
    qtbot.addWidget(page)
    page.show()
    page.resize(900, 300)
    qtbot.waitUntil(lambda: len({b.y() for b in buttons}) == 1)
    page.resize(buttons[0].sizeHint().width() + 20, 300)
    qtbot.waitUntil(lambda: len({b.y() for b in buttons}) == 3)
    assert all(each.geometry().right() <= page.width() for each in buttons)


def test_a_link_is_whole_where_it_has_room_and_cut_where_it_has_none(
    qtbot: QtBot,
) -> None:
    link, page = LinkButton("Use the other model instead"), QWidget()
    column(page, row(QWidget(), link)).addStretch(1)
    qtbot.addWidget(page)
    page.resize(600, 60)
    page.show()
    qtbot.waitUntil(lambda: link.width() == link.sizeHint().width())
    assert QToolButton.text(link) == link.text() == "Use the other model instead"
    page.resize(100, 60)
    qtbot.waitUntil(lambda: QToolButton.text(link).endswith("…"))
    assert link.text() == "Use the other model instead"
    link.setText("Go")
    qtbot.waitUntil(lambda: QToolButton.text(link) == "Go")


def test_a_section_at_the_top_stays_there_whatever_comes_above(qtbot: QtBot) -> None:
    above, held, below = QWidget(), QWidget(), QWidget()
    for each, height in ((above, 300), (held, 120), (below, 60)):
        each.setFixedHeight(height)
    scroll = ScrollColumn()
    scroll.stack(above, held, below, paragraph("Words, by which it has a height."))
    scroll.hold(held)
    qtbot.addWidget(scroll)
    scroll.resize(200, 250)
    scroll.show()

    def top() -> int:
        return held.mapTo(scroll.viewport(), held.rect().topLeft()).y()

    scroll.show_from(held)
    assert top() > 4  # there is too little below it
    held.setFixedHeight(400)
    qtbot.waitUntil(lambda: top() == 4)
    for height in (500, 90):
        above.setFixedHeight(height)
        qtbot.waitUntil(lambda n=height: abs(scroll.widget().height() - n - 518) < 30)
        assert top() == 4
    # Who scrolls to the rest looks at that.
    scroll.verticalScrollBar().setValue(50)
    above.setFixedHeight(500)
    qtbot.waitUntil(lambda: scroll.widget().height() > 900)
    assert scroll.verticalScrollBar().value() == 50
