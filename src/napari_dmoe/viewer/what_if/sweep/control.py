"""Runs sweeps over a driver's values, and puts what they found into the viewer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_dmoe.inference.what_if.steps import Swept, between_positions
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.routing.on_images import routing_of
from napari_dmoe.viewer.session.inquiry import holding, if_there
from napari_dmoe.viewer.session.requests import Request
from napari_dmoe.viewer.session.results import Outcome
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.work import Order
from napari_dmoe.viewer.what_if.sweep import rows
from napari_dmoe.viewer.what_if.sweep.layers import SweepLayers, map_keys
from napari_dmoe.viewer.what_if.sweep.view import SweepSection, SweepView

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.models.checkpoint import LoadedModel

_DROPPED = "The image was removed: its sweep was dropped."


@dataclass(frozen=True)
class _Choice:
    """What can be swept: one attribute or two, and places between trained values."""

    title: str
    names: tuple[str, ...]
    positions: tuple[float, ...] = ()


class SweepControl(Control):
    """Connects the sweep section with the session and the engines."""

    def __init__(self, bench: Bench, section: SweepSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._choices: list[_Choice] = []
        self._swept: Swept | None = None
        self._image: Callable[[], Image | None] = lambda: None
        self._request: Request | None = None
        self._layers = SweepLayers(session)
        self._outcome: Callable[[], Outcome | None] = lambda: None
        self._refresh = Refresh(
            self,
            self.show,
            soon=(session.images_changed,),
            at_once=(
                *session.subject_changes,
                session.shares.changed,
                session.settings_changed,
            ),
        )
        connections = Connections(self)
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
        image = self._image()
        return None if image is None or self._swept is None else (image, self._swept)

    def show(self) -> None:
        """Offer what can be swept, and say whether what is shown still holds."""
        model = self._session.model
        card = None if model is None or not model.config.n_routers else model.card
        self._choices = [] if card is None else _choices(card)
        titles = [each.title for each in self._choices]
        self._section.offer(titles, self._why_not())
        if self._swept is not None and self._image() is not self._session.image:
            self._forget()
        self._section.found.show_outdated(self._outdated())

    def _why_not(self) -> str:
        session = self._session
        is_open = session.model is not None and session.image is not None
        if is_open and not self._choices:
            return "This model knows no attribute: everybody gets the same mask."
        return session.why_not()

    def _outdated(self) -> str:
        image = self._session.image
        if self._swept is None or self._request is None or image is None:
            return ""
        said = self._session.outdated(image, self._request)
        return f"{said} Sweep again." if said else ""

    def _forget(self) -> None:
        self._swept, self._image, self._request = None, lambda: None, None
        self._layers.forget()
        self._section.show_sweep(SweepView())

    def _on_requested(self, place: int) -> None:
        loaded, image = self._session.model, self._session.image
        if loaded is None or image is None or self._why_not():
            return
        self._work.begin(partial(self._order, loaded, image, self._choices[place]))

    def _order(self, loaded: LoadedModel, image: Image, choice: _Choice) -> Order:
        names, inquiry = choice.names, self._session.inquire(image)
        run = partial(inquiry.run, self._engines.sweep, loaded, attributes=names)
        notice = loaded.card.notice or ""
        show = partial(self._on_found, image, inquiry.request(loaded), notice)
        return Order(
            title=f"dMoE: sweeping {image.name}",
            status=f"Sweeping {' and '.join(names)} on “{image.name}” …",
            work=partial(run, positions=choice.positions),
            shorter=inquiry.shorter(loaded),
            then=if_there(self._session, image, show, if_gone=lambda: _DROPPED),
            problem=holding(self._session, image),
        )

    def _on_found(
        self, image: Image, request: Request, notice: str, swept: Swept
    ) -> str:
        self._swept, self._image, self._request = swept, weakref.ref(image), request
        sweep = swept.sweep
        routing_of(self._session).remember_sweep(image, request, sweep)
        view = SweepView(
            headline=sweep.headline,
            summary=sweep.background,
            steps=swept.steps,
            current=swept.chosen,
            rows=tuple(rows.value_rows(sweep)),
            row_notes=tuple(rows.value_notes(sweep)),
            notice=notice,
            note=rows.reference_note(sweep) + rows.untrained_note(sweep),
            column_help=rows.column_help(sweep),
            regions=tuple(rows.region_text(sweep, each) for each in sweep.regions),
            small=sweep.small_regions,
            folded=rows.folded_note(sweep),
        )
        self._section.show_sweep(view)
        self._section.found.show_outdated(self._outdated())
        self._show_layers(image, swept.chosen)
        self._refresh.soon()  # another image may be worked on by now
        return f"Swept {len(sweep.values)} values in {swept.seconds:.1f} s."

    def _show_layers(self, image: Image, step: int) -> None:
        if self._swept is not None:
            self._note_outcome()
            self._layers.show(image, self._swept)
            self._layers.go_to(step)
            self._session.result_changed.emit()  # the layer's record is another one

    def _on_again(self) -> None:
        image = self._image()
        if image is not None:
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
        (image, result), before = self._session.current, self._outcome
        outcome = self._note_outcome()
        if image is not self._image() or outcome is None or outcome is before():
            return
        mask = None if result is None else result.mask()
        if not self._layers.is_seen or mask is None:
            return
        showing = self._session.showing
        if showing.is_seen(mask) or self._layers.covers(mask):
            showing.see(mask, True)
            self._layers.hide()
            self._section.found.stop()
            self._section.found.show_map(0)

    def _note_outcome(self) -> Outcome | None:
        """Remember what is looked at, so that something new is noticed."""
        _, result = self._session.current
        outcome = None if result is None else result.outcome
        self._outcome = (lambda: None) if outcome is None else weakref.ref(outcome)
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


def _choices(card: ModelCard) -> list[_Choice]:
    """Return what can be swept: each attribute, with steps between, and each pair."""
    labels = {each.name: each.label for each in card.attributes}
    made = []
    for name, label in labels.items():
        made.append(_Choice(label, (name,)))
        positions = between_positions(card, name)
        if positions:
            made.append(_Choice(f"{label}, with steps between", (name,), positions))
    for names in combinations(labels, 2):
        made.append(_Choice(" × ".join(labels[each] for each in names), names))
    return made
