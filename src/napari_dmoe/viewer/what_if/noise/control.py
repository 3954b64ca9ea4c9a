"""Draws noise samples, and puts what they agree on into the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.layers.slot import LayerSlot, selection_kept
from napari_dmoe.viewer.session.inquiry import if_there
from napari_dmoe.viewer.session.reopening import quoted
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome, Result
from napari_dmoe.viewer.ui.asking import save_table
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order
from napari_dmoe.viewer.what_if.noise.maps import (
    interval_rows,
    noise_keys,
    noise_layers,
    noise_summary,
    vote_result,
)
from napari_dmoe.viewer.what_if.noise.view import NoiseSection

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_dmoe.inference.what_if.uncertainty import Uncertainty
    from napari_dmoe.models.checkpoint import LoadedModel

_NO_ROUTERS = "This model has no gates that noise could be added to."


class NoiseControl(Control):
    """Connects the section of noise samples with the session and the engine."""

    def __init__(self, bench: Bench, section: NoiseSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._vote: Callable[[], Result | None] = lambda: None
        self._maps: WeakKeyDictionary[Image, list[LayerSlot]] = WeakKeyDictionary()
        self._refresh = Refresh(
            self,
            self.show,
            soon=[session.result_changed],
            at_once=session.subject_changes,
        )
        section.run_requested.connect(self._on_run)
        section.found.save_requested.connect(self._on_save)
        self.show()

    def show(self) -> None:
        """Let samples be drawn where they can be, and forget what no longer holds."""
        loaded, image = self._session.model, self._session.image
        has_routers = loaded is None or loaded.config.n_routers
        self._section.allow(self._session.why_not() if has_routers else _NO_ROUTERS)
        shown = self._session.results_of(image)
        if self._vote() not in shown:
            self._vote = lambda: None
            self._section.show_nothing()

    def _on_run(self, samples: int, seed: int) -> None:
        loaded, image = self._session.model, self._session.image
        if loaded is not None and image is not None:
            order = partial(self._order, loaded, image, samples, seed)
            self._work.begin(order, if_not=self._section.show_problem)

    def _order(
        self, loaded: LoadedModel, image: Image, samples: int, seed: int
    ) -> Order:
        inquiry, draw = self._session.inquire(image), self._engines.uncertainty
        show = partial(self._on_returned, image, inquiry.request(loaded))
        work = inquiry.work(draw, loaded, samples=samples, seed=seed)
        return Order(
            title=f"dMoE: noise on {image.name}",
            status=f"Running {samples} times with noise on “{image.name}” …",
            work=partial(_summed_up, work),
            then=if_there(self._session, image, show),
            if_failed=self._on_failed,
        )

    def _on_failed(self, error: Exception) -> str:
        self._refresh.now()  # else it would soon say that all is well
        self._section.show_problem(f"Not run: {error}")
        return f"Failed: {error}"

    def _on_returned(
        self, image: Image, request: Request, drawn: tuple[Uncertainty, float, str]
    ) -> str:
        found, seconds, summary = drawn
        session, looked_at = self._session, self._session.result_of(image)
        outcome = Outcome(vote_result(found), request, seconds)
        with selection_kept(session.viewer):
            made = session.show_outcome(image, outcome, beside=looked_at)
            maps = self._put_maps(image, found)
        if looked_at is not None:
            session.outlines.add(looked_at.mask())  # the maps lie on its border
        self._vote = weakref.ref(made)
        self._section.show_found(
            badge(found.provenance),
            summary,
            interval_rows(found),
            layers=_added(made, maps),
            keys=noise_keys(found),
        )
        return f"Done in {seconds:.1f} s: {summary}"

    def _on_save(self, what: str, rows: Sequence[Mapping[str, str]]) -> None:
        save_table(self._work, self._section, what, rows)

    def _put_maps(self, image: Image, found: Uncertainty) -> list[Layer]:
        """Put the maps where those of the image's last samples are."""
        viewer = self._session.viewer
        if viewer is None:
            return []
        wanted, slots = noise_layers(image, found), self._maps.setdefault(image, [])
        slots += [LayerSlot() for _ in wanted[len(slots) :]]
        made = []
        for each, layer_data in zip(slots, wanted, strict=False):
            layer = each.put(viewer, layer_data)
            layer.name = layer_data[1]["name"]  # another model may have other classes
            made.append(layer)
        for left in slots[len(wanted) :]:
            left.remove(viewer)
        return made


def _summed_up(
    work: Callable[[ProgressHook], tuple[Uncertainty, float]], hook: ProgressHook
) -> tuple[Uncertainty, float, str]:
    """Draw samples, and count where they disagree; called in the work's thread."""
    found, seconds = work(hook)
    return found, seconds, noise_summary(found)


def _added(vote: Result, maps: Sequence[Layer]) -> str:
    """Say which layers show what was found, and which of them are seen."""
    layers = [each for each in (*maps, vote.mask()) if each is not None]
    seen = quoted([each.name for each in layers if each.visible])
    hidden = quoted([each.name for each in layers if not each.visible])
    said = {"Shown": seen, "Hidden": hidden}
    return " ".join(f"{how}: {names}." for how, names in said.items() if names)
