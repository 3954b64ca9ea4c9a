"""The tab for the main job: what to segment at its head, what came of it below."""

from __future__ import annotations

from qtpy.QtWidgets import QFrame, QLabel, QWidget

from napari_dmoe.inference.running.settings import AlsoWritten, InferenceSettings
from napari_dmoe.viewer.segment.action_view import ActionSection
from napari_dmoe.viewer.segment.compare.view import CompareSection
from napari_dmoe.viewer.segment.many.view import SeriesSection
from napari_dmoe.viewer.segment.masks.found_view import FoundMasksSection
from napari_dmoe.viewer.segment.masks.meanings_view import LabelMeaningsSection
from napari_dmoe.viewer.segment.model.samples_view import SampleSection
from napari_dmoe.viewer.segment.model.view import ModelSection
from napari_dmoe.viewer.segment.result.view import ResultSection
from napari_dmoe.viewer.segment.subject.image_view import ImageSection
from napari_dmoe.viewer.segment.subject.patient_view import PatientSection
from napari_dmoe.viewer.ui.form import SettingsForm
from napari_dmoe.viewer.ui.parts import Fold, ScrollColumn, column

_SETTINGS = (
    *("device", "fit", "focus", "keep", "fill"),
    *("unknown", "probabilities", "scored_at"),
    *("noise", "samples", "seed", "batch", "overlap", "skip_empty"),
)
_DEVICES = ("auto", "cpu")
_MARGIN = 4
_IN_HEAD = 4


class SegmentTab(QWidget):
    """Holds the sections: a head that stays, from the model to Segment, and a body.

    The body scrolls. It begins with the result, and ends with what the model's card
    says. What the head says never changes its height: Segment stays where it is.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ModelSection()
        self.image = ImageSection()
        self.patient = PatientSection()
        self.samples = SampleSection()
        self.action = ActionSection()
        self.found_masks = FoundMasksSection()
        self.label_meanings = LabelMeaningsSection()
        self.result = ResultSection()
        self.compare = CompareSection()
        self.series = SeriesSection()
        self.settings: SettingsForm[InferenceSettings] = SettingsForm(
            InferenceSettings(), names=_SETTINGS, choices={"device": _DEVICES}
        )
        names = AlsoWritten.model_fields
        self.also_written = SettingsForm(AlsoWritten(), names=names)
        advanced = QWidget()
        forms = self.settings, QLabel("Into a file, also:"), self.also_written
        self._advanced = column(advanced, self.patient.rerun_box, *forms)
        self.advanced = Fold(
            "Advanced",
            "Re-runs, device, fit, second pass, parts, noise and unknown values.",
            advanced,
        )
        self.body = ScrollColumn()
        self._lay_out()

    def place_device(self, label: QWidget) -> None:
        """Take in what names the device, once, above where another is chosen."""
        self._advanced.insertWidget(1, label)

    def _lay_out(self) -> None:
        head = QWidget()
        sections = self.model, self.image, self.patient, self.action
        column(head, *sections, spacing=_IN_HEAD).setContentsMargins(
            _MARGIN, _MARGIN, _MARGIN, 0
        )
        rule = QFrame()
        rule.setFrameShape(QFrame.Shape.HLine)
        folds = QWidget()
        model, patient = self.model, self.patient
        column(folds, patient.recorded, self.compare, self.series, self.advanced)
        column(about := QWidget(), model.facts, model.details)
        first = model.error, self.found_masks, self.samples
        self.body.stack(*first, self.result, self.label_meanings, folds, about)
        self.body.hold(self.series)  # its table stays under who opens its images
        column(self, head, rule, self.body).setStretch(2, 1)
