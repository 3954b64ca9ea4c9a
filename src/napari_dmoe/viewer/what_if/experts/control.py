"""Mutes and pins experts, and puts the mask without them beside the plain one."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject

from napari_dmoe.inference.results.routing import unit_of
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.engines import Engines, with_priors
from napari_dmoe.viewer.layers.look import difference_to_plain
from napari_dmoe.viewer.layers.measuring import pixel_size, pixels_or_voxels
from napari_dmoe.viewer.layers.records import altered_words, badge, kind
from napari_dmoe.viewer.layers.slot import KeptLayer
from napari_dmoe.viewer.segment.run import RunControl
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.session.session import Session
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.work import BUSY, GONE, Order, Work
from napari_dmoe.viewer.what_if.experts.view import ExpertsSection
from napari_dmoe.viewer.what_if.experts.words import (
    Loads,
    change_rows,
    change_summary,
    difference_legend,
    difference_words,
    effect_columns,
    effect_rows,
    effects_summary,
    experts_state,
    loads_of,
)
from napari_dmoe.viewer.what_if.subject import (
    Subject,
    subject_of,
    why_not,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

    from napari_dmoe.inference.what_if.ablation import Ablation

_FLAT = 2


class ExpertsControl(QObject):
    """Connects the section of experts with the session and the engine.

    Parameters
    ----------
    session : Session
        Gives the image, its patient, the model and the plain result.
    engines : Engines
        Ablate.
    run : RunControl
        Gives the settings.
    work : Work
        Does it in the background.
    section : ExpertsSection
        Where it is asked for and shown; owns this object.
    """

    def __init__(
        self,
        session: Session,
        engines: Engines,
        run: RunControl,
        work: Work,
        section: ExpertsSection,
    ) -> None:
        super().__init__(section)
        self._session, self._engines, self._run = session, engines, run
        self._work, self._section = work, section
        self._loads: WeakKeyDictionary[Result, Loads] = WeakKeyDictionary()
        self._plain: weakref.ref[Result] | None = None
        self._image: weakref.ref[Image] | None = None
        self._difference = KeptLayer()
        connections = Connections(self)
        for signal in (
            session.model_changed,
            session.image_changed,
            session.result_changed,
            session.patient_changed,
        ):
            connections.add(signal, self.show)
        section.run_requested.connect(self._on_run)
        section.reset_requested.connect(self._on_reset)
        section.effects_requested.connect(self._on_effects)
        self.show()

    def show(self) -> None:
        """Offer the model's experts, and forget what no longer holds."""
        loaded = self._session.model
        state = experts_state(loaded, self._current_loads(), why_not(self._session))
        self._section.show_state(state)
        self._forget()

    def _current_loads(self) -> Loads | None:
        image, loaded = self._session.image, self._session.model
        shown = [] if image is None else self._session.results_of(image)
        shown = [e for e in shown if e.request and e.request.model() is loaded]
        chosen = None if image is None else self._session.result_of(image)
        plain = results.latest(shown, chosen=chosen)
        if plain is None or plain.segmentation.routing is None:
            return None
        if plain not in self._loads:
            self._loads[plain] = loads_of(plain.segmentation.routing)
        return self._loads[plain]

    def _forget(self) -> None:
        """Take away what was found for a plain result that is gone."""
        if self._plain is None:
            return
        plain = self._plain()
        image = None if self._image is None else self._image()
        shown = [] if image is None else self._session.results_of(image)
        is_gone = plain is None or plain not in shown
        if is_gone or image is not self._session.image:
            self._plain = None
            self._section.show_nothing()
            self._section.show_effects("", ())
        if is_gone:
            self._difference.show(self._session.viewer, False)

    def _on_run(self) -> None:
        wanted = self._section.intervention()
        loaded = self._session.model
        problem = ""
        if loaded is not None:
            unit = unit_of(loaded.card.dims)
            problem = wanted.problem(loaded.config.n_experts, unit)
        if problem:
            self._section.show_problem(problem)
            return
        options = wanted.arguments() | {"effects": False}
        self._begin(f"Running with {wanted.words} …", options, self._show_change)

    def _on_effects(self) -> None:
        options = {"effects": True, "block": self._section.block()}
        self._begin("Muting every expert in turn …", options, self._show_effects)

    def _begin(
        self,
        status: str,
        options: dict[str, Any],
        then: Callable[[Subject, Result, Ablation, float], str],
    ) -> None:
        try:
            subject = subject_of(self._session, self._run.settings)
        except ValueError as error:
            self._section.show_problem(str(error))
            return
        if subject is None:
            return
        order = Order(
            title=f"dMoE: experts on {subject.image.name}",
            status=status,
            work=partial(_ablate, self._engines, subject, options),
            then=partial(self._on_returned, subject, then),
            if_failed=self._on_failed,
        )
        if not self._work.start(order):
            self._section.show_problem(BUSY)

    def _on_failed(self, error: Exception) -> str:
        self._section.show_problem(f"Not run: {error}")
        return f"Failed: {error}"

    def _on_returned(
        self,
        subject: Subject,
        then: Callable[[Subject, Result, Ablation, float], str],
        timed_ablation: tuple[Ablation, float],
    ) -> str:
        ablation, seconds = timed_ablation
        viewer, session, image = self._session.viewer, self._session, subject.image
        if viewer is None or image not in viewer.layers:
            return GONE
        plain = subject.plain
        if plain is None or plain not in session.results_of(image):
            shown = session.results_of(image)
            plain = results.show(
                viewer,
                image,
                Outcome(ablation.plain, subject.request, seconds),
                previous=results.latest(shown, chosen=session.result_of(image)),
            )
            session.set_result(image, plain)
        self._plain, self._image = weakref.ref(plain), weakref.ref(image)
        return then(subject, plain, ablation, seconds)

    def _show_change(
        self, subject: Subject, plain: Result, ablation: Ablation, seconds: float
    ) -> str:
        viewer, session, image = self._session.viewer, self._session, subject.image
        if viewer is None:
            return GONE
        record, selected = ablation.result.provenance, set(viewer.layers.selection)
        made = results.show(
            viewer,
            image,
            Outcome(ablation.result, subject.request, seconds),
            previous=results.latest(session.results_of(image), kind(record)),
        )
        session.set_result(image, made)
        difference = put_difference(self._difference, viewer, image, ablation)
        viewer.layers.selection = selected  # nobody who paints loses their layer
        session.choose_result(image, plain)
        # Both as outlines of their own colours, with the difference between them.
        # In 3D both are filled: the altered one and the difference, then.
        _show(plain, viewer.dims.ndisplay == _FLAT)
        _show(made, True)
        session.outlines.add(plain.mask())
        self._plain, self._image = weakref.ref(plain), weakref.ref(image)
        summary = f"“{made.title}”: {change_summary(ablation, difference.name)}"
        self._section.show_change(
            badge(record),
            summary,
            change_rows(ablation, pixel_size(ablation.plain, subject.pixels)),
            difference_legend(record) if ablation.comparison.n_different else (),
        )
        n, what = ablation.comparison.n_different, pixels_or_voxels(ablation.plain)
        return f"Done in {seconds:.1f} s: “{made.title}” is shown; {n} {what} change."

    def _show_effects(
        self, subject: Subject, plain: Result, ablation: Ablation, seconds: float
    ) -> str:
        pixel = pixel_size(ablation.plain, subject.pixels)
        self._section.show_effects(
            effects_summary(ablation),
            effect_rows(ablation, pixel),
            effect_columns(ablation, pixel),
        )
        return (
            f"Done in {seconds:.1f} s: {len(ablation.effects)} experts muted in turn."
        )

    def _on_reset(self) -> None:
        """Leave every expert as it is, and look at the plain mask alone."""
        self._section.reset()
        self._section.show_effects("", ())
        self._difference.show(self._session.viewer, False)
        image = self._session.image
        if image is None:
            return
        shown = self._session.results_of(image)
        altered = [e for e in shown if e.segmentation.provenance.experts is not None]
        for each in altered:
            _show(each, False)
        self._say_left([each.title for each in altered])
        plain = results.latest(shown)
        if plain is not None:
            _show(plain, True)
            self._session.outlines.discard(plain.mask())
            self._session.choose_result(image, plain)

    def _say_left(self, titles: list[str]) -> None:
        """Say which layers stay in the list."""
        difference = self._difference.within(self._session.viewer)
        if difference is not None:
            titles = [*titles, difference.name]
        listed = ", ".join(f"“{title}”" for title in titles)
        text = f"Hidden, and still in napari's list: {listed}." if listed else ""
        self._section.show_left(text)


def _show(result: Result, is_shown: bool) -> None:
    mask = result.mask()
    if mask is not None:
        mask.visible = is_shown


def _ablate(
    engines: Engines, subject: Subject, options: dict[str, Any], hook: ProgressHook
) -> tuple[Ablation, float]:
    began = time.perf_counter()
    plain = None if subject.plain is None else subject.plain.segmentation
    found = with_priors(engines.ablate, dict(subject.request.shares))(
        subject.loaded,
        subject.pixels,
        subject.patient,
        plain=plain,
        settings=subject.settings,
        progress=hook,
        **options,
    )
    return found, time.perf_counter() - began


def put_difference(
    kept: KeptLayer, viewer: ViewerModel, image: Image, ablation: Ablation
) -> Labels:
    """Show the difference of an intervention, where the last one's was."""
    record = ablation.result.provenance
    layer_data = difference_to_plain(
        image,
        ablation.result,
        ablation.comparison.difference,
        name=f"difference, {altered_words(record)}",
        words=difference_words(record),
    )
    layer: Labels = kept.put(viewer, layer_data)
    layer.name = layer_data[1]["name"]  # it says what was done
    layer.editable, layer.visible = False, True
    return layer
