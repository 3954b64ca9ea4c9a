"""A table of many columns that is sorted at a click, and copied or saved as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

from napari_dmoe.viewer.rows import Column
from napari_dmoe.viewer.ui.table import coloured

COLOUR = "colour"
"""Key of a row's swatch, which is no column."""

_MOST_ROWS = 9  # more than these are scrolled
_PADDING = 10
_LEAST = 0.0005  # what three decimals round to 0
_GAP = 6  # around a column's name


class NumberTable(QTableWidget):
    """Shows rows of names and numbers; a click on a column's name sorts by it.

    Parameters
    ----------
    name : str
        What it is called for people who cannot see it.
    tooltip : str
        What its columns mean.
    """

    def __init__(self, name: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        # Tab leaves the table, as it leaves every other input of the dock.
        self.setTabKeyNavigation(False)
        vertical = self.verticalHeader()
        if vertical is not None:
            vertical.setVisible(False)
        self._rows: list[dict[str, Any]] = []
        self.setVisible(False)

    def show_rows(
        self,
        rows: Sequence[Mapping[str, Any]],
        columns: Sequence[Column] | None = None,
    ) -> None:
        """Show other rows; none take no room.

        Parameters
        ----------
        rows : sequence of mapping
            Values by column; the first row names the columns. ``"colour"`` is the
            swatch before the first column.
        columns : sequence of Column, optional
            Those that are shown, all by default; copies and files have every one.
        """
        self._rows = [dict(row) for row in rows]
        if columns is None or not self._rows:
            names = self._rows[0] if self._rows else ()
            columns = [Column(name, name) for name in names if name != COLOUR]
        self.setSortingEnabled(False)
        self.clear()
        self.setRowCount(len(self._rows))
        self.setColumnCount(len(columns))
        for number, column in enumerate(columns):
            head = QTableWidgetItem(column.title)
            head.setToolTip(column.help)
            self.setHorizontalHeaderItem(number, head)
        for place, row in enumerate(self._rows):
            for number, column in enumerate(columns):
                item = _Item(row[column.key])
                if number == 0 and row.get(COLOUR) is not None:
                    item.setIcon(QIcon(coloured(row[COLOUR])))
                self.setItem(place, number, item)
        header = self.horizontalHeader()
        if header is not None:
            header.setMinimumSectionSize(1)
            # No column is sorted by yet: the rows stay as they come.
            header.setSortIndicator(-1, Qt.SortOrder.DescendingOrder)
        self.setSortingEnabled(True)
        self._spread()
        self._fit()
        self.setVisible(bool(self._rows))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the width out anew."""
        super().resizeEvent(event)
        self._spread()

    def _spread(self) -> None:
        """Give each column what it needs, and its share of what is left."""
        needed = [self._needed(column) for column in range(self.columnCount())]
        viewport = self.viewport()
        if not needed or viewport is None:
            return
        left = max(viewport.width() - sum(needed), 0)
        for column, width in enumerate(needed):
            # Whole pixels: what one column does not get, the next one does.
            n = len(needed)
            more = left * (column + 1) // n - left * column // n
            self.setColumnWidth(column, width + more)

    def _needed(self, column: int) -> int:
        """Return the least width of a column: of its name, and of its numbers."""
        head, metrics = self.horizontalHeaderItem(column), self.fontMetrics()
        lines = [] if head is None else head.text().splitlines()
        names = [metrics.horizontalAdvance(line) + _GAP for line in lines]
        return max([self.sizeHintForColumn(column), *names])

    def _fit(self) -> None:
        """Take the height of the rows, up to a limit."""
        header, bar = self.horizontalHeader(), self.horizontalScrollBar()
        height = 0 if header is None else header.sizeHint().height()
        height += 0 if bar is None else bar.sizeHint().height()
        for place in range(min(self.rowCount(), _MOST_ROWS)):
            height += self.rowHeight(place)
        self.setFixedHeight(height + _PADDING)

    def file_rows(self) -> list[dict[str, str]]:
        """Return the rows for a file, with all digits."""
        return [
            {name: _exact(value) for name, value in row.items() if name != COLOUR}
            for row in self._rows
        ]

    def text(self) -> str:
        """Return the table as text, with tabs between the columns."""
        rows = self.file_rows()
        lines = [list(rows[0])] if rows else []
        lines += [list(row.values()) for row in rows]
        return "\n".join("\t".join(line) for line in lines)


class _Item(QTableWidgetItem):
    """Is sorted by its number, where it has one; what is not known comes last."""

    def __init__(self, value: Any) -> None:
        super().__init__(_shown(value))
        self._value = value
        if isinstance(value, int | float):
            self.setTextAlignment(
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )

    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, theirs = self._value, getattr(other, "_value", None)
        if isinstance(mine, int | float) and isinstance(theirs, int | float):
            return _order(mine) < _order(theirs)
        return str(mine) < str(theirs)


def _order(value: float) -> float:
    return -math.inf if math.isnan(value) else float(value)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else _rounded(value + 0.0)  # makes -0 a 0
    return str(value)


def _rounded(value: float) -> str:
    """Return a number as short as the dock is narrow; what is almost 0 says so."""
    if abs(value) >= 0.1 or value == 0:
        return f"{value:.3g}"
    return "≈ 0" if abs(value) < _LEAST else f"{value:.3f}"


def _exact(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value + 0.0:.6g}"
    return str(value)
