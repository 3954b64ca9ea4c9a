"""Connects the Routing tab with the session: which map is wanted, which one is seen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_dmoe.viewer.bench import Bench, TabControl
from napari_dmoe.viewer.routing.extras import extras_of, missing_values, remember
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.routing.plots.control import PlotsControl, PlotsExport
from napari_dmoe.viewer.routing.runs import inquiry_of, run_for_map, why_no_run
from napari_dmoe.viewer.routing.state import routing_state
from napari_dmoe.viewer.routing.tab import RoutingTab
from napari_dmoe.viewer.session.inquiry import holding
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dmoe.models.checkpoint import LoadedModel
    from napari_dmoe.viewer.routing.overlay import Overlay

BUSY = "The dock is at work: wait until it is done."


class RoutingControl(TabControl):
    """Keeps the Routing tab up to date, and runs what its maps need."""

    title = "Routing"
    tool_tip = "See which experts of the network drew what."
    make = RoutingTab

    def __init__(self, bench: Bench, tab: RoutingTab) -> None:
        super().__init__(bench, tab)
        session = bench.session
        self._routing = routing_of(session)
        self.tab = tab
        self._refresh = Refresh(
            self,
            self.show,
            soon=(
                session.model_changed,
                session.image_changed,
                session.result_changed,
                self._routing.changed,
            ),
        )
        bench.work.ended.connect(self._refresh.soon)
        tab.overlay_wanted.connect(self._on_wanted)
        tab.run_wanted.connect(self._on_run_wanted)
        self.plots = PlotsControl(bench, tab.plots)
        self.plots_export = PlotsExport(bench, self.plots, tab.plots)
        self.show()

    def show(self) -> None:
        """Show the routing of the result that is looked at."""
        image, result = self._session.current
        why_not = BUSY if self._work.is_busy else ""
        if image is not None and result is not None and not why_not:
            why_not = why_no_run(self._session, image, result)
        routing = self._routing
        self.tab.show_state(
            routing_state(
                result,
                routing.overlay,
                is_shown=routing.is_shown,
                opacity=routing.opacity,
                instead=routing.instead,
                why_no_run=why_not,
            )
        )

    def _on_wanted(self, overlay: Overlay, is_shown: bool) -> None:
        self._routing.want(overlay, is_shown=is_shown)
        self._refresh.now()

    def _on_run_wanted(self, overlay: Overlay) -> None:
        """Begin the run that a map needs."""
        image, result = self._session.current
        if image is None or result is None or self._work.is_busy:
            return
        loaded = result.request.model()
        if loaded is None or why_no_run(self._session, image, result):
            self.show()
            return
        self._work.begin(partial(self._order, image, result, loaded, overlay))
        self.show()

    def _order(
        self, image: Image, result: Result, loaded: LoadedModel, overlay: Overlay
    ) -> Order:
        values: tuple[str, ...] = ()
        if overlay.kind.needs == "two values":
            values = missing_values(result.segmentation, overlay, extras_of(result))
        inquiry = inquiry_of(image, result, loaded)
        return Order(
            title=f"dMoE: {overlay.kind.title.lower()} on {image.name}",
            status=f"Computing the {overlay.words} on “{image.name}” …",
            work=partial(run_for_map, self._engines, loaded, inquiry, overlay, values),
            then=partial(self._on_found, result, overlay),
            problem=holding(self._session, image),
        )

    def _on_found(self, result: Result, overlay: Overlay, found: Any) -> str:
        remember(extras_of(result), overlay, found)
        _, now = self._session.current
        if now is not None and now.outcome is result.outcome:
            # Whatever is chosen by now, which may be another map.
            self._routing.want(self.tab.overlay(), is_shown=True)
        self.plots.refresh.soon()
        return f"Computed the {overlay.words}."
