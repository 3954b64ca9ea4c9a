"""Which labels are the truth of an image: chosen, read from a file, or a sample's own.

It is a Labels layer in any case, so that it is seen and can be painted on. Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from psygnal import Signal

from napari_dmoe.viewer.layers.labels_on import why_not
from napari_dmoe.viewer.layers.leaving import stays
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.records import is_map
from napari_dmoe.viewer.layers.samples import is_reference
from napari_dmoe.viewer.layers.truth_layers import ClassMap
from napari_dmoe.viewer.session.results import MaskWatch

if TYPE_CHECKING:
    from napari_dmoe.viewer.session.session import Session


class Origin(Enum):
    """How a truth became one."""

    CHOSEN = "chosen"
    """A person chose it, or its file."""
    SAMPLE = "of the sample"
    TABLE = "of the table"
    """It came with a row of a table."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth of an image."""

    reference: weakref.ref[Labels]
    classes_map: ClassMap | None = None
    """Which class each label stands for, where a person said it; -1 for none."""
    origin: Origin = Origin.CHOSEN
    path: Path | None = None
    """The file that it was read from."""
    notices: tuple[str, ...] = ()
    """What was decided when that was read."""

    @property
    def labels(self) -> Labels | None:
        """Its layer; None where nobody holds it any more."""
        return self.reference()

    @property
    def source(self) -> str:
        """Where it is from, for a table: its file, or what its layer is called."""
        labels = self.labels
        if self.path is not None:
            return str(self.path)
        return "" if labels is None else str(labels.name)


class Truths:
    """The truths of the images of a viewer, which it refers to weakly."""

    changed = Signal()
    """An image has another truth, or one was painted on or renamed."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._of: WeakKeyDictionary[Layer, Truth | None] = WeakKeyDictionary()
        self._watch = MaskWatch(self.changed.emit)

    def set(
        self,
        image: Layer,
        labels: Labels,
        classes_map: ClassMap | None = None,
        *,
        origin: Origin = Origin.CHOSEN,
        path: Path | None = None,
        notices: Sequence[str] = (),
    ) -> None:
        """Take a Labels layer for the truth of an image from now on.

        Parameters
        ----------
        image, labels : napari layers
            Both in the viewer.
        classes_map : mapping of int to int, optional
            Which class of the model each label stands for, where a person said it; -1
            for what is not annotated. By default it is told from the labels.
        origin : Origin
            How it became the truth.
        path : Path, optional
            The file that it was read from; by default the layer's own.
        notices : sequence of str
            What was decided when it was read.
        """
        own, stated = plain(labels), labels.source.path
        path = path or (Path(stated) if stated else None)
        said = tuple(notices)
        truth = Truth(weakref.ref(own), classes_map, origin, path, said)
        self._of[plain(image)] = truth
        self._watch.follow(own)
        self.changed.emit()

    def clear(self, image: Layer) -> None:
        """Know no truth of an image from now on, not even that of its sample."""
        self._of[plain(image)] = None
        self.changed.emit()

    def of(self, image: Layer | None) -> Truth | None:
        """Return the truth of an image whose layer is in the viewer."""
        if image is None:
            return None
        if plain(image) not in self._of:
            self._take_reference(plain(image))
        truth = self._of.get(plain(image))
        is_there = truth is not None and stays(self._viewer(), truth.labels)
        return truth if is_there else None

    def lost(self, image: Layer | None) -> bool:
        """Say whether an image had a truth whose layer was removed."""
        known = None if image is None else self._of.get(plain(image))
        return known is not None and self.of(image) is None

    def _take_reference(self, image: Layer) -> None:
        """Take the reference of a sample for its image's truth: it came with it."""
        viewer = self._viewer()
        layers = [] if viewer is None else list(viewer.layers)
        if image not in layers or not isinstance(image, Image):
            return
        behind = layers[layers.index(image) + 1 :]
        for layer in (*behind, *layers):
            if not isinstance(layer, Labels) or not is_reference(layer):
                continue
            if layer.source.sample == image.source.sample and not why_not(layer, image):
                own = Truth(weakref.ref(layer), origin=Origin.SAMPLE)
                self._of[image] = own
                self._watch.follow(layer)
                return


def offered_truths(session: Session, image: Image | None) -> list[Labels]:
    """Return the Labels layers that could be the truth of an image, the topmost first.

    They have its pixels, and no run or what-if made them.
    """
    viewer = session.viewer
    if viewer is None or image is None:
        return []
    ours = {each.mask() for i in session.images() for each in session.results_of(i)}
    for each in session.groups.images:
        ours |= set(session.groups.layers(each))
    return [
        layer
        for layer in reversed(viewer.layers)
        if isinstance(layer, Labels)
        and layer not in ours
        and stays(viewer, layer)
        and not is_map(layer)
        and session.showing.image_of(layer) in (None, plain(image))
        and not why_not(layer, image)
    ]
