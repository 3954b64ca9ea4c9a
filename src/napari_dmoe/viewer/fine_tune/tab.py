"""The tab for fine-tuning: pairs, choices, curves and outcome, above a fixed foot."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.fine_tune.choices_view import (
    Choice,
    TuneSection,
    TuningAdvanced,
)
from napari_dmoe.viewer.fine_tune.curves_view import CurvesSection
from napari_dmoe.viewer.fine_tune.foot import TuningFoot
from napari_dmoe.viewer.fine_tune.pairs_view import PairsSection
from napari_dmoe.viewer.fine_tune.report_view import OutcomeSection
from napari_dmoe.viewer.ui.parts import ScrollColumn, column

_ABOVE_FOOT = 6


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
        self.scroll = ScrollColumn()
        self.scroll.stack(
            self.pairs, self.tune, self.advanced, self.curves, self.outcome
        )
        column(self, self.scroll, self.foot, spacing=_ABOVE_FOOT).setStretch(0, 1)

    def show_at_work(self, is_at_work: bool) -> None:
        """Let the choices be made, or not while something goes on."""
        for section in (self.pairs.list, self.tune, self.advanced):
            section.setEnabled(not is_at_work)

    def scroll_to_outcome(self) -> None:
        """Show the outcome from its top."""
        self.scroll.verticalScrollBar().setValue(self.outcome.y())
