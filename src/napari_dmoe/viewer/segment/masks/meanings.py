"""Asks what the labels of an image stand for that are no class of the model."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels

from napari_dmoe.imaging.label_values import LabelError, counted, whole_numbers
from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.layers.label_meanings import (
    NOT_ANNOTATED,
    class_map,
    meanings_of,
    state_meaning,
    stated_names,
    usual_map,
    without_class,
)
from napari_dmoe.viewer.layers.records import is_map
from napari_dmoe.viewer.segment.masks.meanings_view import (
    LabelMeaningsSection,
    LabelRow,
)
from napari_dmoe.viewer.ui.connections import Refresh
from napari_dmoe.viewer.ui.measuring import Measuring

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_dmoe.inference.pictures.colours import Rgb

MOST = 24
"""Labels that are shown; more are no classes, but things that were counted."""


class LabelMeanings(Control):
    """Connects the table of labels with the layers of the image that is worked on."""

    def __init__(self, bench: Bench, section: LabelMeaningsSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        self._layer: weakref.ref[Labels] | None = None
        self._measuring = Measuring(self)
        changes = session.image_changed, session.images_changed, session.model_changed
        self._refresh = Refresh(
            self, self.show, soon=(*changes, session.truths.changed)
        )
        self._measuring.arrived.connect(self._refresh.soon)
        section.meaning_chosen.connect(self._on_chosen)
        self._refresh.soon()

    def show(self) -> None:
        """Show the labels of the first layer in which one stands for no class."""
        model = self._session.model
        classes = () if model is None else tuple(model.card.classes)
        for layer in self._layers() if classes else ():
            found = self._counted(layer)
            if found is None:
                continue
            unknown = without_class(found, classes, stated_names(layer))
            if (unknown or meanings_of(layer)) and len(found) <= MOST:
                self._layer = weakref.ref(layer)
                self._show(layer, found, classes)
                return
        self._layer = None
        self._section.show_labels("", (), ())

    def _layers(self) -> list[Labels]:
        """Return the labels of the image that no run made, its truth first."""
        session, image = self._session, self._session.image
        if image is None:
            return []
        ours = {result.mask() for result in session.results_of(image)}
        ours |= set(session.groups.layers(image))
        truth = session.truths.of(image)
        first = [] if truth is None or truth.labels is None else [truth.labels]
        own = [
            layer
            for layer in session.showing.layers_of(image)
            if isinstance(layer, Labels) and layer not in ours and not is_map(layer)
        ]
        return list(dict.fromkeys([*first, *own]))

    def _counted(self, layer: Labels) -> dict[int, int] | None:
        """Return how often each label occurs; None while that is counted."""
        data = layer.data[0] if layer.multiscale else layer.data
        return self._measuring.of(layer, "labels", data.size, partial(_count, data))

    def _show(
        self, layer: Labels, found: dict[int, int], classes: tuple[str, ...]
    ) -> None:
        names = (*classes, NOT_ANNOTATED)
        stated = {k: v for k, v in meanings_of(layer).items() if v in names}
        open_labels = without_class(found, classes, called := stated_names(layer))
        usual = {k: classes[place] for k, place in usual_map(layer, classes).items()}
        if class_map(layer, classes) is None:
            usual = {k: v for k, v in usual.items() if k not in open_labels}
        meant = usual | stated
        rows = [
            LabelRow(label, n, _colour(layer, label), meant.get(label, ""), name)
            for label, n in found.items()
            for name in [called[label] if 0 <= label < len(called) else ""]
        ]
        open_ones = [row.title for row in rows if not row.means]
        which = " and ".join(open_ones)
        be = "stands" if len(open_ones) == 1 else "stand"
        noun = "label" if len(open_ones) == 1 else "labels"
        said = f"“{layer.name}”: {noun} {which} {be} for no class of the model yet."
        if not open_ones:
            said = f"What the labels of “{layer.name}” stand for."
        self._section.show_labels(said, rows, names)

    def _on_chosen(self, label: int, name: str) -> None:
        layer = None if self._layer is None else self._layer()
        if layer is not None:
            state_meaning(layer, label, name)
            self._session.truths.changed.emit()
            self._session.result_changed.emit()
            self._refresh.now()


def _count(data: NDArray[np.integer]) -> dict[int, int]:
    try:
        return counted(whole_numbers(np.asarray(data)))
    except LabelError:
        return {}


def _colour(layer: Labels, label: int) -> Rgb:
    colour = layer.get_color(label)
    if colour is None:
        return 0, 0, 0
    red, green, blue = (round(255 * float(part)) for part in colour[:3])
    return red, green, blue
