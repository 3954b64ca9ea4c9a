"""Layers that are to go: hidden at once, and taken out when the viewer is at rest.

vispy may draw a layer that is gone, and end the program, where another one comes before
the canvas was drawn anew. So nothing is taken out and put in within one turn of the
event loop: whoever has a loop listens to :attr:`Leaving.wanted`, and calls
:meth:`Leaving.take_out` from its top once nothing else is under way. Without a listener
nothing is drawn either, and layers go at once. Knows no Qt.
"""

from __future__ import annotations

import weakref
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from napari_dmoe.viewer.layers.camera import camera_kept
from napari_dmoe.viewer.layers.placement import plain

_MARK = " (closing)"
"""Behind the name of a layer that goes: the next one of its sort may have the name."""


class Leaving:
    """The layers of a viewer that are to go."""

    wanted = Signal()
    """A layer waits to be taken out."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._waiting: list[tuple[weakref.ref[Layer], str]] = []

    def __contains__(self, layer: object) -> bool:
        """Whether a layer is to go."""
        return any(each() is layer for each, _ in self._waiting)

    def let_go(self, layer: Layer) -> bool:
        """Hide a layer of the viewer now; it is taken out soon. Says whether it goes.

        It does not where it is gone already, or about to go.
        """
        viewer = self._viewer()
        if viewer is None or not stays(viewer, layer):
            return False
        if not len(self.wanted):
            with camera_kept(viewer):
                viewer.layers.remove(layer)
            return True
        self._waiting.append((weakref.ref(layer), str(layer.name)))
        layer.visible = False
        layer.name = f"{layer.name}{_MARK}"
        viewer.layers.selection.discard(layer)
        self.wanted.emit()
        return True

    def call_back(self, layer: Layer) -> bool:
        """Keep a hidden layer that waits, under its name; say whether it is there."""
        names = [name for each, name in self._waiting if each() is layer]
        self._waiting = [each for each in self._waiting if each[0]() is not layer]
        for name in names:
            layer.name = name
        return bool(names)

    def take_out(self) -> None:
        """Take out what waits; called from the top of the event loop."""
        viewer, waiting = self._viewer(), self._waiting
        self._waiting = []
        layers = [] if viewer is None else viewer.layers
        going = [layer for each, _ in waiting if (layer := each()) in layers]
        if viewer is None or not going:
            return
        # napari moves the camera where an axis goes with them, and looks for garbage
        # after each layer that goes alone, for half a second.
        with camera_kept(viewer), viewer.layers.batched_update():
            for layer in going:
                viewer.layers.remove(layer)


_OF_VIEWERS: WeakKeyDictionary[ViewerModel, Leaving] = WeakKeyDictionary()


def leaving_of(viewer: ViewerModel) -> Leaving:
    """Return the layers of a viewer, or of a plugin's proxy of it, that are to go."""
    key = plain(viewer)
    if key not in _OF_VIEWERS:
        _OF_VIEWERS[key] = Leaving(key)
    return _OF_VIEWERS[key]


def stays(viewer: ViewerModel | None, layer: Layer | None) -> bool:
    """Say whether a layer is in a viewer, and not about to go."""
    if viewer is None or layer is None or layer not in viewer.layers:
        return False
    return layer not in leaving_of(viewer)
