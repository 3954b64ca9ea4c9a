"""The tab for the main job: model, image, patient and result, and its fixed foot."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.viewer.segment.compare_view import CompareSection
from napari_dmoe.viewer.segment.image_view import ImageSection
from napari_dmoe.viewer.segment.many_images_view import SeriesSection
from napari_dmoe.viewer.segment.model_view import ModelSection
from napari_dmoe.viewer.segment.patient_view import PatientSection
from napari_dmoe.viewer.segment.result_view import ResultSection
from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.form import SettingsForm
from napari_dmoe.viewer.ui.parts import Fold, ScrollColumn, column

_SETTINGS = (
    *("device", "unknown", "probabilities", "scored_at"),
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
            "Advanced", "Device, noise and unknown drivers.", self.settings
        )
        folds = QWidget()
        column(folds, self.compare, self.series, self.advanced)
        self.stack(self.model, self.image, self.patient, self.result, folds)


class RunFoot(Foot):
    """Names the device, lets a person segment and stop, and shows how it goes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.device_label = QLabel("Device: looking …")
        super().__init__(
            "run",
            start="Segment",
            start_help="Segment the image for its patient (one click, one mask).",
            stop_help="Stop the run; it leaves no layer.",
            above=(self.device_label,),
            parent=parent,
        )

    def show_device(self, text: str) -> None:
        """Name the device."""
        self.device_label.setText(f"Device: {text}")
        self.device_label.setToolTip(
            "Where the model runs. Another device can be chosen under Advanced."
        )
