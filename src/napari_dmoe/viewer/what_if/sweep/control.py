"""Runs sweeps over a driver's values, and puts what they found into the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject

from napari_dmoe.inference.what_if.steps import Swept, between_positions
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.segment.run import RunControl
from napari_dmoe.viewer.session.checks import image_problem, patient_problem
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import Order, Work
from napari_dmoe.viewer.what_if.sweep.layers import SweepLayers, map_keys
from napari_dmoe.viewer.what_if.sweep.rows import (
    column_help,
    reference_note,
    region_text,
    value_rows,
)
from napari_dmoe.viewer.what_if.sweep.view import SweepSection, SweepView


class SweepControl(QObject):
    """Connects the sweep section with the session and the engines.

    Parameters
    ----------
    session : Session
        Gives the model, the image and its patient.
    engines : Engines
        Sweep, draw and save.
    run : RunControl
        Gives the settings.
    work : Work
        Does it in the background.
    section : SweepSection
        Where it is asked for and shown; owns this object.
    """

    def __init__(
        self,
        session: Session,
        engines: Engines,
        run: RunControl,
        work: Work,
        section: SweepSection,
    ) -> None:
        super().__init__(section)
        self._session, self._engines, self._run = session, engines, run
        self._work, self._section = work, section
        self._drivers: list[tuple[str, ...]] = []
        self._swept: Swept | None = None
        self._image: weakref.ref[Image] | None = None
        self._request: Request | None = None
        self._layers = SweepLayers(session)
        self._outcome: weakref.ref[Outcome] | None = None
        connections = Connections(self)
        for signal in (
            session.model_changed,
            session.image_changed,
            session.patient_changed,
            session.images_changed,
            session.shares.changed,
        ):
            connections.add(signal, self.show)
        connections.add(session.result_changed, self._on_result)
        connections.add(self._layers.removed, self._on_removed)
        connections.add(self._layers.seen_changed, self._on_seen)
        if session.viewer is not None:
            connections.add(session.viewer.dims.events.current_step, self._on_dims)
        section.sweep_requested.connect(self._on_requested)
        section.layer_requested.connect(self._on_again)
        section.found.step_chosen.connect(self._on_step)
        section.found.map_chosen.connect(self._on_map)
        section.found.region_activated.connect(self._on_region)
        self.show()

    @property
    def swept(self) -> tuple[Image, Swept] | None:
        """The image and the sweep that are shown; None where there is none."""
        image = self._current_image()
        return None if image is None or self._swept is None else (image, self._swept)

    def show(self, *_: object) -> None:
        """Offer what can be swept, and say whether what is shown still holds."""
        model = self._session.model
        card = None if model is None or not model.config.n_routers else model.card
        attributes = () if card is None else card.attributes
        singles = [(each.name,) for each in attributes]
        pairs = [
            (a.name, b.name)
            for i, a in enumerate(attributes)
            for b in attributes[i + 1 :]
        ]
        self._drivers = [*singles, *pairs]
        labels = {each.name: each.label for each in attributes}
        names = [" × ".join(labels[n] for n in names) for names in self._drivers]
        between = [
            len(names) == 1 and between_positions(card, names[0]) != ()
            for names in self._drivers
        ]
        notice = "" if card is None else card.notice or ""
        self._section.offer(
            names, between=between, why_not=self._why_not(), notice=notice
        )
        if self._swept is not None and self._current_image() is not self._session.image:
            self._forget()
        self._section.found.show_outdated(self._outdated())

    def _why_not(self) -> str:
        model, image = self._session.model, self._session.image
        if model is None:
            return "Open a model first."
        if image is None:
            return "Open an image first."
        if not self._drivers:
            return "Nothing drives this model: everybody gets the same mask."
        patient = self._session.patient_of(image)
        problem = image_problem(image, model.card.dims)
        return problem or patient_problem(model.card, patient)

    def _outdated(self) -> str:
        model, image = self._session.model, self._session.image
        if self._swept is None or self._request is None or image is None:
            return ""
        if model is None:
            return ""
        try:
            changes = self._request.changes(
                self._session.request(image, model, self._run.settings)
            )
        except ValueError:
            return "Outdated: the model does not know the patient's values."
        changed = " and ".join(changes)
        return f"Outdated: {changed} changed. Sweep again." if changed else ""

    def _forget(self) -> None:
        self._swept, self._image, self._request = None, None, None
        self._layers.forget()
        self._section.show_sweep(SweepView())

    def _on_requested(self, place: int, between: bool) -> None:
        model, image = self._session.model, self._session.image
        if model is None or image is None or self._why_not():
            return
        names = self._drivers[place]
        try:
            pixels = to_image(image, model.card.dims)
            request = self._session.request(image, model, self._run.settings)
        except ValueError as error:
            self._work.fail(error)
            return
        positions = between_positions(model.card, names[0]) if between else ()
        work = partial(
            _sweep,
            with_priors(self._engines.sweep, self._session.shares.by_driver),
            (model, pixels, self._session.patient_of(image)),
            names,
            positions,
            self._run.settings,
        )
        order = Order(
            title=f"dMoE: sweeping {image.name}",
            status=f"Sweeping {' and '.join(names)} on “{image.name}” …",
            work=work,
            then=partial(self._on_found, weakref.ref(image), request),
        )
        self._work.start(order)

    def _on_found(
        self, reference: weakref.ref[Image], request: Request, swept: Swept
    ) -> str:
        viewer, image = self._session.viewer, reference()
        if viewer is None or image is None or image not in viewer.layers:
            return "The image was removed: its sweep was dropped."
        self._swept, self._image, self._request = swept, reference, request
        sweep = swept.sweep
        self._session.keep_sweep(image, request, sweep)
        self._section.show_sweep(
            SweepView(
                summary=sweep.summary,
                steps=swept.steps,
                current=swept.chosen,
                rows=tuple(value_rows(sweep)),
                note=reference_note(sweep),
                column_help=column_help(sweep),
                regions=tuple(region_text(sweep, each) for each in sweep.regions),
            )
        )
        self._section.found.show_outdated(self._outdated())
        self._show_layers(image, swept.chosen)
        return f"Swept {len(sweep.values)} values in {swept.seconds:.1f} s."

    def _show_layers(self, image: Image, step: int) -> None:
        if self._swept is not None:
            self._note_outcome()
            self._layers.show(image, self._swept)
            self._layers.go_to(step)
            self._session.result_changed.emit()  # the layer's record is another one

    def _on_again(self) -> None:
        image = self._current_image()
        if self._swept is not None and image is not None:
            self._section.show_there()
            self._show_layers(image, self._section.found.slider.value())

    def _on_removed(self) -> None:
        if self._swept is not None:
            self._section.show_removed()

    def _on_seen(self) -> None:
        is_there = self._swept is not None and self._layers.is_there
        self._section.found.show_hidden(is_there and not self._layers.is_seen)

    def _on_result(self) -> None:
        """Hide the masks when another one is looked at from now on."""
        image, before = self._session.image, self._outcome
        outcome = self._note_outcome()
        is_new = outcome is not None and (before is None or before() is not outcome)
        if image is None or image is not self._current_image() or not is_new:
            return
        result = self._session.result_of(image)
        mask = None if result is None else result.mask()
        if not self._layers.is_seen or mask is None:
            return
        if mask.visible or self._layers.covers(mask):
            mask.visible = True
            self._layers.hide()
            self._section.found.stop()
            self._section.found.show_map(0)

    def _note_outcome(self) -> Outcome | None:
        """Remember what is looked at, so that something new is noticed."""
        image = self._session.image
        result = None if image is None else self._session.result_of(image)
        outcome = None if result is None else result.outcome
        self._outcome = None if outcome is None else weakref.ref(outcome)
        return outcome

    def _on_step(self, step: int) -> None:
        if not self._layers.is_seen:
            self._layers.reveal()
        self._layers.go_to(step)

    def _on_dims(self, event: Any = None) -> None:
        step = self._layers.step
        if step is not None and self._swept is not None:
            self._section.found.show_step(step)

    def _on_map(self, place: int) -> None:
        """Show one of the maps of what the values disagree about, or none."""
        if self._swept is None:
            return
        self._layers.show_map(place)
        key = map_keys(self._swept.sweep)[place - 1] if place else None
        self._section.found.show_map(place, key)

    def _on_region(self, place: int) -> None:
        step = self._layers.look_at_region(place)
        if step is not None:
            self._on_step(step)

    def _current_image(self) -> Image | None:
        return None if self._image is None else self._image()


def _sweep(
    engine: Callable[..., Swept],
    subject: tuple[Any, Any, Any],
    names: tuple[str, ...],
    positions: tuple[float, ...],
    settings: Any,
    hook: ProgressHook,
) -> Swept:
    return engine(*subject, names, positions, settings=settings, progress=hook)
