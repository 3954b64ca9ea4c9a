"""The cases of a group, worst first, and the way through them."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.ui import icons
from napari_dmoe.viewer.ui.parts import (
    button,
    column,
    emphasise,
    line,
    paragraph,
    row,
    say,
    tell,
)
from napari_dmoe.viewer.ui.tables import Table

_HINT = "Click a group, in the plot or in the table, to list its cases, worst first."
_OPENS = "Double-click a case to see it: image, truth, prediction and where it errs."


class CasesView(QWidget):
    """Lists cases; ends in wishes to see one of them."""

    case_requested = Signal(int)
    """A case is to be opened, by its place in the list."""
    step_requested = Signal(int)
    """The case before, -1, or after, 1, is to be opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = line(name="cases-title")
        emphasise(self.title)
        self.hint = paragraph(_HINT, name="cases-hint")
        self.table = Table("Cases of a group", _OPENS, is_sorted=False, most_lines=8)
        self.table.line_activated.connect(self.case_requested)
        self.previous_button = _step("Previous case", "back")
        self.next_button = _step("Next case", "next")
        self.open_button = button(
            "Open", "Show the case that is pointed at.", self._on_open
        )
        self.previous_button.clicked.connect(lambda: self.step_requested.emit(-1))
        self.next_button.clicked.connect(lambda: self.step_requested.emit(1))
        self.position = QLabel()
        self.way = row(
            self.open_button,
            self.previous_button,
            self.position,
            self.next_button,
            QWidget(),
            stretch=4,
        )
        self.said = paragraph(name="cases-said")
        parts = self.title, self.hint, self.table, self.way, self.said
        column(self, *parts).addStretch(1)
        self.show_cases("", (), ())

    def show_cases(
        self, title: str, lines: Sequence[Line], columns: Sequence[Column]
    ) -> None:
        """List other cases; nothing without a title."""
        tell(self.title, title)
        self.title.setVisible(bool(title))
        say(self.hint, "" if title else _HINT)
        self.table.show_lines(lines, columns)
        self.way.setVisible(bool(lines))
        self.say("")

    def add_cases(self, lines: Sequence[Line]) -> None:
        """List more of them."""
        self.table.add_lines(lines)

    def show_position(self, place: int | None, n: int) -> None:
        """Point at the case that is open, by its place in the list."""
        at = "–" if place is None else f"{place + 1:,}"
        self.position.setText(f"{at} of {n:,}")
        self.previous_button.setEnabled(place is not None and place > 0)
        self.next_button.setEnabled(n > 0 and (place is None or place + 1 < n))
        if place is not None:
            self.table.go_to(place)

    def say(self, text: str) -> None:
        """Say something of the case that is open."""
        say(self.said, text)

    def _on_open(self) -> None:
        index = self.table.currentIndex()
        self.case_requested.emit(max(index.row(), 0))


def _step(name: str, icon: icons.Name) -> QPushButton:
    made = QPushButton(name)
    made.setToolTip(f"{name} of the list")
    icons.give(made, icon, alone=True)
    made.setAutoRepeat(True)
    return made
