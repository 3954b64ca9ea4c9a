"""Mutes and pins experts, and puts the mask without them beside the plain one."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari_dmoe.inference.running.waiting import Timed
from napari_dmoe.models.titles import unit_of
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers import names
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.look import difference_to_plain
from napari_dmoe.viewer.layers.measuring import pixel_size, pixels_or_voxels
from napari_dmoe.viewer.layers.records import altered_words, badge
from napari_dmoe.viewer.layers.slot import selection_kept
from napari_dmoe.viewer.session import results
from napari_dmoe.viewer.session.inquiry import GONE, Inquiry, holding, if_there
from napari_dmoe.viewer.session.reopening import quoted
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.ui.asking import save_table
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order
from napari_dmoe.viewer.what_if.experts import words
from napari_dmoe.viewer.what_if.experts.view import ExpertsSection

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.inference.what_if.ablation import Ablation
    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.viewer.layers.placement import LayerData

_FLAT = 2
_OWNER = "experts"


class ExpertsControl(Control):
    """Connects the section of experts with the session and the engine."""

    def __init__(self, bench: Bench, section: ExpertsSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._loads: WeakKeyDictionary[Result, words.Loads] = WeakKeyDictionary()
        self._plain: Callable[[], Result | None] | None = None
        self._image: Callable[[], Image | None] = lambda: None
        self._made: Callable[[], Result | None] | None = None
        self._refresh = Refresh(
            self,
            self.show,
            soon=[session.result_changed],
            at_once=session.subject_changes,
        )
        section.run_requested.connect(self._on_run)
        section.reset_requested.connect(self._on_reset)
        section.effects_requested.connect(self._on_effects)
        for found in (section.change, section.effects):
            found.save_requested.connect(self._on_save)
        self.show()

    def show(self) -> None:
        """Offer the model's experts, and forget what no longer holds."""
        session, loads = self._session, self._current_loads()
        state = words.experts_state(session.model, loads, session.why_not())
        self._section.show_state(state)
        self._forget()

    def _current_loads(self) -> words.Loads | None:
        image, loaded = self._session.image, self._session.model
        shown = self._session.results_of(image)
        shown = [e for e in shown if e.request and e.request.model() is loaded]
        chosen = None if image is None else self._session.result_of(image)
        plain = results.latest(shown, chosen=chosen)
        if plain is None or plain.segmentation.routing is None:
            return None
        if plain not in self._loads:
            self._loads[plain] = words.loads_of(plain.segmentation.routing)
        return self._loads[plain]

    def _forget(self) -> None:
        """Take away what was found for a plain result that is gone."""
        if self._plain is None:
            return
        plain, image = self._plain(), self._image()
        shown = self._session.results_of(image)
        is_gone = plain is None or plain not in shown
        if is_gone or image is not self._session.image:
            self._plain = None
            self._section.show_nothing()
            self._section.show_effects("", ())
        elif self._made is not None and self._made() not in shown:
            self._made = None  # another what-if took its place
            self._section.show_nothing()
        if is_gone:
            self._session.groups.hide(image, Group.WHAT_IF, _OWNER)

    def _on_run(self) -> None:
        wanted = self._section.intervention()
        loaded = self._session.model
        if loaded is None:
            return
        unit = unit_of(loaded.architecture)
        problem = wanted.problem(loaded.config.n_experts, unit)
        if problem:
            self._section.show_problem(problem)
            return
        options = wanted.arguments() | {"effects": False}
        self._begin(f"Running with {wanted.words} …", options, self._show_change)

    def _on_effects(self) -> None:
        options = {"effects": True, "block": self._section.block()}
        self._begin("Leaving out each expert in turn …", options, self._show_effects)

    def _begin(
        self, status: str, options: dict[str, Any], then: Callable[..., str]
    ) -> None:
        loaded, image = self._session.model, self._session.image
        if loaded is not None and image is not None:
            order = partial(self._order, loaded, image, status, options, then)
            self._work.begin(order, if_not=self._section.show_problem)

    def _order(
        self,
        loaded: LoadedModel,
        image: Image,
        status: str,
        options: dict[str, Any],
        then: Callable[..., str],
    ) -> Order:
        session, inquiry = self._session, self._session.inquire(image)
        request = inquiry.request(loaded)
        shown = [e for e in session.results_of(image) if e.request == request]
        plain = results.latest(shown, chosen=session.result_of(image))
        options |= {"plain": None if plain is None else plain.segmentation}
        show = partial(self._on_returned, then, image, inquiry, request, plain)
        return Order(
            title=f"dMoE: experts on {image.name}",
            status=status,
            work=inquiry.work(self._engines.ablate, loaded, **options),
            then=if_there(self._session, image, show),
            problem=holding(self._session, image),
            if_failed=self._on_failed,
        )

    def _on_failed(self, error: Exception) -> str:
        self._refresh.now()  # else it would soon say that all is well
        self._section.show_problem(f"Not run: {error}")
        return f"Failed: {error}"

    def _on_returned(
        self,
        then: Callable[..., str],
        image: Image,
        inquiry: Inquiry,
        request: Request,
        plain: Result | None,
        done: Timed,
    ) -> str:
        ablation: Ablation = done.found
        session = self._session
        if plain is None or plain not in session.results_of(image):
            outcome = Outcome(ablation.plain, request, done.seconds)
            plain = session.show_outcome(image, outcome)
        self._plain, self._image = weakref.ref(plain), weakref.ref(image)
        outcome = Outcome(ablation.result, request, done.seconds)
        self._refresh.soon()  # another image may be worked on by now
        return then(image, inquiry, outcome, plain, ablation)

    def _show_change(
        self,
        image: Image,
        inquiry: Inquiry,
        outcome: Outcome,
        plain: Result,
        ablation: Ablation,
    ) -> str:
        session, viewer = self._session, self._session.viewer
        if viewer is None:
            return GONE
        record, seconds = ablation.result.provenance, outcome.seconds
        with selection_kept(viewer):
            made = session.show_outcome(image, outcome, beside=plain)
            layer_data = _difference(image, ablation)
            difference = session.groups.put(image, Group.WHAT_IF, layer_data, _OWNER)
        self._made = weakref.ref(made)
        # Both as outlines of their own colours, with the difference between them.
        # In 3D both are filled: the altered one and the difference, then.
        self._see(plain, viewer.dims.ndisplay == _FLAT)
        self._see(made, True)
        session.outlines.add(plain.mask())
        summary = f"“{made.title}”: {words.change_summary(ablation, difference.name)}"
        self._section.show_change(
            badge(record),
            summary,
            words.change_rows(ablation, pixel_size(ablation.plain, inquiry.pixels)),
            words.difference_legend(record) if ablation.comparison.n_different else (),
        )
        n, what = ablation.comparison.n_different, pixels_or_voxels(ablation.plain)
        return f"Done in {seconds:.1f} s: “{made.title}” is shown; {n} {what} change."

    def _show_effects(
        self,
        image: Image,
        inquiry: Inquiry,
        outcome: Outcome,
        plain: Result,
        ablation: Ablation,
    ) -> str:
        pixel = pixel_size(ablation.plain, inquiry.pixels)
        self._section.show_effects(
            words.effects_summary(ablation),
            words.effect_lines(ablation, pixel),
            words.effect_columns(ablation, pixel),
        )
        n, seconds = len(ablation.effects), outcome.seconds
        return f"Done in {seconds:.1f} s: {n} experts left out in turn."

    def _on_save(self, what: str, rows: Sequence[Mapping[str, str]]) -> None:
        save_table(self._work, self._section, what, rows)

    def _on_reset(self) -> None:
        """Leave every expert as it is, and look at the plain mask alone."""
        self._section.reset()
        self._section.show_effects("", ())
        image, groups = self._session.image, self._session.groups
        if image is None:
            return
        groups.hide(image, Group.WHAT_IF, _OWNER)
        shown = self._session.results_of(image)
        altered = [e for e in shown if e.segmentation.provenance.experts is not None]
        for each in altered:
            self._see(each, False)
        left = [each.title for each in altered]
        difference = groups.layer(image, Group.WHAT_IF, _OWNER)
        left += [] if difference is None else [difference.name]
        listed = f"Hidden, and still in napari's list: {quoted(left)}." if left else ""
        self._section.show_left(listed)
        plain = results.latest(shown)
        if plain is not None:
            self._see(plain, True)
            self._session.outlines.discard(plain.mask())
            self._session.choose_result(image, plain)

    def _see(self, result: Result, is_seen: bool) -> None:
        mask = result.mask()
        if mask is not None:
            self._session.showing.see(mask, is_seen)


def _difference(image: Image, ablation: Ablation) -> LayerData:
    record = ablation.result.provenance
    return difference_to_plain(
        image,
        ablation.result,
        ablation.comparison.difference,
        what=names.difference_by(altered_words(record)),
        words=words.difference_words(record),
    )
