"""What is read in the narrowest dock: the last words end in dots."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QWidget
from widths import dress

from napari_dmoe.viewer.ui.lines import FixedLines, LineWithLink, LinkButton
from napari_dmoe.viewer.ui.parts import ScrollColumn, line

pytestmark = pytest.mark.gui

LONG = "Failed: the patient's severity is unknown, and it drives this model: give one"


def shown(label: FixedLines) -> str:
    return QLabel.text(label)


def test_a_long_status_ends_in_dots_and_has_room_for_its_letters(qtbot: QtBot) -> None:
    status = FixedLines(2)
    qtbot.addWidget(status)
    dress(status)
    status.setText(LONG)
    status.resize(190, status.sizeHint().height())
    status.show()
    first, last = shown(status).splitlines()
    assert LONG.startswith(first.strip())
    assert last.endswith("…")
    assert status.text() == LONG
    metrics = status.fontMetrics()
    needed = metrics.boundingRect(0, 0, 999, 999, 0, "a\ng").height()
    assert status.contentsRect().height() >= needed


def test_a_line_that_fits_is_not_cut_for_the_blank_behind_it(qtbot: QtBot) -> None:
    status = FixedLines(2)
    qtbot.addWidget(status)
    dress(status)
    first, last = "Saved eye.labels.tif, and its row", "of segment.csv."
    text = f"{first} {last}"
    for more in range(12):  # some of these widths have no room for the blank alone
        width = status.fontMetrics().horizontalAdvance(first) + more
        status.resize(width, status.sizeHint().height())
        status.setText(text)
        words = shown(status).replace("\n", " ").split()
        assert words == text.split() or len(status.wrapText(text, width - 6)) > 2


def test_a_short_status_is_shown_whole(qtbot: QtBot) -> None:
    status = FixedLines(2)
    qtbot.addWidget(status)
    status.setText("Ready.")
    status.resize(190, 40)
    assert shown(status) == "Ready."


def test_a_line_is_as_high_with_and_without_its_link(qtbot: QtBot) -> None:
    link = LinkButton("mm…")
    both = LineWithLink(line(), link)
    qtbot.addWidget(both)
    high = both.sizeHint().height()
    link.hide()
    assert both.sizeHint().height() == high


def test_the_first_section_does_not_jump_when_it_is_shown(qtbot: QtBot) -> None:
    scroll, first = ScrollColumn(), QWidget()
    qtbot.addWidget(scroll)
    first.setMinimumHeight(900)
    scroll.stack(first)
    scroll.resize(200, 200)
    scroll.show()
    scroll.show_from(first)
    assert scroll.verticalScrollBar().value() == 0
