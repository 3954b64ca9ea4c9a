"""The dMoE dock: wires what a person asks for to the session and the engines.

The sections know neither the viewer nor the engines; they end in signals. Only this
file connects them.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from napari_dmoe.viewer.descriptions import (
    band_notes,
    describe_image,
    describe_run,
    image_problem,
    patient_problem,
    result_rows,
    run_notices,
)
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.fields import patient_fields
from napari_dmoe.viewer.layers import plain
from napari_dmoe.viewer.session import session_of
from napari_dmoe.viewer.widgets._connections import Connections
from napari_dmoe.viewer.widgets.model_loader import ModelLoader
from napari_dmoe.viewer.widgets.model_section import SUFFIXES
from napari_dmoe.viewer.widgets.result_section import ResultRow
from napari_dmoe.viewer.widgets.run_control import RunControl
from napari_dmoe.viewer.widgets.run_footer import RunFooter
from napari_dmoe.viewer.widgets.segment_tab import SegmentTab

if TYPE_CHECKING:
    import napari

_REFRESH_MS = 100
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
        self._engines = engines or Engines()
        self._session = session_of(napari_viewer)
        self._was_docked = False
        self._shown_image: weakref.ref[Image] | None = None
        self._connections = Connections(self)
        self.tab = SegmentTab()
        self.footer = RunFooter()
        self.run = RunControl(self._session, self._engines, self.footer, self)
        self.loader = ModelLoader(self._session, self._engines, self.tab.model, self)
        self._refresh_timer = QTimer(self)
        self._refresh_timer.setSingleShot(True)
        self._refresh_timer.setInterval(_REFRESH_MS)
        self._lay_out()
        self._connect_session(plain(napari_viewer))
        self._connect_widgets()
        self._show_model()
        self._show_images()
        self.loader.begin()

    def _lay_out(self) -> None:
        tabs = QTabWidget()
        tabs.addTab(self.tab, "Segment")
        tabs.setDocumentMode(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.addWidget(tabs, stretch=1)
        layout.addWidget(self.footer)
        self.setMinimumWidth(_NARROWEST)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setAcceptDrops(True)

    def _connect_session(self, viewer: Any) -> None:
        add, session = self._connections.add, self._session
        add(session.model_changed, self._show_model)
        add(session.images_changed, self._show_images)
        add(session.image_changed, self._show_image)
        add(session.patient_changed, self._on_patient)
        add(session.result_changed, self._refresh_soon)
        add(viewer.dims.events.current_step, self._refresh_soon)

    def _connect_widgets(self) -> None:
        tab, footer = self.tab, self.footer
        self.loader.surroundings_found.connect(self._on_surroundings)
        self.loader.changed.connect(self._show_readiness)
        self._refresh_timer.timeout.connect(self._show_result)
        tab.image.image_chosen.connect(self._on_image_chosen)
        tab.patient.value_entered.connect(self._on_value_entered)
        tab.result.block_chosen.connect(self._on_block_chosen)
        tab.result.experts_toggled.connect(self._on_experts_toggled)
        tab.settings.changed.connect(self._on_settings)
        tab.patient.rerun_toggled.connect(self.run.allow_reruns)
        tab.result.experts_toggled.connect(self.run.show_experts)
        footer.segment_requested.connect(self.segment)
        footer.stop_requested.connect(self.run.stop)
        self.run.ended.connect(self._on_run_ended)

    def segment(self) -> None:
        """Begin to segment the image for its patient, or say why not."""
        self.tab.patient.commit()
        why_not = self._why_not()
        if why_not:
            self.footer.show_ready(why_not)
        else:
            self.run.begin(was_asked_for=True)

    def _on_image_chosen(self, place: int) -> None:
        images = self._session.images()
        if 0 <= place < len(images):
            self._session.choose_image(images[place])

    def _on_value_entered(self, attribute: str, value: object) -> None:
        image = self._session.image
        if image is not None:
            patient = self._session.patient_of(image).with_value(attribute, value)
            self._session.set_patient(image, patient)

    def _on_block_chosen(self, block: int) -> None:
        image = self._session.image
        result = None if image is None else self._session.result_of(image)
        if image is not None and result is not None:
            result.show_block(image, block)

    def _on_experts_toggled(self, is_visible: bool) -> None:
        image = self._session.image
        result = None if image is None else self._session.result_of(image)
        experts = None if result is None or not result.experts else result.experts()
        if experts is not None:
            experts.visible = is_visible

    def _on_run_ended(self, was_asked_for: bool) -> None:
        self._show_result()
        if was_asked_for:  # a re-run must not scroll away from the patient
            QTimer.singleShot(_LAYOUT_MS, self._scroll_to_result)

    def _scroll_to_result(self) -> None:
        self.tab.ensureWidgetVisible(self.tab.result, 0, 0)

    def _on_settings(self) -> None:
        self.run.settings = self.tab.settings.value()
        self._refresh_soon()

    def _on_surroundings(self, surroundings: Any) -> None:
        self.footer.show_device(surroundings.device)
        self.tab.settings.set_choices("device", surroundings.devices)

    def _show_model(self) -> None:
        loaded = self._session.model
        card = None if loaded is None else loaded.card
        self.tab.patient.show_fields(patient_fields(card))
        self._show_image()

    def _show_images(self) -> None:
        images = self._session.images()
        names = [image.name for image in images]
        current = self._session.image
        place = images.index(current) if current is not None else -1
        self.tab.image.show_images(names, place)

    def _show_image(self) -> None:
        self._show_images()
        image = self._session.image
        if image is not (self._shown_image() if self._shown_image else None):
            self.tab.patient.forget_problems()
        self._shown_image = None if image is None else weakref.ref(image)
        facts = "Open an image, or File > Open Sample > dMoE."
        if image is not None:
            facts = describe_image(image, self._session.dims)
        self.tab.image.show_facts(facts)
        self._show_patient()
        self._refresh_soon()

    def _show_patient(self) -> None:
        image, session, section = self._session.image, self._session, self.tab.patient
        card = None if session.model is None else session.model.card
        if image is not None:
            patient = session.patient_of(image)
            section.show_patient(
                image.name,
                patient,
                sources={
                    name: session.source_of(image, name) for name in patient.known()
                },
                notes=band_notes(card, patient),
            )
            section.show_problem(section.problem or patient_problem(card, patient))
        else:
            section.show_nobody()
        self._show_readiness()

    def _on_patient(self) -> None:
        self._show_patient()
        self._show_result()
        self.run.rerun()

    def _refresh_soon(self, *_: object) -> None:
        self._refresh_timer.start()

    def _show_result(self) -> None:
        section, viewer = self.tab.result, self._session.viewer
        image = self._session.image
        result = None if image is None else self._session.result_of(image)
        if image is None or result is None or viewer is None:
            section.show_nothing()
            return
        step = viewer.dims.current_step[-image.ndim :]
        section.show_result(
            describe_run(result),
            [ResultRow(*row) for row in result_rows(result, image, step)],
            outdated=self.run.outdated(image, result),
            notices=run_notices(result),
        )
        experts = None if result.experts is None else result.experts()
        section.show_experts(
            n_blocks=0 if experts is None else result.n_blocks,
            block=result.block,
            is_visible=experts is not None and experts.visible,
        )

    def _show_readiness(self) -> None:
        why_not = self._why_not()
        self.footer.show_ready(why_not)
        if not self.run.is_busy and why_not:
            self.footer.show_status(why_not)
        elif not self.run.is_busy and self._session.image is not None:
            self.footer.show_status("Ready.")

    def _why_not(self) -> str:
        """Say why no run can begin; nothing where one can."""
        loaded, image = self._session.model, self._session.image
        if self.loader.is_busy:
            return "Loading the model …"
        if loaded is None:
            return "Open a model first."
        if image is None:
            return "Open an image first."
        problem = patient_problem(loaded.card, self._session.patient_of(image))
        return (
            image_problem(image, self._session.dims)
            or self.tab.patient.problem
            or problem
        )

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
            self.tab.model.model_requested.emit(path)
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        """Stop the work when the dock is taken out of the window."""
        if event.type() == QEvent.Type.ParentChange and hasattr(self, "run"):
            if self.parent() is None and self._was_docked:
                self.run.stop()
            self._was_docked = self.parent() is not None
        return bool(super().event(event))


def _checkpoint_in(event: QDropEvent) -> str:
    """Return the path of the one checkpoint that is dragged; nothing for others."""
    mime = event.mimeData()
    urls = mime.urls() if mime is not None else []
    paths = [url.toLocalFile() for url in urls]
    return paths[0] if len(paths) == 1 and paths[0].endswith(SUFFIXES) else ""
