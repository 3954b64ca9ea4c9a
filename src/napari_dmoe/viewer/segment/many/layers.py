"""Segments the layers that are selected, one after another."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_dmoe.estimate import Estimate
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.truth_layers import ReadTruth
from napari_dmoe.viewer.segment.many.results import SeriesResults
from napari_dmoe.viewer.segment.many.view import SeriesSection
from napari_dmoe.viewer.segment.many.words import with_notices
from napari_dmoe.viewer.segment.result.rows import (
    ShownMasks,
    image_scores,
    measured_places,
)
from napari_dmoe.viewer.segment.run import Part, Run, RunControl
from napari_dmoe.viewer.segment.truth.asked import AskedTruth, ask
from napari_dmoe.viewer.session.checks import cautions, counted_notices
from napari_dmoe.viewer.session.pictures import Picture
from napari_dmoe.viewer.session.series import Series
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.inference.results.provenance import Provenance
    from napari_dmoe.patient import Patient


class LayerSeries(Control):
    """Works through the selected layers, each for its own patient."""

    def __init__(
        self,
        bench: Bench,
        run: RunControl,
        section: SeriesSection,
        results: SeriesResults,
    ) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._run, self._section, self._results = run, section, results
        self._waiting: list[weakref.ref[Image]] = []
        self._asked_for: list[weakref.ref[Image]] = []
        self._total = 0
        self._estimate = Estimate()
        self._series: Series | None = None
        self._told, self._was_stopped = 0, False
        self._notices: tuple[str, ...] = ()
        self._under_way: int | None = None
        self._finished: dict[int, Picture | None] = {}
        connections = Connections(self)
        for signal in (session.model_changed, session.images_changed):
            connections.add(signal, self.show)
        if session.viewer is not None:
            selection = session.viewer.layers.selection
            connections.add(selection.events.changed, self.show)
        section.layers_requested.connect(self._on_requested)
        run.ended.connect(self._on_run_ended)
        self._work.ended.connect(self._on_work_ended)  # after the run has told its end
        self.show()

    def show(self, *_: object) -> None:
        """Say how many layers are selected."""
        why_not = "Open a model first." if self._session.model is None else ""
        self._section.offer(len(self._selected()), why_not=why_not)

    def _selected(self) -> list[Image]:
        viewer = self._session.viewer
        selected = set() if viewer is None else set(viewer.layers.selection)
        images = self._session.images()
        return [image for image in reversed(images) if plain(image) in selected]

    def _on_requested(self) -> None:
        images = self._selected()
        if self._total:
            self._work.say("The masks of the last layers are still measured.")
        elif images and not self._work.is_busy:
            self._series = self._results.begin(f"{len(images)} layers")
            self._asked_for = [weakref.ref(image) for image in images]
            self._waiting, self._total = list(self._asked_for), len(images)
            self._told, self._was_stopped = 0, False
            # One for all of them: each begins where the one before ended.
            self._estimate = Estimate()
            self._notices = self._counted(images)
            self._next()

    def _counted(self, images: Sequence[Image]) -> tuple[str, ...]:
        session, model = self._session, self._session.model
        if model is None:
            return ()
        patients = map(session.patient_of, images)
        return counted_notices(model, patients, session.shares.by_driver)

    def _next(self) -> None:
        """Begin the next layer that can be segmented; say why others cannot."""
        while self._waiting and not self._work.is_busy:
            number = self._total - len(self._waiting)
            image = self._waiting.pop(0)()
            if image is None or image not in self._session.images():
                self._finish(number)
                continue
            why_not = self._session.why_not(image)
            if not why_not:
                self._under_way = number
                part = Part(self._estimate, number, self._total)
                error = self._run.begin(image=image, part=part)
                why_not = "" if error is None else str(error)
            if why_not:
                self._under_way = None
                self._finish(number, self._failed(image, why_not))
        if self._under_way is not None:
            self._say(f"Layer {self._under_way + 1} of {self._total} …")

    def _failed(self, image: Image, why: str) -> Picture:
        from napari_dmoe.cohorts.series.rows import series_row

        patient, model = self._session.patient_of(image), self._session.model
        drivers = () if model is None else [a.name for a in model.card.attributes]
        name = str(image.name)
        row = series_row(name, "failed", why, patient=patient, drivers=drivers)
        return Picture(name, layer=weakref.ref(plain(image)), row=row)

    def _finish(self, number: int, picture: Picture | None = None) -> None:
        """Tell what became of a layer, in turn; of one that is gone nothing."""
        series = self._series
        if series is None:
            return
        self._finished[number] = picture
        while self._told in self._finished:
            told = self._finished.pop(self._told)
            self._told += 1
            if told is not None:
                self._results.add(series, told)
        if self._total and self._told == self._total:
            n_done, total, self._total = len(series.pictures), self._total, 0
            self._select_again()
            said = f"{total} layers."
            if self._was_stopped:
                said = f"Stopped after {n_done} of {total} layers."
            self._say(said)
            self._results.flush()

    def _say(self, text: str) -> None:
        if self._series is not None:
            self._results.say(self._series, with_notices(text, self._notices))

    def _select_again(self) -> None:
        """Select the images again: napari selects every mask that is added."""
        viewer, images = self._session.viewer, self._session.images()
        asked_for = {image for each in self._asked_for if (image := each()) in images}
        if viewer is not None and asked_for:
            viewer.layers.selection = asked_for

    def _on_run_ended(self, run: Run) -> None:
        """Go on with the next layer at once; the row is there once it is measured."""
        number, self._under_way = self._under_way, None
        if number is None:  # somebody else's run
            return
        if run.was_stopped:
            self._was_stopped, self._waiting = True, []
            for each in range(number, self._total):
                self._finish(each)
            return
        self._measure(number, run)
        self._next()

    def _on_work_ended(self) -> None:
        """Go on where something else of the dock's had come between two layers."""
        if self._waiting and self._under_way is None:
            self._next()

    def _measure(self, number: int, run: Run) -> None:
        """Measure a layer's mask in the background; then its row is complete."""
        image, viewer = run.image(), self._session.viewer
        masks = None
        if image is not None and run.result is not None and viewer is not None:
            masks = ShownMasks.of(run.result, image)
        if masks is None or image is None or viewer is None or run.result is None:
            picture = None if image is None else self._failed(image, run.said)
            self._finish(number, picture)
            return
        step = viewer.dims.current_step[-image.ndim :]
        known = _Known(
            run.name,
            _outcome(run),
            run.result.title,
            self._session.patient_of(image),
            run.result.segmentation.provenance,
        )
        layer = weakref.ref(plain(image))

        def tell(row: dict[str, str]) -> str:
            self._finish(number, Picture(run.name, layer=layer, row=row))
            return run.said

        truth = self._session.truths.of(image)
        known.truth = "" if truth is None else truth.source
        asked = ask(truth, image, run.result)
        order = Order(
            title=f"dMoE: measuring {run.name}",
            status=f"Measuring “{run.name}” …",
            work=partial(_measured, masks.copied(), asked, step, known),
            then=tell,
            if_failed=lambda error: tell(known.row("failed", str(error))),
            if_stopped=lambda: tell(known.row("segmented", known.outcome)),
        )
        self._work.start_beside(order)


