"""The map of the routing that is wanted, and shown on the images of a session.

It follows the results that are looked at. Knows no Qt.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image, Layer
from psygnal import Signal

from napari_dmoe.viewer.layers.groups import Group
from napari_dmoe.viewer.layers.placement import plain
from napari_dmoe.viewer.layers.pointer import pointer_away
from napari_dmoe.viewer.routing.hovering import HoverStatus
from napari_dmoe.viewer.routing.layers import RoutingLayers
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.routing.swept import SweptRouting
from napari_dmoe.viewer.session.session import Session

if TYPE_CHECKING:
    from napari_dmoe.inference.what_if.sweep_result import Sweep
    from napari_dmoe.viewer.session.requests import Request


class RoutingOnImages:
    """Keeps the maps of a session's images in step with what is looked at.

    It is kept beside the session, and refers to it weakly.
    """

    changed = Signal()
    """Another map is wanted, or none; or one was hidden, removed or made fainter."""

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.overlay = Overlay()
        """Which map is wanted."""
        self._is_wanted = False
        viewer = session.viewer
        if viewer is None:
            raise RuntimeError("the session's viewer is gone")
        self._layers = RoutingLayers(session.groups, session.outlines)
        self._hover = HoverStatus(viewer, self._layers)
        self._swept = SweptRouting()
        self._yielded: WeakSet[Layer] = WeakSet()
        session.groups.yielded.connect(self._on_yielded)
        session.groups.tidied.connect(self._on_tidied)
        session.looked_at.connect(self._on_looked_at)
        session.images_changed.connect(self._on_layers)  # a map may have been removed

    @property
    def is_shown(self) -> bool:
        """Whether a map is seen on the image that is worked on."""
        image = self._image
        return image is not None and self._layers.is_shown(image)

    @property
    def opacity(self) -> float:
        """How opaque the map is on the image that is worked on; 1 without one."""
        image = self._image
        layer = None if image is None else self._layers.of(image)
        is_seen = layer is not None and layer.visible
        return float(layer.opacity) if layer is not None and is_seen else 1.0

    @property
    def instead(self) -> str:
        """The what-if on that image for which its map was hidden; empty if none."""
        session, image = self._session(), self._image
        if session is None or image is None or image not in self._yielded:
            return ""
        what_if = session.groups.layer(image, Group.WHAT_IF)
        return str(what_if.name) if what_if is not None and what_if.visible else ""

    @property
    def _image(self) -> Image | None:
        session = self._session()
        return None if session is None else session.image

    def want(self, overlay: Overlay, *, is_shown: bool) -> None:
        """Show another map of the routing, or none."""
        self.overlay, self._is_wanted = overlay, is_shown
        session = self._session()
        if session is not None and session.image is not None:
            self._yielded.discard(session.image)
            self._show(session, session.image)
        self.changed.emit()

    def remember_sweep(self, image: Image, request: Request, sweep: Sweep) -> None:
        """Let the routing that a sweep found serve the maps of an image's results."""
        session = self._session()
        self._swept.remember(image, request, sweep)
        for result in () if session is None else session.results_of(image):
            self._swept.serve(image, result)
        self.changed.emit()

    def _on_looked_at(self, image: Image) -> None:
        session = self._session()
        if session is None:
            return
        result = session.result_of(image)
        if result is not None:
            self._swept.serve(image, result)
        if self._layers.of(image) is not None and not self._layers.is_shown(image):
            self._is_wanted = False  # somebody hid it in napari's list
        self._show(session, plain(image))

    def _show(self, session: Session, image: Image) -> None:
        result = session.result_of(image)
        routing = None if result is None else result.segmentation.routing
        if self._is_wanted and result is not None and routing is not None:
            with pointer_away(session.viewer):
                self._layers.show(image, result, self.overlay.within(routing))
            layer = self._layers.of(image)
            if layer is not None:
                layer.events.visible.connect(self._on_layers)
                layer.events.opacity.connect(self._on_layers)
        else:
            self._layers.hide(image, result)

    def _on_yielded(self, image: Image, group: Group) -> None:
        """Want no map for now: what came up on the image hides it."""
        session = self._session()
        if group is Group.ROUTING and session is not None:
            self._is_wanted = False
            self._yielded.add(image)
            self._layers.hide(image, session.result_of(image))
            self.changed.emit()

    def _on_tidied(self) -> None:
        self._is_wanted = False
        self.changed.emit()

    def _on_layers(self, event: Any = None) -> None:
        self.changed.emit()


_OF_SESSIONS: WeakKeyDictionary[Session, RoutingOnImages] = WeakKeyDictionary()


def routing_of(session: Session) -> RoutingOnImages:
    """Return what shows the routing on a session's images; one for each session."""
    if session not in _OF_SESSIONS:
        _OF_SESSIONS[session] = RoutingOnImages(session)
    return _OF_SESSIONS[session]
