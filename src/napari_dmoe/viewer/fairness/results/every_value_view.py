"""What asking every value found: a choice, plain sentences, two plots, the atlas."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QGridLayout, QWidget
from superqt.utils import signals_blocked

from napari_dmoe.viewer.fairness.results.every_value import DEPENDENCE, HELP
from napari_dmoe.viewer.ui.parts import (
    button,
    column,
    flow,
    heading,
    narrow_combo,
    offer,
    paragraph,
    say,
)
from napari_dmoe.viewer.ui.plot import Plot

if TYPE_CHECKING:
    from napari_dmoe.evaluation.reporting.figures import Look
    from napari_dmoe.viewer.fairness.results.every_value import Told

NOBODY_ASKED = (
    "Whether the masks depend on the patient's attributes was not asked: tick “Ask "
    "every value, too”, and press Run."
)
_DEPENDENCE_TIP = (
    "In what share of each group's cases the value matters to the mask, is as much as "
    "a shift by one pixel, hardly anything, or nothing."
)
_HELP_TIP = (
    "Dice with the right value minus that with the unknown mixture, and minus that of "
    "the other values, with 95 % intervals. Hollow: fewer than 10 cases."
)
_ATLAS_TIP = "Shows how the experts share the work, by value and group, as a picture."
_BESIDE = 700
"""Pixels from which two plots have room beside each other."""


class EveryValueView(QWidget):
    """Shows what every value gave, or how to ask for it."""

    chosen = Signal(int)
    """Another attribute or class is to be shown."""
    atlas_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = narrow_combo(
            "Attribute and class", "Whose values, and which class.", characters=18
        )
        self.combo.activated.connect(self.chosen)
        self.atlas_button = button("Open the atlas", _ATLAS_TIP, self.atlas_requested)
        self.note = paragraph(name="every-value-note")
        self.sentences = paragraph(name="every-value")
        self.plots = {
            DEPENDENCE: Plot("How often the value matters", _DEPENDENCE_TIP),
            HELP: Plot("Whom the right value helps", _HELP_TIP),
        }
        self._plots = QWidget()
        self._grid = QGridLayout(self._plots)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._n_columns = 0
        self._arrange(2)
        self._choice = flow(self.combo, self.atlas_button)
        parts = self.note, self._choice, self.sentences, self._plots
        column(self, heading("EVERY VALUE"), *parts).addStretch(1)
        self.show_told((), None)

    def show_told(
        self, names: Sequence[str], place: int | None, note: str = ""
    ) -> None:
        """Offer what was told, of which one is shown; or say why there is none."""
        with signals_blocked(self.combo):
            offer(self.combo, names, range(len(names)))
            self.combo.setCurrentIndex(-1 if place is None else place)
        say(self.note, note)
        self._choice.setVisible(bool(names))
        if place is None:
            say(self.sentences, "")
            self._plots.setVisible(False)

    def show_one(self, told: Told, by: str, look: Look) -> None:
        """Show one attribute and class, also by an attribute that parts the cases."""
        say(self.sentences, "\n".join(told.sentences))
        heights = {what: told.height(what, by) for what in self.plots}
        self._plots.setVisible(any(heights.values()))
        for what, plot in self.plots.items():
            plot.setVisible(bool(heights[what]))
            if heights[what]:
                paint = partial(told.paint, what=what, by=by, look=look)
                key = (told.folder, id(told.summary), told.key, by, look)
                plot.show_figure(paint, height=heights[what], key=key)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the plots beside each other where there is room."""
        super().resizeEvent(event)
        self._arrange(2 if self.width() >= _BESIDE else 1)

    def _arrange(self, n_columns: int) -> None:
        if n_columns == self._n_columns:
            return
        self._n_columns = n_columns
        for number, plot in enumerate(self.plots.values()):
            self._grid.removeWidget(plot)
            self._grid.addWidget(plot, *divmod(number, n_columns))
        self._grid.setColumnStretch(1, n_columns - 1)
        self._grid.setColumnStretch(0, 1)
