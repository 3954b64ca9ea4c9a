"""Makes the Segment tab and the dock's foot work: from the model to the mask."""

from __future__ import annotations

from functools import partial

from napari.utils.notifications import show_info
from qtpy.QtCore import QTimer

from napari_dmoe.viewer.bench import Bench, TabControl
from napari_dmoe.viewer.segment.action_view import Remedy
from napari_dmoe.viewer.segment.browse.control import BrowseControl
from napari_dmoe.viewer.segment.card.control import CardEditing
from napari_dmoe.viewer.segment.compare.control import CompareControl
from napari_dmoe.viewer.segment.large_volumes import (
    IntoFile,
    ask_for_mask_file,
    run_needs,
)
from napari_dmoe.viewer.segment.many.files import FileSeries
from napari_dmoe.viewer.segment.many.layers import LayerSeries
from napari_dmoe.viewer.segment.many.reopen import Reopening
from napari_dmoe.viewer.segment.many.results import SeriesResults
from napari_dmoe.viewer.segment.masks.dropped import DroppedResults
from napari_dmoe.viewer.segment.masks.found import FoundMasks
from napari_dmoe.viewer.segment.masks.meanings import LabelMeanings
from napari_dmoe.viewer.segment.masks.reopened import ReopenedMasks
from napari_dmoe.viewer.segment.model.control import ModelLoader
from napari_dmoe.viewer.segment.model.samples import SampleOffer
from napari_dmoe.viewer.segment.model.suited import SuitedModel
from napari_dmoe.viewer.segment.readiness import (
    CHOOSE_CHANNEL,
    CHOOSE_IMAGE,
    CHOOSE_MODEL,
    ENTER_PATIENT,
    INTO_FILE,
    NAME_AXES,
    OPEN_MODEL,
    OPEN_SAMPLE,
    USE_MODEL,
    Readiness,
    readiness,
)
from napari_dmoe.viewer.segment.result.control import ResultControl
from napari_dmoe.viewer.segment.result.correcting import Correcting
from napari_dmoe.viewer.segment.result.files import ResultFiles
from napari_dmoe.viewer.segment.run import Run, RunControl
from napari_dmoe.viewer.segment.subject.control import SubjectControl
from napari_dmoe.viewer.segment.subject.fit import FitControl
from napari_dmoe.viewer.segment.subject.pixel_size import PixelSizeControl
from napari_dmoe.viewer.segment.subject.seen_frame import SeenFrame
from napari_dmoe.viewer.segment.tab import SegmentTab
from napari_dmoe.viewer.segment.truth.control import TruthControl
from napari_dmoe.viewer.session.truths import Origin
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import BUSY

_READY = "Ready."
_LAYOUT_MS = 50  # until then Qt has laid out the new result


