"""The tab for fine-tuning: pairs, choices, curves and outcome, above a fixed foot."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_dmoe.viewer.fine_tune.choices_view import (
    Choice,
    TuneSection,
    TuningAdvanced,
)
from napari_dmoe.viewer.fine_tune.curves_view import CurvesSection
from napari_dmoe.viewer.fine_tune.foot import TuningFoot
from napari_dmoe.viewer.fine_tune.pairs_view import PairsSection
from napari_dmoe.viewer.fine_tune.report_view import OutcomeSection

_MARGIN = 4
_BETWEEN_SECTIONS = 12


class FineTuneTab(QWidget):
    """Holds the sections; they scroll, the foot stays.

    Parameters
    ----------
    presets : sequence of Choice
        Ways to tune.
    chosen : str
        The one that is taken at first.
    """

    def __init__(
        self, presets: Sequence[Choice], chosen: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.pairs = PairsSection()
        self.tune = TuneSection(presets, chosen)
        self.advanced = TuningAdvanced()
        self.curves = CurvesSection()
        self.outcome = OutcomeSection()
        self.foot = TuningFoot()
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        inner.setSpacing(_BETWEEN_SECTIONS)
        sections = (self.pairs, self.tune, self.advanced, self.curves, self.outcome)
        for section in sections:
            inner.addWidget(section)
        inner.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setWidget(content)
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroll, stretch=1)
        layout.addWidget(self.foot)

    def show_at_work(self, is_at_work: bool) -> None:
        """Let the choices be made, or not while something goes on."""
        for section in (self.pairs.list, self.tune, self.advanced):
            section.setEnabled(not is_at_work)

    def scroll_to_outcome(self) -> None:
        """Show the outcome from its top."""
        self.scroll.verticalScrollBar().setValue(self.outcome.y())
