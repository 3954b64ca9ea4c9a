"""The tab for fine-tuning: pairs, choices, curves and outcome, above a fixed foot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.fine_tune.choices_view import TuneSection, TuningAdvanced
from napari_dmoe.viewer.fine_tune.curves_view import CurvesSection
from napari_dmoe.viewer.fine_tune.foot import TuningFoot
from napari_dmoe.viewer.fine_tune.pairs_view import PairsSection
from napari_dmoe.viewer.fine_tune.report_view import OutcomeSection
from napari_dmoe.viewer.ui.parts import ScrollColumn, column

if TYPE_CHECKING:
    from napari_dmoe.training.cases.annotation import Annotation

_ABOVE_FOOT = 6


class FineTuneTab(QWidget):
    """Holds the sections; they scroll, the foot stays."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pairs = PairsSection()
        self.tune = TuneSection()
        self.advanced = TuningAdvanced()
        self.curves = CurvesSection()
        self.outcome = OutcomeSection()
        self.foot = TuningFoot()
        self.scroll = ScrollColumn()
        self.scroll.stack(
            self.pairs, self.tune, self.advanced, self.curves, self.outcome
        )
        column(self, self.scroll, self.foot, spacing=_ABOVE_FOOT).setStretch(0, 1)

    def reading(self) -> Annotation:
        """Return how labels are to be read."""
        from napari_dmoe.training.cases.annotation import Annotation

        background, settings = self.tune.background, self.advanced.value()
        return Annotation(
            unlabelled=None if background is None else 0,
            background=background or 0,
            slices=settings is not None and settings.annotated == "slices",
        )

    def show_at_work(self, is_at_work: bool) -> None:
        """Let the choices be made, or not while something goes on."""
        for section in (self.pairs.list, self.tune, self.advanced):
            section.setEnabled(not is_at_work)

    def scroll_to_outcome(self) -> None:
        """Show the outcome from its top."""
        self.scroll.verticalScrollBar().setValue(self.outcome.y())
