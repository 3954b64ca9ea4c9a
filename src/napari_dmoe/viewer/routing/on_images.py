"""The map of the routing that is wanted, and shown on the images of a session.

It follows the results that are looked at. Knows no Qt.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from psygnal import Signal

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
    """Another map is wanted, or none; or one was hidden or removed."""

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.overlay = Overlay()
        """Which map is wanted."""
        self._is_wanted = False
        viewer = session.viewer
        if viewer is None:
            raise RuntimeError("the session's viewer is gone")
        self._layers = RoutingLayers(weakref.ref(viewer), session.outlines)
        self._hover = HoverStatus(viewer, self._layers)
        self._swept = SweptRouting()
        session.looked_at.connect(self._on_looked_at)
        session.images_changed.connect(self._on_layers)  # a map may have been removed

    @property
    def is_shown(self) -> bool:
        """Whether a map is seen on the image that is worked on."""
        session = self._session()
        image = None if session is None else session.image
        return image is not None and self._layers.is_shown(image)

    def want(self, overlay: Overlay, *, is_shown: bool) -> None:
        """Show another map of the routing, or none."""
        self.overlay, self._is_wanted = overlay, is_shown
        session = self._session()
        if session is not None and session.image is not None:
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
        if self._layers.of(image) and not self._layers.is_shown(image):
            self._is_wanted = False  # somebody hid it in napari's list
        self._show(session, plain(image))

    def _show(self, session: Session, image: Image) -> None:
        result = session.result_of(image)
        routing = None if result is None else result.segmentation.routing
        if self._is_wanted and result is not None and routing is not None:
            with pointer_away(session.viewer):
                self._layers.show(image, result, self.overlay.within(routing))
            for layer in self._layers.of(image):
                layer.events.visible.connect(self._on_layers)
        else:
            self._layers.hide(image, result)

    def _on_layers(self, event: Any = None) -> None:
        self.changed.emit()


_OF_SESSIONS: WeakKeyDictionary[Session, RoutingOnImages] = WeakKeyDictionary()


def routing_of(session: Session) -> RoutingOnImages:
    """Return what shows the routing on a session's images; one for each session."""
    if session not in _OF_SESSIONS:
        _OF_SESSIONS[session] = RoutingOnImages(session)
    return _OF_SESSIONS[session]
