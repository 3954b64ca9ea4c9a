"""The tab for the main job: model, image, patient and result."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.viewer.segment.compare_view import CompareSection
from napari_dmoe.viewer.segment.image_view import ImageSection
from napari_dmoe.viewer.segment.many_images_view import SeriesSection
from napari_dmoe.viewer.segment.model_view import ModelSection
from napari_dmoe.viewer.segment.patient_view import PatientSection
from napari_dmoe.viewer.segment.result_view import ResultSection
from napari_dmoe.viewer.ui.form import SettingsForm
from napari_dmoe.viewer.ui.parts import Fold, ScrollColumn, column

_SETTINGS = (
    *("device", "fit", "unknown", "probabilities", "scored_at"),
    *("noise", "samples", "seed", "batch", "overlap"),
)
_DEVICES = ("auto", "cpu")


class SegmentTab(ScrollColumn):
    """Holds the sections, one below the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelSection()
        self.image = ImageSection()
        self.patient = PatientSection()
        self.result = ResultSection()
        self.compare = CompareSection()
        self.series = SeriesSection()
        self.settings: SettingsForm[InferenceSettings] = SettingsForm(
            InferenceSettings(), names=_SETTINGS, choices={"device": _DEVICES}
        )
        self.advanced = Fold(
            "Advanced", "Device, fit, noise and unknown drivers.", self.settings
        )
        folds = QWidget()
        column(folds, self.compare, self.series, self.advanced)
        self.stack(self.model, self.image, self.patient, self.result, folds)
