"""The tab for the main job: model, image, patient and result, one below the other."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_dmoe.inference.settings import InferenceSettings
from napari_dmoe.viewer.widgets._form import SettingsForm
from napari_dmoe.viewer.widgets.fold import Fold
from napari_dmoe.viewer.widgets.image_section import ImageSection
from napari_dmoe.viewer.widgets.model_section import ModelSection
from napari_dmoe.viewer.widgets.patient_section import PatientSection
from napari_dmoe.viewer.widgets.result_section import ResultSection

_SETTINGS = ("device", "unknown", "noise", "samples", "seed", "batch", "scored_at")
_DEVICES = ("auto", "cpu")
_MARGIN = 4
_BETWEEN_SECTIONS = 12


class SegmentTab(QScrollArea):
    """Holds the sections; scrolls where the dock is too low for them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelSection()
        self.image = ImageSection()
        self.patient = PatientSection()
        self.result = ResultSection()
        self.settings: SettingsForm[InferenceSettings] = SettingsForm(
            InferenceSettings(), names=_SETTINGS, choices={"device": _DEVICES}
        )
        self.advanced = Fold("Advanced", "Device, noise and unknown drivers.")
        self.advanced.addWidget(self.settings)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(_BETWEEN_SECTIONS)
        sections = (self.model, self.image, self.patient, self.result, self.advanced)
        for section in sections:
            layout.addWidget(section)
        layout.addStretch(1)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
