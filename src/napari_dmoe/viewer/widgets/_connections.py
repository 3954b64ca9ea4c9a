"""Connections of a widget to something that outlives it, ended with the widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from qtpy.QtCore import QObject


class Connections:
    """Connects methods of a widget, and disconnects them when it is destroyed.

    Parameters
    ----------
    owner : QObject
        The widget.
    """

    def __init__(self, owner: QObject) -> None:
        self._made: list[tuple[Any, WeakMethod[Callable[..., Any]]]] = []
        # Holds these connections, not the widget: else it would never be deleted.
        owner.destroyed.connect(lambda: self.end())

    def add(self, signal: Any, method: Callable[..., Any]) -> None:
        """Connect a psygnal signal or a napari event to a bound method."""
        signal.connect(method)
        self._made.append((signal, WeakMethod(method)))

    def end(self) -> None:
        """Disconnect everything that is still connected."""
        made, self._made = self._made, []
        for signal, reference in made:
            method = reference()
            if method is not None:
                signal.disconnect(method)
