"""The dMoE dock: its tabs above the foot of the main job.

A new tab is a folder beside this file, and its line in :data:`TABS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_dmoe.viewer.bench import Bench, TabControl
from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.layers.leaving import leaving_of
from napari_dmoe.viewer.layers.pointer import all_or_nothing
from napari_dmoe.viewer.rescue.control import RescueControl
from napari_dmoe.viewer.rescue.offer_view import RescueOffer
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.segment.foot import RunFoot
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.canvas import CanvasGuard
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.outlining import OutlineDrawing
from napari_dmoe.viewer.ui.panel import Panel
from napari_dmoe.viewer.ui.shortcut import SEGMENT, Shortcut
from napari_dmoe.viewer.ui.theme import ThemeFollower
from napari_dmoe.viewer.ui.work import Work
from napari_dmoe.viewer.uncaught import tell_ours_in_words
from napari_dmoe.viewer.what_if.control import WhatIfControl

if TYPE_CHECKING:
    import napari

TABS: tuple[type[TabControl], ...] = (
    SegmentControl,
    RoutingControl,
    WhatIfControl,
    FineTuneControl,
)
"""The tabs, from left to right."""

_NARROWEST = 250
_COMFORTABLE = QSize(350, 700)
Kind = TypeVar("Kind", bound=TabControl)


class DMoEDock(Panel):
    """The dock of a viewer, or of a plugin's proxy of it; tests pass other engines."""

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        *,
        engines: Engines | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        tell_ours_in_words()
        self._session = session = session_of(napari_viewer)
        self.footer = RunFoot()
        tabs = [kind.make() for kind in TABS]
        self._lay_out(tabs)  # first: it decides the order of Tab
        self.work = Work(
            self.footer, self, showing=lambda: all_or_nothing(session.viewer)
        )
        self.work.begun.connect(self._on_work)
        self.work.ended.connect(self._on_work)
        connections = Connections(self)
        connections.add(session.surroundings_changed, self._on_surroundings)
        for lost in (session.images_changed, session.input_changed):
            connections.add(lost, self.work.check)
        connections.add(session.showing.deleted, self._on_deleted)
        self._leaving = leaving_of(napari_viewer)
        waits = self._leaving.wanted, self.work.ended
        self._rest = Refresh(self, self._on_rest, soon=waits)
        bench = Bench(session, engines or Engines(), self.work, self.footer)
        self._controls = tuple(
            kind(bench, tab) for kind, tab in zip(TABS, tabs, strict=True)
        )
        self._connect_tabs(bench)
        self._follow(napari_viewer)
        self._is_whole = True

    def _on_deleted(self) -> None:
        """Wait until napari has taken out all that is deleted, and chosen another."""
        QTimer.singleShot(0, self._session.showing.settle)

    def _connect_tabs(self, bench: Bench) -> None:
        """Connect what one tab shows with what another does."""
        tuner = self.control(FineTuneControl)
        self.rescue = RescueControl(bench, self.rescue_offer, tuner.tuning)
        self.rescue.model_restored.connect(self.open_model)
        model = self.control(SegmentControl).tab.model
        model.save_requested.connect(tuner.save_loaded)
        self.tabs.currentChanged.connect(self._on_tab)

    def _follow(self, napari_viewer: napari.Viewer) -> None:
        """Go by the window's theme, keep its canvas in order, and take its keys."""
        ThemeFollower(self, napari_viewer)
        CanvasGuard(self, napari_viewer)
        OutlineDrawing(self, napari_viewer, self._session.outlines)
        shortcut = Shortcut(self, napari_viewer, SEGMENT, self.press)
        shortcut.changed.connect(self.footer.show_keys)
        self.footer.show_keys(shortcut.keys)

    def _lay_out(self, tabs: list[QWidget]) -> None:
        self.tabs = QTabWidget()
        for place, (kind, tab) in enumerate(zip(TABS, tabs, strict=True)):
            self.tabs.addTab(tab, kind.title)
            self.tabs.setTabToolTip(place, kind.tool_tip)
        self.tabs.setDocumentMode(True)
        self.tabs.setUsesScrollButtons(False)  # a name may be cut, no tab be hidden
        self.tabs.setElideMode(Qt.TextElideMode.ElideRight)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        self.rescue_offer = RescueOffer()
        layout.addWidget(self.rescue_offer)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(_NARROWEST)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setAcceptDrops(True)

    def control(self, kind: type[Kind]) -> Kind:
        """Return what makes one of the tabs work."""
        return next(each for each in self._controls if isinstance(each, kind))

    def press(self) -> None:
        """Begin to segment, or stop what is under way: what the button does."""
        if not self.work.is_busy:
            self.tabs.setCurrentWidget(self.control(SegmentControl).tab)
        self.footer.button.click()

    def segment(self) -> None:
        """Begin to segment the image for its patient, or say why not."""
        self.control(SegmentControl).segment()

    def open_model(self, path: str) -> None:
        """Load a checkpoint, as if it had been chosen in the dock."""
        segmenting = self.control(SegmentControl)
        self.tabs.setCurrentWidget(segmenting.tab)
        segmenting.tab.model.model_requested.emit(path)

    def _on_tab(self, place: int) -> None:
        for each, control in enumerate(self._controls):
            control.see(each == place)
        self._show_footer()

    def _on_work(self) -> None:
        self._show_footer()
        self._hold_buttons()

    def _on_rest(self) -> None:
        """Take out the layers that are to go, unless others may come any moment."""
        if not self.work.may_put_layers:
            self._leaving.take_out()

    def _show_footer(self) -> None:
        """Show the foot for segmenting, unless it is idle and another is there."""
        has_other = TABS[self.tabs.currentIndex()].has_own_foot
        self.footer.show_far(TABS[self.tabs.currentIndex()] is not SegmentControl)
        self.footer.setVisible(not has_other or self.work.is_busy)

    def _on_surroundings(self) -> None:
        self.footer.show_device(self._session.surroundings.device)

    def sizeHint(self) -> QSize:
        """Return the size to begin with; the dock can be made narrower and lower."""
        return _COMFORTABLE

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take checkpoints; napari takes everything else."""
        _checkpoint_in(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the checkpoint that was dropped."""
        path = _checkpoint_in(event)
        if path:
            self.open_model(path)

    def _abandon(self) -> None:
        for control in self._controls:
            control.abandon()


def _checkpoint_in(event: QDropEvent) -> str:
    """Accept the one checkpoint that is dragged, and return its path; ignore others."""
    mime = event.mimeData()
    paths = [url.toLocalFile() for url in (mime.urls() if mime is not None else [])]
    if len(paths) == 1 and paths[0].lower().endswith(CHECKPOINT_SUFFIXES):
        event.acceptProposedAction()
        return paths[0]
    event.ignore()
    return ""
