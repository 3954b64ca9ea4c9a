"""Connects the Routing tab with the session: which map is wanted, which one is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_dmoe.viewer.routing_state import routing_state
from napari_dmoe.viewer.session import Session
from napari_dmoe.viewer.widgets._connections import Connections
from napari_dmoe.viewer.widgets.routing_tab import RoutingTab

if TYPE_CHECKING:
    from napari_dmoe.viewer.output_layers import Overlay


class RoutingControl(QObject):
    """Keeps the Routing tab up to date.

    Parameters
    ----------
    session : Session
        Knows the results and shows their maps.
    tab : RoutingTab
        Where maps are chosen; owns this object.
    """

    def __init__(self, session: Session, tab: RoutingTab) -> None:
        super().__init__(tab)
        self._session, self._tab = session, tab
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)  # once after everything that one event changed
        self._timer.timeout.connect(self.show)
        connections = Connections(self)
        for signal in (
            session.image_changed,
            session.result_changed,
            session.routing_changed,
        ):
            connections.add(signal, self._show_soon)
        tab.overlay_wanted.connect(self._on_wanted)
        self.show()

    def show(self) -> None:
        """Show the routing of the result that is looked at."""
        session = self._session
        image = session.image
        result = None if image is None else session.result_of(image)
        is_shown = session.shows_routing()
        self._tab.show_state(routing_state(result, session.overlay, is_shown=is_shown))

    def _show_soon(self, *_: object) -> None:
        self._timer.start()

    def _on_wanted(self, overlay: Overlay, is_shown: bool) -> None:
        self._session.set_overlay(overlay, is_shown=is_shown)
