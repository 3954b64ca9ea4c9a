"""What evaluated cohorts show: pickers, plot, table and cases, side by side."""

from __future__ import annotations

from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_dmoe.viewer.fairness.results.cases_view import CasesView
from napari_dmoe.viewer.fairness.results.every_value_view import EveryValueView
from napari_dmoe.viewer.fairness.results.groups_view import GroupsTable, PlotView
from napari_dmoe.viewer.fairness.results.pickers_view import PickersView
from napari_dmoe.viewer.ui.parts import ScrollColumn, column, paragraph, say

_EMPTY = (
    "Nothing is evaluated yet. Choose a cohort and a model, or a folder of "
    "predictions, and press Run; or reopen the folder of an evaluation."
)
_THREE, _TWO = 980, 740
"""Pixels from which so many parts have room beside each other."""
_BETWEEN = 12


class ResultsSection(QWidget):
    """Shows the results, or says how to come by some."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.empty = paragraph(_EMPTY, name="results-empty")
        self.note = paragraph(name="results-note")
        self.pickers = PickersView()
        self.plot, self.groups, self.cases = PlotView(), GroupsTable(), CasesView()
        self.every_value = EveryValueView()
        self._parts = QWidget()
        self._grid = QGridLayout(self._parts)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_BETWEEN)
        self._grid.addWidget(self.every_value, 3, 0, 1, 3)
        self._n_columns = 0
        self._arrange(3)
        self.scroll = ScrollColumn()
        self.scroll.stack(self._parts)
        above = self.empty, self.pickers, self.note
        column(self, *above, self.scroll).setStretch(3, 1)
        self.show_whether(False)

    def show_whether(self, has_results: bool) -> None:
        """Show the parts, or how to come by results."""
        say(self.empty, "" if has_results else _EMPTY)
        self.pickers.setVisible(has_results)
        self.scroll.widget().setVisible(has_results)
        if not has_results:
            self.say("")

    def say(self, text: str) -> None:
        """Say what goes on, or why nothing can be shown."""
        say(self.note, text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put as many parts beside each other as there is room for."""
        super().resizeEvent(event)
        width = self.width()
        self._arrange(3 if width >= _THREE else 2 if width >= _TWO else 1)

    def _arrange(self, n_columns: int) -> None:
        if n_columns == self._n_columns:
            return
        self._n_columns = n_columns
        places = {
            3: ((0, 0, 1, 1), (0, 1, 1, 1), (0, 2, 1, 1)),
            2: ((0, 0, 1, 1), (0, 1, 1, 1), (1, 0, 1, 2)),
            1: ((0, 0, 1, 1), (1, 0, 1, 1), (2, 0, 1, 1)),
        }[n_columns]
        parts = self.plot, self.groups, self.cases
        for part, place in zip(parts, places, strict=True):
            self._grid.removeWidget(part)
            self._grid.addWidget(part, *place)
        for number, share in enumerate((4, 6, 4)):
            self._grid.setColumnStretch(number, share if number < n_columns else 0)
