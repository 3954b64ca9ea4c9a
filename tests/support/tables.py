"""What a person sees of a table, and does to it."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, Qt

from napari_dmoe.viewer.ui.tables import Table


def cell(table: Table, line: int, place: int) -> QModelIndex:
    """Return a cell, as the table is sorted now."""
    return table.model().index(line, place)


def text_of(table: Table, line: int, place: int) -> str:
    """Return what a cell shows."""
    return str(cell(table, line, place).data())


def column_of(table: Table, place: int) -> list[str]:
    """Return what a column shows, from top to bottom."""
    return [text_of(table, line, place) for line in range(table.model().rowCount())]


def heads_of(
    table: Table, role: Qt.ItemDataRole = Qt.ItemDataRole.DisplayRole
) -> list[str]:
    """Return what stands above the columns, or what it means."""
    model = table.model()
    places = range(model.columnCount())
    return [model.headerData(i, Qt.Orientation.Horizontal, role) for i in places]


def go_to(table: Table, line: int) -> None:
    """Go to a line, as with the arrow keys."""
    table.setCurrentIndex(cell(table, line, 0))
