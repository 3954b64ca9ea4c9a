"""The one image of a viewer that is seen, with its layers; the others wait unseen.

Nothing of one patient may be drawn over another's picture. A layer that belongs to an
image is seen with it alone; whether it is to be seen then is remembered meanwhile.
Where there is no image, such as of a case of which only masks are known, another layer
stands in for it.
Whoever shows or hides such a layer does it by :meth:`Stage.see`, not by its
``visible``. What a person shows by napari's eyes stays until another image is chosen.
Knows no Qt.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from napari.components import ViewerModel
from napari.layers import Layer

from napari_dmoe.viewer.layers.leaving import leaving_of, stays
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.records import is_input


def _nobody() -> None:
    """Stand for an image that is not here."""


class Stage:
    """Which image is seen, which layers belong to which, and which of them are seen."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._shown: Callable[[], Layer | None] = _nobody
        self._owners: WeakKeyDictionary[Layer, Callable[[], Layer | None]] = (
            WeakKeyDictionary()
        )
        self._stand_ins: WeakSet[Layer] = WeakSet()
        self._waiting: WeakKeyDictionary[Layer, bool] = WeakKeyDictionary()
        """Layers that were hidden with their image: whether they are seen with it."""
        self._leaders: WeakKeyDictionary[Layer, weakref.ref[Layer]] = (
            WeakKeyDictionary()
        )
        """Layers that are a part of how others are shown, and whose those are."""
        self._adding: list[Callable[[], Layer | None]] = []
        viewer.layers.events.inserted.connect(self._on_inserted)

    def stand_in(self, layer: Layer) -> None:
        """Let a layer stand in for an image that there is none of: it is seen alone."""
        self._stand_ins.add(plain(layer))
        self._owners.pop(plain(layer), None)

    def leads(self, layer: Layer | None) -> bool:
        """Say whether others may belong to a layer: an image, or a stand-in for one."""
        return is_input(layer) or layer in self._stand_ins

    @property
    def shown(self) -> Layer | None:
        """The image that is seen, or what stands for one; None where there is none."""
        viewer, image = self._viewer(), self._shown()
        return image if viewer is not None and image in viewer.layers else None

    @property
    def is_adding(self) -> bool:
        """Whether what comes into the viewer now belongs to an image, as was said."""
        return bool(self._adding)

    def own(self, image: Layer | None, layer: Layer) -> None:
        """Say that a layer belongs to an image; None for one that is not here.

        It is seen or hidden with that image from now on.
        """
        image, layer = plain(image), plain(layer)
        if layer is image:
            return
        self._owners[layer] = _nobody if image is None else weakref.ref(image)
        if self._is_on(layer):
            self._bring(layer)
        elif stays(self._viewer(), layer):
            self._put_away(layer)

    def release(self, layer: Layer) -> None:
        """Let a layer belong to no image that was said before; it is seen as it was."""
        self._owners.pop(plain(layer), None)
        self._bring(plain(layer))

    def attach(self, layer: Layer, leader: Layer) -> None:
        """Let a layer that is yet to come belong where another one does.

        It is not shown and hidden here: that is left to whoever attached it.
        """
        self._leaders[plain(layer)] = weakref.ref(plain(leader))

    def _leader(self, layer: Layer | None) -> Layer | None:
        layer = plain(layer)
        return layer if layer not in self._leaders else self._leaders[layer]()

    def is_bound(self, layer: Layer) -> bool:
        """Whether it is known to which image a layer belongs, be it here or not."""
        leader = self._leader(layer)
        return leader in self._owners or leader in self._stand_ins

    def image_of(self, layer: Layer | None) -> Layer | None:
        """Return the image that a layer belongs to; an image belongs to itself.

        None where it belongs to none, or where that one is no longer in the viewer.
        """
        viewer, layer = self._viewer(), self._leader(layer)
        if self.leads(layer):
            return layer
        image = None if layer is None else self._owners.get(layer, _nobody)()
        return image if viewer is not None and image in viewer.layers else None

    def layers_of(self, image: Layer) -> list[Layer]:
        """Return the layers that belong to an image, the lowest first."""
        viewer, own = self._viewer(), plain(image)
        layers = [] if viewer is None else list(viewer.layers)
        return [each for each in layers if self._owners.get(each, _nobody)() is own]

    def see(self, layer: Layer, is_seen: bool) -> None:
        """Show or hide a layer: now, or else once its image is shown."""
        layer = plain(layer)
        if layer in self._waiting:
            self._waiting[layer] = is_seen
        if not self._is_on(layer):
            self._waiting[layer] = is_seen
        elif layer.visible != is_seen:
            layer.visible = is_seen

    def is_seen(self, layer: Layer) -> bool:
        """Say whether a layer is seen, or is once its image is shown."""
        layer = plain(layer)
        return bool(layer.visible or self._waiting.get(layer, False))

    @contextmanager
    def adding(self, image: Layer | None) -> Iterator[None]:
        """Let the layers that are added meanwhile belong to an image.

        Where it is not seen they wait, and the same layers stay selected. None is for
        an image that is not here.
        """
        viewer = self._viewer()
        image = plain(image)
        self._adding.append(_nobody if image is None else weakref.ref(image))
        is_unseen = self.shown is not None and not self._is_open(image)
        selected = set() if viewer is None else set(viewer.layers.selection)
        try:
            yield
        finally:
            if viewer is not None and is_unseen:
                kept = {each for each in selected if stays(viewer, each)}
                viewer.layers.selection = kept
            self._adding.pop()

    def show(
        self, image: Layer | None, between: Callable[[], None] = lambda: None
    ) -> None:
        """Show an image with its layers, and hide all others with theirs.

        Where it is None, nothing is hidden any more. `between` is called when nothing
        of either is seen.
        """
        viewer = self._viewer()
        self._shown = _nobody if image is None else weakref.ref(image)
        if viewer is None or image is None:
            return
        leaving = leaving_of(viewer)
        for layer in [each for each in viewer.layers if each is not image]:
            owner = self._owners.get(layer)
            if self.leads(layer):
                if layer.visible:
                    layer.visible = False
            elif owner is not None and owner() is not image and layer not in leaving:
                self._put_away(layer)
        between()
        if not image.visible:
            image.visible = True
        for layer in self.layers_of(image):
            self._bring(layer)

    def _on_inserted(self, event: Any) -> None:
        layer = plain(event.value)
        is_known = layer in self._owners or layer in self._leaders
        if self._adding and not is_known and not self.leads(layer):
            self.own(self._adding[-1](), layer)

    def _is_open(self, image: Layer | None) -> bool:
        """Whether an image is the one that is seen, or a person shows it beside it."""
        viewer = self._viewer()
        if image is None or viewer is None or image not in viewer.layers:
            return False
        return image is self._shown() or bool(image.visible)

    def _is_on(self, layer: Layer) -> bool:
        """Whether a layer may be seen now: as all may, where no image was chosen."""
        if self.shown is None or layer not in self._owners:
            return True
        return self._is_open(self._owners[layer]())

    def _put_away(self, layer: Layer) -> None:
        """Hide a layer, and remember whether it was seen."""
        self._waiting[layer] = self.is_seen(layer)
        if layer.visible:
            layer.visible = False

    def _bring(self, layer: Layer) -> None:
        """Let a layer be seen as it was when its image was."""
        is_seen = self._waiting.pop(layer, None)
        if is_seen and stays(self._viewer(), layer) and not layer.visible:
            layer.visible = True


_OF_VIEWERS: WeakKeyDictionary[ViewerModel, Stage] = WeakKeyDictionary()


def stage_of(viewer: ViewerModel) -> Stage:
    """Return the stage of a viewer, or of a plugin's proxy of it."""
    key = plain(viewer)
    if key not in _OF_VIEWERS:
        _OF_VIEWERS[key] = Stage(key)
    return _OF_VIEWERS[key]
