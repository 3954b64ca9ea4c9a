"""The dMoE dock: its tabs, its footer, and the controls that connect them.

The sections know neither the viewer nor the engines; they end in signals. Each control
connects one of them with the session.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_dmoe.training.tuning.presets import DEFAULT_PRESET, PRESETS
from napari_dmoe.viewer.checkpoints import CHECKPOINT_SUFFIXES
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fine_tune.choices_view import Choice
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.fine_tune.tab import FineTuneTab
from napari_dmoe.viewer.layers.pointer import all_or_nothing
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.routing.tab import RoutingTab
from napari_dmoe.viewer.segment.compare import CompareControl
from napari_dmoe.viewer.segment.many_images import FileSeries, LayerSeries
from napari_dmoe.viewer.segment.model import ModelLoader
from napari_dmoe.viewer.segment.result import ResultControl, ResultFiles
from napari_dmoe.viewer.segment.run import Run, RunControl
from napari_dmoe.viewer.segment.subject import SubjectControl
from napari_dmoe.viewer.segment.tab import RunFoot, SegmentTab
from napari_dmoe.viewer.session.session import Session, session_of
from napari_dmoe.viewer.ui.parts import StartButton
from napari_dmoe.viewer.ui.work import BUSY, Work
from napari_dmoe.viewer.what_if.experts.control import ExpertsControl
from napari_dmoe.viewer.what_if.noise.control import NoiseControl
from napari_dmoe.viewer.what_if.replay.control import ReplayControl
from napari_dmoe.viewer.what_if.shares import PriorsControl
from napari_dmoe.viewer.what_if.sweep.control import SweepControl
from napari_dmoe.viewer.what_if.sweep.export import SweepExport
from napari_dmoe.viewer.what_if.tab import WhatIfTab

if TYPE_CHECKING:
    import napari

_LAYOUT_MS = 50  # until then Qt has laid out the new result
_NARROWEST = 280
_COMFORTABLE = QSize(350, 700)


class DMoEDock(QWidget):
    """The main dock.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, or a plugin's proxy of it.
    engines : Engines, optional
        What is set to work; the real ones by default.
    """

    def __init__(
        self,
        napari_viewer: napari.Viewer,
        *,
        engines: Engines | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._engines = engines = engines or Engines()
        self._session = session = session_of(napari_viewer)
        self._was_docked = False
        self.tab, self.routing, self.footer = SegmentTab(), RoutingTab(), RunFoot()
        self.what_if = WhatIfTab()
        choices = [Choice(k, p.title, p.description) for k, p in PRESETS.items()]
        self.fine_tune = FineTuneTab(choices, DEFAULT_PRESET)
        self._lay_out()  # first: it decides the order of Tab
        tab = self.tab
        self.work = Work(self.footer, self, showing=partial(_showing, session))
        self.run = RunControl(session, engines, self.work, self)
        self.loader = ModelLoader(session, engines, tab.model, self)
        self.subject = SubjectControl(session, tab.image, tab.patient)
        self.results = ResultControl(session, self.run, self.work, tab.result)
        self.compare = CompareControl(
            session, engines, self.run, self.work, tab.compare
        )
        self.layer_series = LayerSeries(session, self.run, self.work, tab.series)
        self.files = ResultFiles(session, self.work, tab.result)
        self.file_series = FileSeries(
            session,
            engines,
            self.run,
            self.work,
            tab.series,
            open_mask=self.files.open_mask,
        )
        self.maps = RoutingControl(session, engines, self.work, self.routing)
        what_if = self.what_if
        self.sweep = SweepControl(session, engines, self.run, self.work, what_if.sweep)
        self.priors = PriorsControl(session, what_if.priors)
        self.sweep_export = SweepExport(self.sweep, engines, self.work, what_if.sweep)
        self.experts = ExpertsControl(
            session, engines, self.run, self.work, what_if.experts
        )
        self.noise = NoiseControl(session, engines, self.run, self.work, what_if.noise)
        self.replay = ReplayControl(session, engines, self.work, what_if.replay)
        self.tuner = FineTuneControl(
            session, engines, self.run, self.work, self.fine_tune, DEFAULT_PRESET
        )
        self._connect()
        self.loader.begin()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.addTab(self.tab, "Segment")
        self.tabs.addTab(self.routing, "Routing")
        self.tabs.addTab(self.what_if, "What if")
        self.tabs.addTab(self.fine_tune, "Fine-tune")
        self.tabs.setTabToolTip(0, "Segment an image for its patient.")
        self.tabs.setTabToolTip(1, "See which experts of the network drew what.")
        self.tabs.setTabToolTip(2, "See what another patient would have got, and why.")
        self.tabs.setTabToolTip(3, "Correct masks, tune the model, and see for whom.")
        self.tabs.setDocumentMode(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(self.tabs, stretch=1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(_NARROWEST)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setAcceptDrops(True)

    def _connect(self) -> None:
        tab, footer = self.tab, self.footer
        self.loader.surroundings_found.connect(self._on_surroundings)
        self.loader.changed.connect(self._on_loader)
        tab.image.model_wanted.connect(self.loader.choose)
        self.subject.shown.connect(self._show_readiness)
        self.subject.patient_entered.connect(self.results.show)
        self.subject.patient_entered.connect(self.run.rerun)
        tab.settings.changed.connect(self._on_settings)
        tab.patient.rerun_toggled.connect(self.run.allow_reruns)
        footer.start_requested.connect(self.segment)
        footer.stop_requested.connect(self.run.stop)
        self.run.ended.connect(self._on_run_ended)
        self.work.begun.connect(self._show_footer)
        self.work.ended.connect(self._show_footer)
        self.work.begun.connect(self._hold_starts)
        self.work.ended.connect(self._hold_starts)
        self.tabs.currentChanged.connect(self._on_tab)

    def segment(self) -> None:
        """Begin to segment the image for its patient, or say why not."""
        self.tab.patient.commit()
        why_not = self._why_not()
        if why_not:
            self.footer.show_ready(why_not)
        else:
            self.run.begin(was_asked_for=True)

    def open_model(self, path: str) -> None:
        """Load a checkpoint, as if it had been chosen in the dock."""
        self.tabs.setCurrentWidget(self.tab)
        self.tab.model.model_requested.emit(path)

    def _on_tab(self, *_: object) -> None:
        self.tuner.see(self.tabs.currentWidget() is self.fine_tune)
        self._show_footer()

    def _show_footer(self) -> None:
        """Show the foot for segmenting, unless it is idle and another is there."""
        is_tuning = self.tabs.currentWidget() is self.fine_tune
        self.footer.setVisible(not is_tuning or self.work.is_busy)

    def _hold_starts(self) -> None:
        """Let nothing else be started while the dock is at work."""
        for button in self.findChildren(StartButton):
            button.hold(BUSY if self.work.is_busy else "")

    def _on_run_ended(self, run: Run) -> None:
        self.results.show()
        if run.was_asked_for:  # a re-run must not scroll away from the patient
            QTimer.singleShot(_LAYOUT_MS, self._scroll_to_result)

    def _scroll_to_result(self) -> None:
        self.tab.ensureWidgetVisible(self.tab.result, 0, 0)

    def _on_settings(self) -> None:
        self.run.settings = self.tab.settings.value()
        self.results.show_soon()
        self.sweep.show()

    def _on_surroundings(self, surroundings: Any) -> None:
        self.footer.show_device(surroundings.device)
        self.fine_tune.advanced.offer_devices(surroundings.devices)
        self.tab.settings.set_choices("device", surroundings.devices)

    def _on_loader(self) -> None:
        self.compare.offer(self.loader.offered)
        self.replay.offer(self.loader.offered)
        self._show_readiness()

    def _show_readiness(self) -> None:
        why_not = self._why_not()
        self.footer.show_ready(why_not)
        if not self.run.is_busy:
            self.footer.show_status(why_not or "Ready.")

    def _why_not(self) -> str:
        """Say why no run can begin; nothing where one can."""
        return "Loading the model …" if self.loader.is_busy else self.subject.why_not()

    def sizeHint(self) -> QSize:
        """Return the size to begin with; the dock can be made narrower and lower."""
        return _COMFORTABLE

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take checkpoints; napari takes everything else."""
        if _checkpoint_in(event):
            event.acceptProposedAction()
        else:
            event.ignore()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the checkpoint that was dropped."""
        path = _checkpoint_in(event)
        if path:
            event.acceptProposedAction()
            self.open_model(path)
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """Stop the work when the dock is taken out of the window."""
        if event.type() == QEvent.Type.ParentChange and hasattr(self, "tuner"):
            if self.parent() is None and self._was_docked:
                self.run.stop()
                self.tuner.abandon()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))


def _showing(session: Session) -> AbstractContextManager[None]:
    """Return the context in which results are put into a session's viewer."""
    return all_or_nothing(session.viewer)


def _checkpoint_in(event: QDropEvent) -> str:
    """Return the path of the one checkpoint that is dragged; nothing for others."""
    mime = event.mimeData()
    urls = mime.urls() if mime is not None else []
    paths = [url.toLocalFile() for url in urls]
    is_one = len(paths) == 1 and paths[0].lower().endswith(CHECKPOINT_SUFFIXES)
    return paths[0] if is_one else ""
