"""Connections of a widget to what outlives it, and when it is shown anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakMethod, finalize

from qtpy.QtCore import QObject, Signal
from superqt.utils import QSignalDebouncer

from napari_dmoe.viewer.ui.turns import in_turn

PAUSE_MS = 100


class Connections:
    """Connects methods of a widget, and disconnects them when it is destroyed."""

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


class Refresh(QSignalDebouncer):
    """Shows a section anew once events stop coming in, however many there were.

    `soon` are signals, psygnal's or napari's, that come in numbers, such as the steps
    of a brush; `at_once` what a person does once and looks at, such as choosing another
    image. `may` says whether the section is worth showing now; always by default.
    """

    _due = Signal()

    def __init__(
        self,
        owner: QObject,
        show: Callable[[], None],
        *,
        soon: Iterable[Any],
        at_once: Iterable[Any] = (),
        pause_ms: int = PAUSE_MS,
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(parent=owner)
        self.is_pending = False
        """Whether the section will be shown anew."""
        self._may, self._is_asked = may, False
        self.setTimeout(pause_ms)
        self.triggered.connect(self._on_triggered)
        self._due.connect(show)
        connections = Connections(owner)
        for signal in soon:
            connections.add(signal, self.soon)
        for signal in at_once:
            connections.add(signal, self.now)

    def soon(self, *_: object) -> None:
        """Show the section after a pause, in which nothing else happens."""
        if self._may():
            self.is_pending = True
            self.throttle()

    def now(self, *_: object) -> None:
        """Show the section at once, and not again for what happened before."""
        self.cancel()
        self._show_now()

    def _on_triggered(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            in_turn(self, self._show_in_turn)

    def _show_in_turn(self) -> None:
        self._is_asked = False
        if self.is_pending:  # else it was shown while it waited
            self._show_now()

    def _show_now(self) -> None:
        self.is_pending = False  # first: who shows it may ask for more
        self._due.emit()


def at_its_end(owner: QObject, method: Callable[[], None]) -> None:
    """Call a method of another object when a widget is destroyed; once or twice.

    The object must not hold the widget: else this would never be deleted.

    Notes
    -----
    Qt may destroy a widget whose Python object the garbage collector has taken apart
    already. A lambda that belongs to it is then an empty shell, and calling it ends
    the program; a bound method is only referred to weakly, and is kept alive here
    until the Python object is gone.
    """
    finalize(owner, method).atexit = False
    owner.destroyed.connect(method)