class _Known:
    """What is known of a layer's run before its mask is measured."""

    def __init__(
        self,
        name: str,
        outcome: str,
        labels: str,
        patient: Patient,
        record: Provenance,
    ) -> None:
        self.name, self.outcome, self.labels = name, outcome, labels
        self.patient, self.record = patient, record
        self.truth = ""
        """Where the truth is from; nothing without one."""

    def row(self, status: str, outcome: str, **measured: object) -> dict[str, str]:
        """Return the row of the layer, in the columns of segment.csv."""
        from napari_dmoe.cohorts.series.rows import series_row

        return series_row(
            self.name,
            status,  # type: ignore[arg-type]
            outcome,
            patient=self.patient,
            record=self.record,
            files={"labels": self.labels, "truth": self.truth},
            **measured,  # type: ignore[arg-type]
        )


def _measured(
    masks: ShownMasks,
    asked: AskedTruth | ReadTruth,
    step: Sequence[int],
    known: _Known,
    hook: ProgressHook,
) -> dict[str, str]:
    """Measure a mask, against its truth where there is one; called in a thread."""
    from napari_dmoe.cohorts.series.done import TRUTH_NOT_USED
    from napari_dmoe.cohorts.series.rows import size_cells

    headline, measured = measured_places(masks, step)
    sizes = {} if measured is None else size_cells(measured.sizes, measured.ratio)
    truth = asked if isinstance(asked, ReadTruth) else asked.read()
    scores = image_scores(replace(masks, truth=truth), step)
    how = {"headline": headline, "sizes": sizes, "scores": scores}
    said = [known.outcome, *truth.notices]
    if truth.problem:
        said.append(f"{TRUTH_NOT_USED}: {truth.problem}")
    return known.row("segmented", " ".join(said), **how)


def _outcome(run: Run) -> str:
    """Say how a run ended, and what asks for care in its result."""
    found = () if run.result is None else cautions(run.result.segmentation)
    return " ".join((run.said, *found))
