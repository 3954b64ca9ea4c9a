"""A table of many columns in a narrow dock: as high as its lines, scrolled sideways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

_ROWS_SEEN = 8


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
        self.setMinimumWidth(1)
        self.setVisible(False)

    def show_rows(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Show other lines."""
        self._rows = list(rows)
        columns = self._columns()
        self.setColumnCount(len(columns))
        self.setHorizontalHeaderLabels(columns)
        self.setRowCount(len(rows))
        for number, line in enumerate(rows):
            for place, name in enumerate(columns):
                item = QTableWidgetItem(line.get(name, ""))
                item.setToolTip(line.get(name, ""))
                self.setItem(number, place, item)
        self.setVisible(bool(rows))
        self.resizeColumnsToContents()
        height = self.rowHeight(0) if rows else 0
        around = self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth()
        bar = self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(height * min(len(rows), _ROWS_SEEN) + around + bar)

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
