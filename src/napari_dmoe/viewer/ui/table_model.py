"""Lines of a table by column: sorted, filtered and added to without making it anew.

Thousands of lines stay fluid: they are sorted here, by a key each that is made once,
where a proxy of Qt's would ask for two cells at every comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtGui import QColor, QFont

from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.ui.parts import swatch

_LEAST = 0.0005  # what three decimals round to 0
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_ROLES = frozenset(
    map(
        int,
        (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.ToolTipRole,
            Qt.ItemDataRole.TextAlignmentRole,
            Qt.ItemDataRole.FontRole,
            Qt.ItemDataRole.ForegroundRole,
            Qt.ItemDataRole.DecorationRole,
        ),
    )
)
_UNKNOWN = (0, -math.inf, "")
Index: TypeAlias = QModelIndex | QPersistentModelIndex
_Key: TypeAlias = tuple[int, float, str]


class TableModel(QAbstractTableModel):
    """Holds the lines of a table, and says how each cell looks and is sorted.

    A *place* is a line's in :attr:`lines`, which never changes; a row is where it is
    shown now.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.lines: list[Line] = []
        self.columns: Sequence[Column] = ()
        self.names: dict[str, None] = {}
        """The keys of all cells, in the order in which they came."""
        self.worse: QColor | None = None
        self._shown: list[int] = []
        self._is_kept: Callable[[Line], bool] | None = None
        self._by: Column | None = None
        self._order = Qt.SortOrder.AscendingOrder
        self._is_stale = False

    def fill(self, lines: Sequence[Line], columns: Sequence[Column]) -> None:
        """Hold other lines."""
        self.beginResetModel()
        self.lines, self.columns = list(lines), tuple(columns)
        self._by = None
        self.names = dict.fromkeys(name for line in lines for name in line.cells)
        self._shown = self._arranged()
        self.endResetModel()

    def add(self, lines: Sequence[Line]) -> None:
        """Hold more lines, behind those that there are, or where they are sorted to."""
        first = len(self.lines)
        self.lines += lines
        for line in lines:
            self.names.update(dict.fromkeys(line.cells))
        places = range(first, len(self.lines))
        new = [place for place in places if self._keeps(place)]
        if not new:
            return
        row = len(self._shown)
        self.beginInsertRows(QModelIndex(), row, row + len(new) - 1)
        self._shown += new
        self.endInsertRows()
        if self._by is not None:
            self._rearrange()

    def replace(self, place: int, line: Line) -> None:
        """Hold another line in the place of one; it stays where it is shown."""
        self.lines[place] = line
        self._is_stale = True
        self.names.update(dict.fromkeys(line.cells))
        row = self.row_of(place)
        if row >= 0:
            last = self.index(row, self.columnCount() - 1)
            self.dataChanged.emit(self.index(row, 0), last)

    def show_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns of the same lines, in the same order."""
        self.beginResetModel()
        self.columns = tuple(columns)
        self.endResetModel()

    @property
    def sorting(self) -> tuple[int, Qt.SortOrder]:
        """By which column the lines are sorted, and how; -1 for one that is not shown.

        Lines stay sorted by that one, too.
        """
        keys = [each.key for each in self.columns]
        by = None if self._by is None else self._by.key
        return (keys.index(by) if by in keys else -1), self._order

    def keep(self, is_kept: Callable[[Line], bool] | None) -> None:
        """Show the lines of which something is true; all of them for None."""
        self.beginResetModel()
        self._is_kept = is_kept
        self._shown = self._arranged()
        self.endResetModel()

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort by a column; by none for -1, as the lines came."""
        by = self.columns[column] if 0 <= column < len(self.columns) else None
        # Qt asks twice: as the header's mark moves, and as the view was told to.
        if (by, order) != (self._by, self._order) or self._is_stale:
            self._by, self._order = by, order
            self._rearrange()

    def place_of(self, row: int) -> int:
        """Return the place of the line that is shown in a row."""
        return self._shown[row]

    def row_of(self, place: int) -> int:
        """Return the row in which a line is shown; -1 for one that is not."""
        return self._shown.index(place) if place in self._shown else -1

    def shown_places(self) -> list[int]:
        """Return the places of the lines that are shown, from top to bottom."""
        return list(self._shown)

    def _keeps(self, place: int) -> bool:
        return self._is_kept is None or self._is_kept(self.lines[place])

    def _arranged(self) -> list[int]:
        places = [place for place in range(len(self.lines)) if self._keeps(place)]
        column, lines = self._by, self.lines
        if column is None:
            return places
        keys = {p: sort_key(lines[p].cells.get(column.key, "")) for p in places}
        is_reversed = self._order == Qt.SortOrder.DescendingOrder
        ordered = sorted(places, key=keys.__getitem__, reverse=is_reversed)
        if not column.is_unknown_last:
            return ordered
        unknown = [place for place in ordered if keys[place] == _UNKNOWN]
        return [place for place in ordered if keys[place] != _UNKNOWN] + unknown

    def _rearrange(self) -> None:
        """Show the lines in their order now; who points at one goes on doing so."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        pointed = [(self._shown[each.row()], each.column()) for each in before]
        self._shown, self._is_stale = self._arranged(), False
        rows = dict(zip(self._shown, range(len(self._shown)), strict=True))
        after = [self.index(rows[place], column) for place, column in pointed]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def rowCount(self, parent: Index | None = None) -> int:
        """Return the number of lines that are shown."""
        return len(self._shown)

    def columnCount(self, parent: Index | None = None) -> int:
        """Return the number of columns."""
        return len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, or how."""
        if role not in _ROLES:  # Qt asks for eight of each cell that it measures
            return None
        line, of = self.lines[self._shown[index.row()]], self.columns[index.column()]
        value = line.cells.get(of.key, "")
        is_number = isinstance(value, int | float)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return shown_as(value, of.decimals)
            case Qt.ItemDataRole.ToolTipRole:
                return line.help.get(of.key, "")
            case Qt.ItemDataRole.TextAlignmentRole if is_number or of.is_right:
                return _RIGHT
            case Qt.ItemDataRole.FontRole if of.key in line.bold:
                font = QFont()
                font.setBold(True)
                return font
            case Qt.ItemDataRole.ForegroundRole if of.key in line.worse:
                return self.worse
            case Qt.ItemDataRole.DecorationRole if index.column() == 0 and line.colour:
                return swatch(line.colour)
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return a column's name, or what it means."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return self.columns[section].title
            if role == Qt.ItemDataRole.ToolTipRole:
                return self.columns[section].help
        return None


