"""The table of many images: one row each, sorted, filtered, copied and saved whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLineEdit, QWidget

from napari_dmoe.cohorts.series.rows import arranged
from napari_dmoe.viewer.rows import Column, Line
from napari_dmoe.viewer.segment.many.words import (
    DICE,
    FILTERS,
    SHORT,
    line_of,
    summary_of,
)
from napari_dmoe.viewer.ui.parts import (
    button,
    column,
    flow,
    lay_out,
    narrow_combo,
    offer,
    row,
)
from napari_dmoe.viewer.ui.tables import Table

_MOST_LINES = 12
_LEAST = 8  # lines from which it is worth looking for one


class SeriesTable(Table):
    """Is copied with the columns of the rows, as they are written."""

    def __init__(self) -> None:
        super().__init__(
            "What was done",
            "Double-click a line, or press Enter: its image is shown. A click on a "
            "column's name sorts by it.",
            most_lines=_MOST_LINES,
            is_sorted=True,
        )
        # Names of published images begin alike: of what is cut the end is seen.
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.rows: list[Mapping[str, str]] = []

    def file_rows(self) -> list[dict[str, str]]:
        """Return the rows for a file, each with every column."""
        names = self.headers()
        return [{name: each.get(name, "") for name in names} for each in self.rows]

    def headers(self) -> list[str]:
        """Return the columns of all rows, in the order in which they are written."""
        return arranged(dict.fromkeys(map(tuple, self.rows)))


class ResultTable(QWidget):
    """Shows what became of each image, in few columns or in all of them.

    It holds what stands above :attr:`table`, and fills that.
    """

    row_activated = Signal(int)
    """The image of a row is to be shown."""
    worst_requested = Signal()
    """The images are to be gone through from the worst one on."""
    changed = Signal()
    """Other rows are shown, or more of them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = SeriesTable()
        self.table.line_activated.connect(self.row_activated)
        self._lines: list[Line] = []
        self._counts = [0] * len(FILTERS)
        self._has_dice = False
        self._make_tools()
        column(self, self._tools, self._below)
        self.show_rows(())

    def _make_tools(self) -> None:
        self.filter_combo = narrow_combo(
            "Which images", "Show some of the images.", characters=10
        )
        self.filter_combo.currentIndexChanged.connect(self._keep)
        self.find_edit = QLineEdit()
        self.find_edit.setPlaceholderText("Find…")
        self.find_edit.setClearButtonEnabled(True)
        self.find_edit.setAccessibleName("Find an image")
        self.find_edit.setToolTip("Show the images whose name holds this.")
        self.find_edit.textChanged.connect(self._keep)
        self._tools = row(self.filter_combo, self.find_edit, stretch=1)
        self.worst_button = button(
            "Worst first",
            "Sort by Dice, the lowest first; Next goes on in the same order.",
            self.show_worst,
        )
        self.all_box = QCheckBox("All columns")
        self.all_box.setToolTip("Show every column of segment.csv.")
        self.all_box.toggled.connect(self._show_columns)
        self._below = flow(self.worst_button, self.all_box)

    @property
    def rows(self) -> Sequence[Mapping[str, str]]:
        """What was done, by column."""
        return self.table.rows

    @property
    def summary(self) -> str:
        """How many images were segmented, how well, and how many failed."""
        return summary_of(self._lines)

    def show_rows(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Show other rows."""
        self.table.rows = list(rows)
        self._lines = [line_of(each) for each in rows]
        self._counts, self._has_dice = [0] * len(FILTERS), False
        self._count(self._lines)
        self.find_edit.clear()
        self.filter_combo.setCurrentIndex(0)
        self.table.keep_lines(None)
        self.table.show_lines(self._lines, self._columns())
        self._note()

    def add_rows(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Show more rows; what is looked at stays where it is."""
        if not rows:
            return
        n_columns = len(self.table.headers()) if self.all_box.isChecked() else 0
        lines = [line_of(each) for each in rows]
        self.table.rows += rows
        self._lines += lines
        self._count(lines)
        self.table.add_lines(lines)
        lay_out(self.table)
        if self.all_box.isChecked() and len(self.table.headers()) != n_columns:
            self._show_columns()
        self._note()

    def replace_row(self, place: int, new: Mapping[str, str]) -> None:
        """Show another row in the place of one, such as of a corrected mask."""
        self.table.rows[place] = new
        self._count([self._lines[place]], by=-1)
        self._lines[place] = line_of(new)
        self._count([self._lines[place]])
        self.table.replace_line(place, self._lines[place])
        self._note()

    def show_worst(self) -> None:
        """Sort by Dice, the lowest first."""
        keys = [each.key for each in self._columns()]
        self.table.sortByColumn(keys.index(DICE), Qt.SortOrder.AscendingOrder)
        self.table.scrollToTop()
        self.worst_requested.emit()

    def _columns(self) -> Sequence[Column]:
        if not self.all_box.isChecked():
            return SHORT
        first = {each.key: each for each in SHORT}
        names = dict.fromkeys(("id", DICE, "status", "headline", *self.table.headers()))
        return [first.get(name) or Column(name, name) for name in names]

    def _show_columns(self) -> None:
        self.table.show_columns(self._columns())

    def _keep(self) -> None:
        """Show those images that belong to what is chosen, and are called so."""
        belongs = FILTERS[self._chosen()].belongs
        text = self.find_edit.text().strip().casefold()
        if not text and not self._chosen():
            self.table.keep_lines(None)
            return
        self.table.keep_lines(
            lambda line: (
                text in str(line.cells["id"]).casefold() and belongs(line.cells)
            )
        )

    def _chosen(self) -> int:
        return int(self.filter_combo.currentData() or 0)

    def _count(self, lines: Sequence[Line], *, by: int = 1) -> None:
        """Count which lines belong to what can be chosen."""
        for line in lines:
            for place, each in enumerate(FILTERS):
                self._counts[place] += by * each.belongs(line.cells)
            self._has_dice = self._has_dice or not math.isnan(line.cells[DICE])

    def _note(self) -> None:
        """Offer what can be done with these rows."""
        counts = self._counts
        offered = [i for i, n in enumerate(counts) if n or i in (0, self._chosen())]
        texts = [f"{FILTERS[i].title} ({counts[i]:,})" for i in offered]
        chosen = self._chosen()
        self.filter_combo.blockSignals(True)
        offer(self.filter_combo, texts, offered)
        self.filter_combo.setCurrentIndex(offered.index(chosen))
        self.filter_combo.blockSignals(False)
        self.worst_button.setVisible(self._has_dice)
        self.all_box.setVisible(bool(self._lines))
        self._tools.setVisible(len(self._lines) >= _LEAST or chosen > 0)
        self.changed.emit()