class SegmentControl(TabControl):
    """Connects the sections of the Segment tab, and the foot, with the session."""

    title = "Segment"
    tool_tip = "Segment an image for its patient."
    make = SegmentTab

    def __init__(self, bench: Bench, tab: SegmentTab) -> None:
        super().__init__(bench, tab)
        self.tab, self._foot = tab, bench.foot
        self.run = RunControl(bench, self)
        self.loader = ModelLoader(bench, tab.model, self)
        self.describing = CardEditing(bench, tab.model, self.loader)
        self.subject = SubjectControl(bench, tab.image, tab.patient)
        self.samples = SampleOffer(bench, tab.samples, tab.result)
        self.fit = FitControl(bench, tab.image)
        self.suited = SuitedModel(bench, self.loader, self.fit, self)
        self.pixel_size = PixelSizeControl(bench, tab.image.pixel_size)
        self.seen_frame = SeenFrame(bench, tab.image)
        self.truth = TruthControl(bench, tab.result.truth)
        from_table = partial(self.truth.open, origin=Origin.TABLE)
        self.browse = BrowseControl(bench, tab.image.browse, from_table)
        self.results = ResultControl(bench, tab.result, self.fit, self.truth)
        self.compare = CompareControl(bench, tab.compare)
        self.series = SeriesResults(bench, tab.series)
        self.reopening = Reopening(bench, tab.series, self.series)
        self.layer_series = LayerSeries(bench, self.run, tab.series, self.series)
        self.found_masks = FoundMasks(bench, tab.found_masks)
        self.label_meanings = LabelMeanings(bench, tab.label_meanings)
        reopened = ReopenedMasks(bench, tab.result, self.found_masks)
        self.dropped_results = DroppedResults(bench, tab.result)
        self.files = ResultFiles(bench, tab.result, reopened, self.truth.read)
        self.correcting = Correcting(bench, tab.result, self.browse.visits)
        self.files.save_in_place = self.correcting.save
        self.file_series = FileSeries(bench, tab.series, self.series, self.reopening)
        self._is_awaited = False
        self._connect()
        self._on_settings()
        self.loader.begin()

    def _connect(self) -> None:
        tab, foot, run = self.tab, self._foot, self.run
        surroundings_changed = self._session.surroundings_changed
        Connections(self).add(surroundings_changed, self._on_surroundings)
        self.loader.changed.connect(self._show_readiness)
        tab.action.place(foot.button)
        tab.place_device(foot.device_label)
        tab.action.remedy_requested.connect(self._on_remedy)
        self.subject.shown.connect(self._show_readiness)
        self.suited.changed.connect(self._on_fit)
        self.fit.found.connect(self._on_fit)
        self.subject.patient_entered.connect(self.results.show)
        self.subject.patient_entered.connect(run.rerun)
        tab.settings.changed.connect(self._on_settings)
        tab.also_written.changed.connect(self._show_readiness)
        tab.patient.rerun_toggled.connect(run.allow_reruns)
        for shown in (self.file_series.shown, self.reopening.shown):
            shown.connect(self._scroll_to_series)
        foot.start_requested.connect(self.segment)
        foot.stop_requested.connect(run.stop)
        run.ended.connect(self._on_run_ended)
        self.results.measured.connect(self._on_measured)
        self.files.series_requested.connect(self.reopening.open)
        self.file_series.suited_found.connect(self.suited.bring_for_files)

    def segment(self) -> None:
        """Begin to segment the image for its patient, or say why not."""
        self.tab.patient.commit()
        if self._readiness().is_ready:
            self.run.begin(was_asked_for=True)
        else:
            self._show_readiness()

    def _segment_into_file(self) -> None:
        """Segment a volume into a file that a person chooses."""
        if self.run.is_busy:
            show_info(BUSY)
            return
        self.tab.patient.commit()
        image = self._session.image
        target = None if image is None else ask_for_mask_file(self.tab, image)
        if target is not None:
            into = IntoFile(target, self.tab.also_written.value())
            self.run.begin(was_asked_for=True, image=image, into=into)

    def abandon(self) -> None:
        """Stop the run: the dock is taken out of the window."""
        self.run.stop()

    def _on_run_ended(self, run: Run) -> None:
        self.results.show()
        self._is_awaited = run.was_asked_for
        if run.was_asked_for:  # a re-run must not scroll away from the patient
            QTimer.singleShot(_LAYOUT_MS, self._scroll_to_result)

    def _on_measured(self) -> None:
        """Show the whole table of a new result that took long to measure."""
        if self._is_awaited:
            self._is_awaited = False
            QTimer.singleShot(_LAYOUT_MS, self._scroll_to_result)

    def _scroll_to_result(self) -> None:
        self.tab.body.show_from(self.tab.result)

    def _scroll_to_series(self) -> None:
        """Show what was read of many images, or what came of them."""
        self.tab.series.fold.unfold()
        QTimer.singleShot(_LAYOUT_MS, self._show_series)

    def _show_series(self) -> None:
        self.tab.body.show_from(self.tab.series)

    def _on_settings(self) -> None:
        self._session.set_settings(self.tab.settings.value())
        self._on_fit()

    def _on_surroundings(self) -> None:
        self.tab.settings.set_choices("device", self._session.surroundings.devices)

    def _show_readiness(self) -> None:
        ready = self._show_action()
        self._work.say("" if self.fit.is_looking else ready)

    def _on_fit(self) -> None:
        ready, said = self._show_action(), self._foot.status.text()
        if not ready or not said or said.startswith(_READY):  # else how it went stays
            self._work.say(ready)

    def _show_action(self) -> str:
        """Show whether a run can begin, beside the button.

        Returns what the foot says then; nothing where none can.
        """
        now = self._readiness()
        self._foot.show_ready("" if now.is_ready else now.text or now.why_not)
        more = self.samples.which_first if now.remedy == OPEN_SAMPLE else ""
        remedy = Remedy(now.remedy, now.offer, more) if now.remedy else None
        self.tab.action.show_reason(now.text, remedy, is_caution=now.is_caution)
        return f"{_READY} {now.facts}".rstrip() if now.is_ready else ""

    def _readiness(self) -> Readiness:
        """Say whether a run can begin; if not, why."""
        if self.loader.is_busy:
            return Readiness("Loading the model …", is_ready=False)
        if self.suited.is_deciding:
            return Readiness("Looking which model is for it …", is_ready=False)
        return readiness(
            self._session,
            entered=self.subject.entered,
            refused=self.fit.refused,
            suited=self.suited.found,
            needs=run_needs(
                self._session, self._engines, self.tab.also_written.value()
            ),
        )

    def _on_remedy(self, key: str) -> None:
        """Do what the link beside the button offers."""
        tab = self.tab
        if key.startswith(USE_MODEL):
            self.loader.choose(key.removeprefix(USE_MODEL))
        elif key == CHOOSE_MODEL:
            tab.model.combo.showPopup()
        elif key == OPEN_MODEL:
            tab.model.browse_button.click()
        elif key == OPEN_SAMPLE:
            self.samples.open_first()
        elif key == CHOOSE_IMAGE:
            tab.image.combo.showPopup()
        elif key == CHOOSE_CHANNEL:
            tab.image.channel_combo.showPopup()
        elif key == NAME_AXES:
            tab.image.axes_combo.showPopup()
        elif key == ENTER_PATIENT:
            tab.patient.enter()
        elif key == INTO_FILE:
            self._segment_into_file()
