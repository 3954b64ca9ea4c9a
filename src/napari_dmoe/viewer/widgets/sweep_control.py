"""Runs sweeps over a driver's values, and puts what they found into the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.descriptions import image_problem, patient_problem
from napari_dmoe.viewer.engines import Engines
from napari_dmoe.viewer.kept_layer import KeptLayer
from napari_dmoe.viewer.layers import to_image
from napari_dmoe.viewer.requests import Request
from napari_dmoe.viewer.revealing import centre_on
from napari_dmoe.viewer.session import Session
from napari_dmoe.viewer.sweep_layers import sensitivity_layers, stack_layer
from napari_dmoe.viewer.sweep_rows import region_text, value_rows
from napari_dmoe.viewer.swept import Swept, between_positions
from napari_dmoe.viewer.widgets._connections import Connections
from napari_dmoe.viewer.widgets._work import Order, Work
from napari_dmoe.viewer.widgets.run_control import RunControl, with_priors
from napari_dmoe.viewer.widgets.sweep_section import SweepSection, SweepView


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
        self._stack = KeptLayer()
        self._maps: list[KeptLayer] = []
        connections = Connections(self)
        for signal in (
            session.model_changed,
            session.image_changed,
            session.patient_changed,
            session.images_changed,
        ):
            connections.add(signal, self.show)
        if session.viewer is not None:
            connections.add(session.viewer.dims.events.current_step, self._on_dims)
        section.sweep_requested.connect(self._on_requested)
        section.step_chosen.connect(self._on_step)
        section.map_chosen.connect(self._on_map)
        section.region_activated.connect(self._on_region)
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
        self._section.offer(names, between=between, why_not=self._why_not())
        image = None if self._image is None else self._image()
        if self._swept is not None and image is not self._session.image:
            self._forget()
        self._section.show_outdated(self._outdated())

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
        if model is None or self._why_not():
            return ""
        now = self._session.request(image, model, self._run.settings)
        changed = self._request.changes(now)
        return f"Outdated: {' and '.join(changed)} changed." if changed else ""

    def _forget(self) -> None:
        self._swept, self._image, self._request = None, None, None
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
        title = " and ".join(name.lower() for name in sweep.titles)
        shown = stack_layer(image, swept.results, title=title, shows=swept.steps)
        stack = self._stack.put(viewer, shown)
        stack.editable, stack.visible = False, True
        for each in self._maps:
            each.remove(viewer)
        self._maps = []
        plain = self._session.result_of(image)
        mask = None if plain is None else plain.mask()
        if mask is not None:
            mask.visible = False  # else it would lie over every step
        self._section.show_sweep(
            SweepView(
                summary=sweep.summary,
                steps=swept.steps,
                current=swept.chosen,
                rows=tuple(value_rows(sweep)),
                regions=tuple(map(region_text, sweep.regions)),
            )
        )
        self._section.show_outdated(self._outdated())
        self._on_step(swept.chosen)
        return f"Swept {len(sweep.values)} values in {swept.seconds:.1f} s."

    def _on_step(self, step: int) -> None:
        viewer = self._session.viewer
        stack = self._stack.within(viewer)
        if viewer is not None and stack is not None:
            viewer.dims.set_current_step(viewer.dims.ndim - stack.ndim, step)

    def _on_dims(self, event: Any = None) -> None:
        viewer = self._session.viewer
        stack = self._stack.within(viewer)
        if viewer is not None and stack is not None and self._swept is not None:
            axis = viewer.dims.ndim - stack.ndim
            self._section.show_step(int(viewer.dims.current_step[axis]))

    def _on_map(self, place: int) -> None:
        """Show one of the maps of what the values disagree about, or none."""
        viewer, image = self._session.viewer, self._current_image()
        if viewer is None or image is None or self._swept is None:
            return
        if place and not self._maps:
            selected = set(viewer.layers.selection)
            for layer_data in sensitivity_layers(image, self._swept.sweep):
                self._maps.append(KeptLayer())
                self._maps[-1].put(viewer, layer_data)
            viewer.layers.selection = selected
        for number, kept in enumerate(self._maps, start=1):
            kept.show(viewer, number == place)

    def _on_region(self, place: int) -> None:
        viewer, image = self._session.viewer, self._current_image()
        if viewer is None or image is None or self._swept is None:
            return
        sweep = self._swept.sweep
        centre_on(viewer, image, sweep.axes, sweep.regions[place].centroid)

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
