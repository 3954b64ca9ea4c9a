"""A table of many columns in a narrow dock: as high as its lines, scrolled sideways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

_ROWS_SEEN = 8
_GIVES_WAY = 0.4
"""Share of the first column that may be cut, rather than to scroll; hovering tells."""


class WideTable(QTableWidget):
    """Shows lines by column; none take no room.

    Parameters
    ----------
    name, tooltip : str
        What it is called, and what it shows.
    last : sequence of str
        Columns that stand behind all others.
    """

    def __init__(
        self,
        name: str,
        tooltip: str,
        *,
        last: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(0, 0, parent)
        self._last = tuple(last)
        self._rows: list[Mapping[str, str]] = []
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().setVisible(False)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setMinimumWidth(1)
        self.setVisible(False)

    def show_rows(
        self,
        rows: Sequence[Mapping[str, str]],
        help_texts: Mapping[str, str] | None = None,
    ) -> None:
        """Show other lines.

        Parameters
        ----------
        rows : sequence of mapping
            The lines, by column.
        help_texts : mapping of str to str, optional
            What columns mean, by their names.
        """
        self._rows = list(rows)
        columns = self._columns()
        self.setColumnCount(len(columns))
        self.setHorizontalHeaderLabels(columns)
        for place, name in enumerate(columns):
            self.horizontalHeaderItem(place).setToolTip(
                (help_texts or {}).get(name, "")
            )
        self.setRowCount(len(rows))
        for number, line in enumerate(rows):
            for place, name in enumerate(columns):
                item = QTableWidgetItem(line.get(name, ""))
                item.setToolTip(line.get(name, ""))
                self.setItem(number, place, item)
        self.setVisible(bool(rows))
        self._fit()

    def _fit(self) -> None:
        """Be as high as the lines, and as the scroll bar where there has to be one."""
        header, room = self.horizontalHeader(), self.viewport().width()
        if self._rows:  # where that is enough, the first column gives way
            header.setStretchLastSection(False)
            self.resizeColumnsToContents()
            first = self.columnWidth(0)
            lacking = header.length() - room
            if 0 < lacking <= _GIVES_WAY * first:
                self.setColumnWidth(0, first - lacking)
            header.setStretchLastSection(header.length() <= room)
        height = self.rowHeight(0) if self._rows else 0
        around = header.sizeHint().height() + 2 * self.frameWidth()
        if header.length() > room:
            around += self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(height * min(len(self._rows), _ROWS_SEEN) + around)

    def show_outdated(self, is_outdated: bool) -> None:
        """Set what no longer holds in italics."""
        font = self.font()
        font.setItalic(is_outdated)
        self.setFont(font)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again: at another width, there may be a scroll bar or none."""
        super().resizeEvent(event)
        self._fit()

    def text(self) -> str:
        """Return the lines as text, with tabs between the columns."""
        columns = self._columns()
        lines = [columns, *([line.get(n, "") for n in columns] for line in self._rows)]
        return "\n".join("\t".join(line) for line in lines)

    def _columns(self) -> list[str]:
        names = dict.fromkeys(name for line in self._rows for name in line)
        return [name for name in names if name not in self._last] + [
            name for name in self._last if name in names
        ]
