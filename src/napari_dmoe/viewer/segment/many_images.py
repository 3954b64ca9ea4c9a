"""Segments the image layers that are selected, one after another."""

from __future__ import annotations

import weakref
from functools import partial

from napari.layers import Image
from qtpy.QtCore import QObject

from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.segment.many_images_view import SeriesSection
from napari_dmoe.viewer.segment.result_rows import result_rows
from napari_dmoe.viewer.segment.run import Run, RunControl
from napari_dmoe.viewer.session.checks import image_problem, patient_problem
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import Work


class LayerSeries(QObject):
    """Works through the selected layers, each for its own patient.

    Parameters
    ----------
    session : Session
        Gives the model, the layers and their patients.
    run : RunControl
        Segments them.
    work : Work
        Whether the dock is at work.
    section : SeriesSection
        Where it is asked for and shown; owns this object.
    """

    def __init__(
        self, session: Session, run: RunControl, work: Work, section: SeriesSection
    ) -> None:
        super().__init__(section)
        self._session, self._run = session, run
        self._work, self._section = work, section
        self._waiting: list[weakref.ref[Image]] = []
        self._asked_for: list[weakref.ref[Image]] = []
        self._total = 0
        connections = Connections(self)
        for signal in (session.model_changed, session.images_changed):
            connections.add(signal, self.show)
        if session.viewer is not None:
            selection = session.viewer.layers.selection
            connections.add(selection.events.changed, self.show)
        section.layers_requested.connect(self._on_requested)
        run.ended.connect(self._on_run_ended)
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
        if self._work.is_busy or not images:
            return
        self._section.clear()
        self._waiting = [weakref.ref(image) for image in images]
        self._asked_for = list(self._waiting)
        self._total = len(images)
        self._next()

    def _next(self) -> None:
        """Begin the next layer that can be segmented; say why others cannot."""
        while self._waiting and not self._work.is_busy:
            image = self._waiting.pop(0)()
            if image is None or image not in self._session.images():
                continue
            why_not = self._why_not(image)
            if not why_not:
                error = self._run.begin(image=image)
                why_not = "" if error is None else str(error)
            if why_not:
                self._section.add_row({"image": image.name, "outcome": why_not})
        if self._work.is_busy:
            number = self._total - len(self._waiting)
            self._section.say(f"Layer {number} of {self._total} …")
        else:
            self._section.say(f"{self._total} layers: {self._section.counts()}.")
            self._total = 0
            self._select_again()

    def _select_again(self) -> None:
        """Select the images again: napari selects every mask that is added."""
        viewer, images = self._session.viewer, self._session.images()
        asked_for = {image for each in self._asked_for if (image := each()) in images}
        if viewer is not None and asked_for:
            viewer.layers.selection = asked_for

    def _why_not(self, image: Image) -> str:
        model = self._session.model
        if model is None:
            return "No model is loaded."
        patient = self._session.patient_of(image)
        return image_problem(image, model.card.dims) or patient_problem(
            model.card, patient
        )

    def _on_run_ended(self, run: Run) -> None:
        if not self._total:
            return
        if run.was_stopped:
            n_done, total = len(self._section.rows), self._total
            self._waiting, self._total = [], 0
            self._select_again()
            self._section.say(f"Stopped after {n_done} of {total} layers.")
            return
        row = {"image": run.name, "outcome": run.said}
        image, viewer = run.image(), self._session.viewer
        if image is not None and run.result is not None and viewer is not None:
            row["labels"] = run.result.title
            step = viewer.dims.current_step[-image.ndim :]
            lines = result_rows(run.result, image, step)
            row |= {line.name: line.value for line in lines}
        self._section.add_row(row, partial(self._show_layer, run.image))
        self._next()

    def _show_layer(self, reference: weakref.ref[Image]) -> None:
        image, viewer = reference(), self._session.viewer
        if image is not None and viewer is not None and image in viewer.layers:
            viewer.layers.selection.active = image
