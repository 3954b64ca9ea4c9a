"""Adds the gates under the cursor to napari's status bar."""

from __future__ import annotations

import weakref
from typing import Any

from napari.components import ViewerModel

from napari_dmoe.viewer.layers.camera import camera_of
from napari_dmoe.viewer.routing.layers import RoutingLayers

_MARK = " · "


class HoverStatus:
    """Completes the status that napari writes while the cursor moves."""

    def __init__(self, viewer: ViewerModel, routing: RoutingLayers) -> None:
        self._viewer, self._routing = weakref.ref(viewer), routing
        self._written: Any = None
        # After the window's own: it shows what napari says first, and then this.
        viewer.events.status.connect(self._on_status, position="last")

    def _on_status(self, event: Any) -> None:
        viewer = self._viewer()
        status = event.value
        if viewer is None or status == self._written:
            return
        text = self._text(viewer)
        if not text:
            return
        if isinstance(status, dict):
            where = f"{status.get('coordinates', '')}{_MARK}{text}"
            self._written = status | {"coordinates": where}
        else:
            self._written = f"{status}{_MARK}{text}"
        viewer.status = self._written

    def _text(self, viewer: ViewerModel) -> str:
        position, displayed = viewer.cursor.position, viewer.dims.displayed
        camera = camera_of(viewer)
        direction = camera.calculate_nd_view_direction(len(position), displayed)
        return self._routing.text_at(position, direction, displayed)
