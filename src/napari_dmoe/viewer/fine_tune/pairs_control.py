"""Keeps the list of pairs up to date, and knows which are ticked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Labels, Layer
from qtpy.QtCore import Signal

from napari_dmoe.cohorts.labels import OUTSIDE
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.fine_tune.annotations import (
    Painted,
    Snapshot,
    look_through,
    nothing_to_route_by,
    unknown_in_all,
)
from napari_dmoe.viewer.fine_tune.pairs import Pair, find_pairs, labels_of
from napari_dmoe.viewer.fine_tune.pairs_view import PairsSection
from napari_dmoe.viewer.fine_tune.words import pair_row
from napari_dmoe.viewer.layers.label_meanings import (
    NOT_ANNOTATED,
    class_map,
    meanings_of,
)
from napari_dmoe.viewer.layers.labels_on import on_image
from napari_dmoe.viewer.layers.measuring import CHANGES_OF_A_MASK, Edits, edits_of
from napari_dmoe.viewer.layers.placement import to_image
from napari_dmoe.viewer.ui.connections import Connections, Refresh
from napari_dmoe.viewer.ui.measuring import Measuring

if TYPE_CHECKING:
    from napari_dmoe.imaging.spatial import SpatialImage
    from napari_dmoe.patient import Patient
    from napari_dmoe.training.cases.annotation import Annotation

_REFRESH_MS = 200


class PairsControl(Control):
    """Connects the pairs section with the session.

    `reading` returns how labels are to be read now.
    """

    shown = Signal()
    """Other pairs are shown or ticked."""
    painted = Signal(object)
    """Labels changed."""

    def __init__(
        self, bench: Bench, section: PairsSection, reading: Callable[[], Annotation]
    ) -> None:
        super().__init__(bench, section)
        session, changes = bench.session, bench.session.subject_changes
        self._section, self._reading = section, reading
        self._pairs: list[Pair] = []
        self._said: dict[tuple[int, int], bool] = {}
        self._followed: WeakSet[Layer] = WeakSet()
        self._edits: WeakKeyDictionary[Layer, Edits] = WeakKeyDictionary()
        self._is_seen = False
        self._measuring = Measuring(self)
        self._connections = Connections(self)
        self.refresh = Refresh(
            self,
            self.show,
            soon=(*changes, session.images_changed, session.result_changed),
            pause_ms=_REFRESH_MS,
            may=lambda: self._is_seen,
        )
        self._measuring.arrived.connect(self.refresh.soon)
        section.ticked.connect(self._on_ticked)

    def reading(self) -> Annotation:
        """Return how labels are to be read now."""
        annotation = self._reading()
        stated = [meanings_of(each) for each in labels_of(self._session)]
        is_partly = any(NOT_ANNOTATED in each.values() for each in stated)
        if annotation.unlabelled is None and is_partly:
            return replace(annotation, unlabelled=OUTSIDE)
        return annotation

    def _meanings(self, labels: Labels) -> dict[int, int] | None:
        model = self._session.model
        return None if model is None else class_map(labels, model.card.classes)

    @property
    def chosen(self) -> tuple[Pair, ...]:
        """The pairs that are ticked."""
        return tuple(pair for pair in self._pairs if self._is_ticked(pair))

    @property
    def patients(self) -> tuple[Patient, ...]:
        """Whom the ticked pairs show."""
        images = [pair.image() for pair in self.chosen]
        return tuple(self._session.patient_of(i) for i in images if i is not None)

    def snapshots(self) -> list[Snapshot]:
        """Return what is ticked as it is now, without a copy of what is painted."""
        session, taken = self._session, []
        dims = session.dims
        for number, pair in enumerate(self.chosen, start=1):
            image, labels = pair.image(), pair.labels()
            if image is not None and labels is not None:
                pixels, placed = to_image(image, dims), on_image(image, labels, dims)
                whom, drawn = session.patient_of(image), session.phantom_of(image)
                meant = self._meanings(labels)
                taken.append(Snapshot(pixels, placed, whom, number, drawn, meant))
        return taken

    def why_not(self) -> str:
        """Say why nothing can be trained on; nothing where something can."""
        if not self._pairs:
            return "Open an image and paint its labels first."
        if not self.chosen:
            return "Tick at least one image that can be used."
        if not any(pair.has_foreground for pair in self.chosen):
            return "Every ticked image is only background: paint some structure first."
        return ""

    @property
    def n_cases(self) -> int:
        """How many cases the ticked pairs are: frames of a stack are one each."""
        return sum(pair.n_cases for pair in self.chosen)

    def unknown(self) -> str:
        """Say which driver is known of no ticked image; nothing where each is."""
        model = self._session.model
        if model is None or not self.chosen:
            return ""
        return unknown_in_all(model.card, self.patients)

    def why_no_routers(self) -> str:
        """Say why routers alone cannot be tuned; nothing where they can."""
        model = self._session.model
        return "" if model is None else nothing_to_route_by(model.card, self.patients)

    def see(self, is_seen: bool) -> None:
        """Keep up to date only while somebody looks: labels may be large."""
        was_seen, self._is_seen = self._is_seen, is_seen
        if is_seen and not was_seen:
            self.show()

    def show(self) -> None:
        """Show the pairs as they are now."""
        self._pairs = []
        if self._session.model is not None:
            self._pairs = find_pairs(self._session, self.reading(), self._look)
        there = {pair.key for pair in self._pairs}
        self._said = {k: v for k, v in self._said.items() if k in there}
        self._follow()
        rows = [pair_row(pair) for pair in self._pairs]
        ticks = [self._is_ticked(pair) for pair in self._pairs]
        self._section.show_pairs(rows, ticks)
        self.shown.emit()

    def _look(
        self, labels: Labels, placed: SpatialImage, annotation: Annotation
    ) -> Painted | None:
        """Find out what is painted, aside where the labels are large."""
        dims, size = self._session.dims, int(np.prod(placed.data.shape))
        meanings = self._meanings(labels)
        key = placed.axes, dims, annotation.unlabelled, _key(meanings)
        look = partial(look_through, placed, dims, annotation, meanings)
        return self._measuring.of(labels, key, size, look)

    def _is_ticked(self, pair: Pair) -> bool:
        return not pair.problem and self._said.get(pair.key, pair.is_chosen)

    def _follow(self) -> None:
        """Be told when any of the labels is painted."""
        viewer = self._session.viewer
        for layer in viewer.layers if viewer is not None else ():
            if isinstance(layer, Labels) and layer not in self._followed:
                self._followed.add(layer)
                for change in (*CHANGES_OF_A_MASK, "name", "scale", "translate"):
                    signal = getattr(layer.events, change)
                    self._connections.add(signal, self._on_painted)
                self._edits[layer] = edits_of(layer)
                self._connections.add(layer.events.set_data, self._on_drawn)

    def _on_drawn(self, event: Any) -> None:
        """Notice what was undone: of it napari tells only that it draws anew."""
        if self._edits.get(event.source) != edits_of(event.source):
            self._edits[event.source] = edits_of(event.source)
            self.painted.emit(event.source)
            self.refresh.soon()

    def _on_painted(self, event: Any) -> None:
        if event.type in CHANGES_OF_A_MASK:
            self.painted.emit(event.source)
        self.refresh.soon()

    def _on_ticked(self, place: int, is_ticked: bool) -> None:
        if place < len(self._pairs):
            self._said[self._pairs[place].key] = is_ticked
            self.shown.emit()


def _key(meanings: Mapping[int, int] | None) -> tuple[tuple[int, int], ...]:
    return () if meanings is None else tuple(sorted(meanings.items()))