def sort_key(value: Any) -> _Key:
    """Return what a cell is sorted by: numbers first, also those told as text.

    What is not known comes before them.

    Examples
    --------
    >>> sorted(["b", "10", "9", "", "a"], key=sort_key)
    ['', '9', '10', 'a', 'b']
    """
    if isinstance(value, str):
        if not value:
            return _UNKNOWN
        # Most texts begin with a letter: to find out so is faster than an error.
        if value[0] not in "0123456789+-.":
            return 1, 0.0, value
        try:
            value = float(value)
        except ValueError:
            return 1, 0.0, value
    if isinstance(value, int | float):
        return _UNKNOWN if math.isnan(value) else (0, float(value), "")
    return 1, 0.0, str(value)


def shown_as(value: Any, decimals: int | None = None) -> str:
    """Return a cell as it is shown; a number with so many decimals, or rounded."""
    if isinstance(value, float):
        if math.isnan(value):
            return "–"
        value += 0.0  # makes -0 a 0
        return _rounded(value) if decimals is None else f"{value:.{decimals}f}"
    return str(value)


def _rounded(value: float) -> str:
    """Return a number as short as the dock is narrow; what is almost 0 says so."""
    if abs(value) >= 0.1 or value == 0:
        return f"{value:.3g}"
    return "≈ 0" if abs(value) < _LEAST else f"{value:.3f}"


def exact(value: Any) -> str:
    """Return a cell as it stands in a file."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value + 0.0:.6g}"
    return str(value)


def in_order(names: Iterable[str], last: Sequence[str]) -> list[str]:
    """Return keys of columns in their order; some of them behind the others."""
    return sorted(names, key=lambda name: name in last and last.index(name) + 1)
