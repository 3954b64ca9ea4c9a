"""Draws noise samples, and puts what they agree on into the viewer."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.layers.records import badge, kind
from napari_dmoe.viewer.layers.slot import KeptLayer
from napari_dmoe.viewer.segment.run import RunControl
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import BUSY, GONE, Order, Work
from napari_dmoe.viewer.what_if.noise.maps import (
    interval_rows,
    noise_keys,
    noise_layers,
    noise_summary,
    vote_result,
)
from napari_dmoe.viewer.what_if.noise.view import NoiseSection
from napari_dmoe.viewer.what_if.subject import Subject, subject_of, why_not

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_dmoe.inference.what_if.uncertainty import Uncertainty

_NO_ROUTERS = "This model has no routers, so there is no noise to draw."


class NoiseControl(QObject):
    """Connects the section of noise samples with the session and the engine.

    Parameters
    ----------
    session : Session
        Gives the image, its patient and the model.
    engines : Engines
        Draw the samples.
    run : RunControl
        Gives the settings.
    work : Work
        Does it in the background.
    section : NoiseSection
        Where it is asked for and shown; owns this object.
    """

    def __init__(
        self,
        session: Session,
        engines: Engines,
        run: RunControl,
        work: Work,
        section: NoiseSection,
    ) -> None:
        super().__init__(section)
        self._session, self._engines, self._run = session, engines, run
        self._work, self._section = work, section
        self._vote: weakref.ref[Result] | None = None
        self._maps: WeakKeyDictionary[Image, list[KeptLayer]] = WeakKeyDictionary()
        connections = Connections(self)
        for signal in (
            session.model_changed,
            session.image_changed,
            session.result_changed,
            session.patient_changed,
        ):
            connections.add(signal, self.show)
        section.run_requested.connect(self._on_run)
        self.show()

    def show(self) -> None:
        """Let samples be drawn where they can be, and forget what no longer holds."""
        loaded, image = self._session.model, self._session.image
        has_routers = loaded is None or loaded.config.n_routers
        self._section.allow(why_not(self._session) if has_routers else _NO_ROUTERS)
        vote = None if self._vote is None else self._vote()
        shown = [] if image is None else self._session.results_of(image)
        if self._vote is not None and vote not in shown:
            self._vote = None
            self._section.show_nothing()

    def _on_run(self, samples: int, seed: int) -> None:
        try:
            subject = subject_of(self._session, self._run.settings)
        except ValueError as error:
            self._section.show_problem(str(error))
            return
        if subject is None:
            return
        order = Order(
            title=f"dMoE: noise samples on {subject.image.name}",
            status=f"Drawing {samples} noise samples on “{subject.image.name}” …",
            work=partial(_draw, self._engines, subject, samples, seed),
            then=partial(self._on_returned, subject),
            if_failed=self._on_failed,
        )
        if not self._work.start(order):
            self._section.show_problem(BUSY)

    def _on_failed(self, error: Exception) -> str:
        self._section.show_problem(f"Not drawn: {error}")
        return f"Failed: {error}"

    def _on_returned(self, subject: Subject, timed: tuple[Uncertainty, float]) -> str:
        found, seconds = timed
        viewer, session, image = self._session.viewer, self._session, subject.image
        if viewer is None or image not in viewer.layers:
            return GONE
        looked_at, selected = session.result_of(image), set(viewer.layers.selection)
        made = results.show(
            viewer,
            image,
            Outcome(vote_result(found), subject.request, seconds),
            previous=results.latest(session.results_of(image), kind(found.provenance)),
        )
        session.set_result(image, made)
        maps = self._put_maps(viewer, image, found)
        viewer.layers.selection = selected  # nobody who paints loses their layer
        if looked_at is not None and looked_at in session.results_of(image):
            session.choose_result(image, looked_at)
            session.outlines.add(looked_at.mask())  # the maps lie on its border
        self._vote = weakref.ref(made)
        self._section.show_found(
            badge(found.provenance),
            noise_summary(found),
            interval_rows(found),
            layers=_added(made, maps),
            keys=noise_keys(found),
        )
        return f"Done in {seconds:.1f} s: {noise_summary(found)}"

    def _put_maps(
        self, viewer: ViewerModel, image: Image, found: Uncertainty
    ) -> list[Layer]:
        """Put the maps where those of the image's last samples are."""
        wanted, kept = noise_layers(image, found), self._maps.setdefault(image, [])
        kept += [KeptLayer() for _ in wanted[len(kept) :]]
        made = []
        for each, layer_data in zip(kept, wanted, strict=False):
            layer = each.put(viewer, layer_data)
            layer.name = layer_data[1]["name"]  # another model may have other classes
            made.append(layer)
        for left in kept[len(wanted) :]:
            left.remove(viewer)
        return made


def _added(vote: Result, maps: Sequence[Layer]) -> str:
    """Say which layers show what was found, and which of them are seen."""
    mask = vote.mask()
    layers = [*maps, *([] if mask is None else [mask])]
    seen = ", ".join(f"“{each.name}”" for each in layers if each.visible)
    hidden = ", ".join(f"“{each.name}”" for each in layers if not each.visible)
    parts = (f"Shown: {seen}." if seen else "", f"Hidden: {hidden}." if hidden else "")
    return " ".join(filter(None, parts))


def _draw(
    engines: Engines, subject: Subject, samples: int, seed: int, hook: ProgressHook
) -> tuple[Uncertainty, float]:
    began = time.perf_counter()
    found = with_priors(engines.uncertainty, dict(subject.request.shares))(
        subject.loaded,
        subject.pixels,
        subject.patient,
        samples=samples,
        seed=seed,
        settings=subject.settings,
        progress=hook,
    )
    return found, time.perf_counter() - began
