"""Draws noise samples, and puts what they agree on into the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from napari_dmoe.inference.running.waiting import Timed
from napari_dmoe.progress import ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.layers.slot import selection_kept
from napari_dmoe.viewer.session.inquiry import holding, if_there
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

_OWNER = "noise"
_NO_ROUTERS = "This model has no gates that noise could be added to."


class NoiseControl(Control):
    """Connects the section of noise samples with the session and the engine."""

    def __init__(self, bench: Bench, section: NoiseSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._vote: Callable[[], Result | None] = lambda: None
        self._found: Uncertainty | None = None
        self._image: Callable[[], Image | None] = lambda: None
        self._refresh = Refresh(
            self,
            self.show,
            soon=[session.result_changed],
            at_once=session.subject_changes,
        )
        section.run_requested.connect(self._on_run)
        section.map_chosen.connect(self._show_map)
        section.found.save_requested.connect(self._on_save)
        self.show()

    def show(self) -> None:
        """Let samples be drawn where they can be, and forget what no longer holds."""
        loaded, image = self._session.model, self._session.image
        has_routers = loaded is None or loaded.config.n_routers
        self._section.allow(self._session.why_not() if has_routers else _NO_ROUTERS)
        shown = self._session.results_of(image)
        if self._vote() not in shown:
            self._vote, self._found = (lambda: None), None
            self._section.show_nothing()
        elif self._found is not None and self._map() is None:
            self._section.show_map(0, None)  # something else took its place

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
        work = inquiry.work(draw, loaded, samples=samples, seed=seed, experts=False)
        return Order(
            title=f"dMoE: noise on {image.name}",
            status=f"Running {samples} times with noise on “{image.name}” …",
            work=partial(_summed_up, work),
            then=if_there(self._session, image, show),
            problem=holding(self._session, image),
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
            self._vote, self._found = weakref.ref(made), found
            self._image = weakref.ref(image)
        self._section.show_found(
            badge(found.provenance),
            summary,
            interval_rows(found),
            layers=f"The mask of the most votes is “{made.title}”.",
            maps=[key.title for key in noise_keys(found)],
        )
        self._show_map(1)
        self._refresh.soon()  # another image may be worked on by now
        if looked_at is not None:
            session.outlines.add(looked_at.mask())  # the map lies on its border
        return f"Done in {seconds:.1f} s: {summary}"

    def _on_save(self, what: str, rows: Sequence[Mapping[str, str]]) -> None:
        save_table(self._work, self._section, what, rows)

    def _show_map(self, place: int) -> None:
        """Show one of the maps of the votes; 0 for none."""
        image, found, groups = self._image(), self._found, self._session.groups
        if image is None or found is None:
            return
        if place:
            made = noise_layers(image, found)[place - 1]
            groups.put(image, Group.WHAT_IF, made, _OWNER)
        else:
            groups.hide(image, Group.WHAT_IF, _OWNER)
        self._section.show_map(place, noise_keys(found)[place - 1] if place else None)

    def _map(self) -> Layer | None:
        """Return the map that is seen; None where it is hidden, or another what-if."""
        image, groups = self._image(), self._session.groups
        is_seen = groups.is_seen(image, Group.WHAT_IF, _OWNER)
        return groups.layer(image, Group.WHAT_IF, _OWNER) if is_seen else None


def _summed_up(
    work: Callable[[ProgressHook], Timed], hook: ProgressHook
) -> tuple[Uncertainty, float, str]:
    """Draw samples, and count where they disagree; called in the work's thread."""
    done = work(hook)
    return done.found, done.seconds, noise_summary(done.found)
