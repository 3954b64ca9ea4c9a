"""Which layers are images to be segmented, how they changed, which were drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.viewer.layers.channels import choose_channel, chosen_channel
from napari_dmoe.viewer.layers.placement import PLACE, plain
from napari_dmoe.viewer.layers.records import is_input
from napari_dmoe.viewer.layers.samples import PHANTOM_KEY

_CHANGES = ("data", *PLACE)


def inputs_of(viewer: ViewerModel | None) -> list[Image]:
    """Return a viewer's images, the topmost first; maps of results are none."""
    layers = [] if viewer is None else list(viewer.layers)
    return [layer for layer in reversed(layers) if is_input(layer)]


class Versions:
    """Counts how often the pixels or the place of images were changed.

    After each change `on_change` is called with the image.
    """

    def __init__(self, on_change: Callable[[Image], None]) -> None:
        self._on_change = on_change
        self._counts: WeakKeyDictionary[Layer, int] = WeakKeyDictionary()

    def of(self, image: Layer) -> int:
        """Return how often an image was changed."""
        return self._counts.get(plain(image), 0)

    def follow(self, image: Image) -> bool:
        """Count an image's changes from now on; say whether it is a new one."""
        if image in self._counts:
            return False
        self._counts[image] = 0
        for change in _CHANGES:
            getattr(image.events, change).connect(self._on_event)
        return True

    def choose_channel(self, image: Image, number: int | None) -> None:
        """Use one channel of an image from now on, which counts as a change."""
        if number != chosen_channel(plain(image)):
            choose_channel(plain(image), number)
            self._count(plain(image))

    def _count(self, image: Image) -> None:
        self._counts[image] = self._counts.get(image, 0) + 1
        self._on_change(image)

    def _on_event(self, event: Any) -> None:
        self._count(event.source)


class Drawn:
    """Knows which images were drawn as phantoms, as long as their pixels stay.

    A layer says it in its metadata, and is believed when it comes into the viewer: its
    name says nothing. Pixels that somebody puts in later are not known to be drawn.
    """

    def __init__(self) -> None:
        self._kinds: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()

    def of(self, image: Layer) -> str | None:
        """Return the kind of phantom that an image is; None if it may be none."""
        return self._kinds.get(plain(image))

    def follow(self, image: Image) -> None:
        """Take note of what an image says of itself, until it gets other pixels."""
        record = image.metadata.get(METADATA_KEY)
        kind = record.get(PHANTOM_KEY) if isinstance(record, Mapping) else None
        if isinstance(kind, str) and kind:
            self._kinds[image] = kind
            image.events.data.connect(self._on_data)

    def _on_data(self, event: Any) -> None:
        self._kinds.pop(event.source, None)
