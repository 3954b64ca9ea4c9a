"""Fills the plots of the Routing tab, for what is shown, and saves them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image, Layer, Shapes
from napari.utils.theme import get_theme

from napari_dmoe.imaging.files import proposed_stem
from napari_dmoe.inference.results.provenance import RESEARCH_ONLY
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.records import badge
from napari_dmoe.viewer.layers.slot import LayerSlot
from napari_dmoe.viewer.routing.extras import extras_of, routing_for
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.routing.plots import files, plots, region
from napari_dmoe.viewer.routing.plots.loads import PartLoads, loads_of, n_samples
from napari_dmoe.viewer.routing.plots.view import PlotsSection
from napari_dmoe.viewer.routing.state import BEHAVIOUR, drivers_of, whose
from napari_dmoe.viewer.session.results import Result
from napari_dmoe.viewer.ui.asking import ask_where, may_write, not_saved
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.measuring import MEASURING, Measuring
from napari_dmoe.viewer.ui.work import Order

if TYPE_CHECKING:
    from napari_dmoe.viewer.routing.plots.figures import Ink

KINDS = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf);;Numbers as CSV (*.csv)"
"""What plots can be saved as."""

_PAUSE_MS = 250
"""Plots wait until the slider has rested for so long: the map goes first."""

_NOT_ALL_RUN = (
    "Their divergence on this image is shown once all were run: leave the value "
    "unknown, sweep it, or compute the map of each pair."
)


class PlotsControl(Control):
    """Keeps the plots up to date while they can be seen."""

    def __init__(self, bench: Bench, section: PlotsSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self.shown: files.ShownPlots | None = None
        """What is shown, to be saved."""
        self._measuring = Measuring(self)
        self._regions: WeakSet[Layer] = WeakSet()
        self._drawn: WeakKeyDictionary[Image, LayerSlot] = WeakKeyDictionary()
        """The layers of regions that were made here."""
        self._connections = Connections(self)
        self.refresh = Refresh(
            self,
            self.show,
            soon=(
                session.image_changed,
                session.result_changed,
                routing_of(session).changed,
                *self._events(),
            ),
            pause_ms=_PAUSE_MS,
            may=section.isVisible,
        )
        self._measuring.arrived.connect(self.refresh.soon)
        section.appeared.connect(self.refresh.soon)
        section.attribute_chosen.connect(self.refresh.soon)
        section.region_wanted.connect(self._on_region)

    def _events(self) -> list[Any]:
        viewer = self._session.viewer
        if viewer is None:
            return []
        dims, layers = viewer.dims.events, viewer.layers
        return [
            *(dims.current_step, dims.ndisplay, dims.order, viewer.events.theme),
            *(layers.events.inserted, layers.events.removed),
            layers.selection.events.active,
        ]

    def show(self) -> None:
        """Draw the plots of the result that is looked at."""
        viewer, (image, result) = self._session.viewer, self._session.current
        routing = None if result is None else result.segmentation.routing
        if viewer is None or image is None or result is None or routing is None:
            self.shown = None
            return
        self._follow_regions()
        part = region.shown_part(
            viewer, image, len(routing.token_axes), self._slot(image)
        )
        block = routing_of(self._session).overlay.within(routing).block
        loads = self._loads_in(image, result, part, block)
        if loads is None:  # asked for again when it is known; what was drawn stays
            self._section.say_measuring()
            return
        unit, record = routing.unit, result.segmentation.provenance
        # Where a person muted or pinned experts it would be of their own doing.
        warning = "" if record.departures else loads.warning(unit)
        self._section.say_loads(loads.words, unit, bool(part.region), warning)
        made = {
            "load": plots.load_plot(loads, block, unit),
            "class": plots.class_plot(loads, block, unit),
        }
        why_no_bits, ink = self._compare_values(made, result, block, unit), self._ink()
        for key in ("load", "class", "alike", "apart"):
            self._section.show_plot(key, made.get(key), ink, instead=why_no_bits)
        self.shown = files.ShownPlots(
            made,
            whose(result),
            " ".join(filter(None, (badge(record), BEHAVIOUR, RESEARCH_ONLY))),
            f"{proposed_stem(result.title)}_routing",
        )

    def _loads_in(
        self, image: Image, result: Result, part: region.Part, block: int
    ) -> PartLoads | None:
        """Return the loads in a part; None while those of a large one are computed."""
        mask, made = result.mask(), result.segmentation
        if mask is None:
            return None
        painted = region.painted_labels(image, result)
        extras = extras_of(result)
        key = ("loads", id(result.outcome), part, block, painted is not None)
        load = partial(loads_of, made, part, extras, labels=painted, block=block)
        return self._measuring.of(mask, key, n_samples(made, part), load)

    def _on_region(self) -> None:
        viewer, image = self._session.viewer, self._session.image
        if viewer is not None and image is not None:
            region.draw_region(viewer, image, self._slot(image))
            self.refresh.soon()

    def _slot(self, image: Image) -> LayerSlot:
        return self._drawn.setdefault(image, LayerSlot())

    def _follow_regions(self) -> None:
        viewer = self._session.viewer
        for layer in [] if viewer is None else list(viewer.layers):
            if isinstance(layer, Shapes) and layer not in self._regions:
                self._regions.add(layer)
                for event in (layer.events.data, layer.events.name):
                    self._connections.add(event, self.refresh.soon)

    def _compare_values(
        self, made: dict[str, files.ShownPlot], result: Result, block: int, unit: str
    ) -> str:
        """Add how alike routers are, and what they do here; or say why that is not."""
        drivers, section = drivers_of(result), self._section
        section.offer([each.name for each in drivers], [each.label for each in drivers])
        chosen = {each.name: each for each in drivers}.get(section.attribute())
        loaded, mask = result.request.model(), result.mask()
        if chosen is None or loaded is None or mask is None:
            return ""
        from napari_dmoe.inference.maps import router_similarity as similarity

        names, of = chosen.values, {"attribute": chosen.name}
        cosines = similarity.router_similarity(loaded, chosen.name)
        of_block = cosines[min(block, len(cosines) - 1)]
        made["alike"] = plots.alike_plot(of_block, names, of)
        segmentation, extras = result.segmentation, extras_of(result)
        found = (routing_for(segmentation, chosen.name, v, extras) for v in names)
        maps = [each for each in found if each is not None]
        if len(maps) < len(names):
            return _NOT_ALL_RUN
        bits = self._measuring.of(
            mask,
            ("apart", id(result.outcome), chosen.name, block),
            sum(each.gates[block].size for each in maps),
            partial(similarity.gate_divergence, maps, block),
        )
        if bits is None:
            return MEASURING
        made["apart"] = plots.apart_plot(bits, names, of | {unit: str(block)})
        return ""

    def _ink(self) -> Ink:
        from napari_dmoe.viewer.routing.plots.figures import Ink

        viewer = self._session.viewer
        theme = get_theme("dark" if viewer is None else viewer.theme)
        return Ink(theme.text.as_hex("long"), theme.background.as_hex("long"))


class PlotsExport(Control):
    """Saves the plots that can be seen, of those that `control` shows."""

    def __init__(
        self, bench: Bench, control: PlotsControl, section: PlotsSection
    ) -> None:
        super().__init__(bench, section)
        self._plots, self._section = control, section
        section.save_requested.connect(self._on_save)

    def _on_save(self) -> None:
        shown, seen = self._plots.shown, self._section.seen()
        if shown is None:
            return
        chosen, kind = ask_where(
            self._section, "Save the plots", f"{shown.name}.png", KINDS
        )
        if chosen is None:
            return
        try:
            target = files.plot_path(chosen, kind)
        except ValueError as error:
            self._work.fail(error)
            return
        if not may_write(self._section, chosen, target):
            return
        wanted = {key: plot for key, plot in shown.plots.items() if key in seen}
        order = Order(
            title=f"dMoE: saving {target.name}",
            status=f"Saving {target.name} …",
            work=partial(_save, target, replace(shown, plots=wanted)),
            then=lambda _: f"Saved {target.name}.",
        )
        self._work.start_beside(order)


def _save(target: Path, shown: files.ShownPlots, hook: ProgressHook) -> None:
    hook(Progress(0, 1, f"saving {target.name}"))
    try:
        files.save_plots(target, shown)
    except OSError as error:
        raise not_saved(target, error) from error
