"""The dMoE fairness dock: a cohort, what is compared, and beside it what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QSplitter, QVBoxLayout, QWidget

from napari_dmoe.viewer.bench import Bench
from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fairness.cohort.control import CohortControl
from napari_dmoe.viewer.fairness.cohort.view import CohortSection, dropped_path
from napari_dmoe.viewer.fairness.compared.control import ComparedControl
from napari_dmoe.viewer.fairness.compared.view import ComparedSection
from napari_dmoe.viewer.fairness.foot_view import AuditFoot
from napari_dmoe.viewer.fairness.pickers import Pickers
from napari_dmoe.viewer.fairness.results.control import ResultsControl
from napari_dmoe.viewer.fairness.results.view import ResultsSection
from napari_dmoe.viewer.fairness.running.control import RunControl
from napari_dmoe.viewer.fairness.running.reopening import ReopenControl
from napari_dmoe.viewer.fairness.running.report import ReportControl
from napari_dmoe.viewer.fairness.shelf import audits_of
from napari_dmoe.viewer.fairness.surroundings import LookingAround
from napari_dmoe.viewer.layers.leaving import leaving_of
from napari_dmoe.viewer.layers.pointer import all_or_nothing
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.canvas import CanvasGuard
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.outlining import OutlineDrawing
from napari_dmoe.viewer.ui.panel import Panel
from napari_dmoe.viewer.ui.theme import ThemeFollower
from napari_dmoe.viewer.ui.work import Work
from napari_dmoe.viewer.uncaught import tell_ours_in_words

if TYPE_CHECKING:
    import napari

HEIGHT = 340
"""To begin with; it can be made lower."""
_COMFORTABLE = QSize(1200, HEIGHT)
_LEAST = QSize(560, 200)
_LEFT, _LEFT_WIDE = 300, (640, 730)
"""Pixels of the pickers; with the most of them, their buttons stand in one row."""
_WIDE = 1500
"""Pixels from which there is room for two columns of pickers beside results."""
_WIDE_ALONE = 960
"""The same while there are none: what was read is to be seen without scrolling."""
_LEAST_RIGHT, _GOOD_RIGHT = 300, 1000


class FairnessDock(Panel):
    """The fairness dock of a viewer, or of a plugin's proxy of it.

    Tests pass other engines.
    """

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        *,
        engines: Engines | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        tell_ours_in_words()
        session = session_of(napari_viewer)
        self._is_new = True
        self.audits = audits_of(napari_viewer)
        self._lay_out()
        self.work = Work(
            self.foot, self, showing=lambda: all_or_nothing(session.viewer)
        )
        self.work.begun.connect(self._hold_buttons)
        self.work.ended.connect(self._hold_buttons)
        bench = Bench(session, engines or Engines(), self.work, self.foot)
        self.cohort_control = CohortControl(bench, self.cohort)
        self.compared_control = ComparedControl(bench, self.compared)
        controls = self.cohort_control, self.compared_control
        self.run = RunControl(bench, self.foot, *controls, self.audits)
        self.report = ReportControl(bench, self.foot, self.audits)
        self.reopening = ReopenControl(bench, self.cohort_control, self.audits)
        self.results_control = ResultsControl(bench, self.results, self.audits)
        self.looking = LookingAround(bench, self)
        self._leaving = leaving_of(napari_viewer)
        waits = self._leaving.wanted, self.work.ended
        self._rest = Refresh(self, self._on_rest, soon=waits)
        Connections(self).add(self.audits.changed, self._spread)
        ThemeFollower(self, napari_viewer)
        CanvasGuard(self, napari_viewer)
        OutlineDrawing(self, napari_viewer, session.outlines)
        self.looking.begin()
        self._is_whole = True

    def _lay_out(self) -> None:
        self.cohort, self.compared = CohortSection(), ComparedSection()
        self.foot = AuditFoot()
        self.pickers = Pickers(self.cohort, self.compared, self.foot)
        self.results = ResultsSection()
        self.results.setMinimumWidth(_LEAST_RIGHT)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.pickers)
        self.splitter.addWidget(self.results)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setStretchFactor(1, 1)  # the numbers get what there is more
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.splitter)
        self.setMinimumSize(_LEAST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAcceptDrops(True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the pickers side by side where there is room for that."""
        super().resizeEvent(event)
        self._spread()

    def _spread(self) -> None:
        is_wide = self.width() >= (_WIDE if self.audits.shown else _WIDE_ALONE)
        if self.pickers.is_wide != is_wide or self._is_new:
            self._is_new = False
            self.pickers.spread(is_wide)
            least, most = _LEFT_WIDE
            wide = max(least, min(most, self.width() - _GOOD_RIGHT))
            left = wide if is_wide else _LEFT
            self.splitter.setSizes([left, max(self.width() - left, 1)])

    def _on_rest(self) -> None:
        """Take out the layers that are to go, unless the other dock does it."""
        if len(self._leaving.wanted) <= 1 and not self.work.may_put_layers:
            self._leaving.take_out()

    def sizeHint(self) -> QSize:
        """Return the size to begin with; the dock can be made narrower and lower."""
        return _COMFORTABLE

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take cohorts, audits and checkpoints."""
        dropped_path(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Compare a checkpoint that was dropped; read everything else."""
        path = dropped_path(event)
        if path.lower().endswith(CHECKPOINT_SUFFIXES):
            self.compared_control.add(path)
        elif path:
            self.cohort.dropped.emit(path)
