"""Connections of a widget to something that outlives it, ended with the widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod, finalize

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
        at_its_end(owner, self.end)

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


def at_its_end(owner: QObject, method: Callable[[], None]) -> None:
    """Call a method of another object when a widget is destroyed; once or twice.

    Parameters
    ----------
    owner : QObject
        The widget.
    method : callable
        A bound method of an object that does not hold the widget: else this would
        never be deleted.

    Notes
    -----
    Qt may destroy a widget whose Python object the garbage collector has taken apart
    already. A lambda that belongs to it is then an empty shell, and calling it ends
    the program; a bound method is only referred to weakly, and is kept alive here
    until the Python object is gone.
    """
    finalize(owner, method).atexit = False
    owner.destroyed.connect(method)
