"""What we do to the window of our own accord, one thing at a time, each in its turn.

A worker's result, a timer and a debouncer come when they like: also while a dialog is
open, or where somebody lets Qt process events in the middle of something. A layer that
is changed there may be drawn half changed, which has ended napari with a segmentation
fault. So all of them wait for their turn, which comes when nothing else is under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QThread, QTimer
from qtpy.QtWidgets import QApplication

Act = Callable[[], object]

_LOOK_AGAIN_MS = 30
_REPAINT_MS = 50  # Qt paints what changed within a few


class _Turns:
    """Whose turn it is, and who waits; there is one for the GUI thread."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[QObject, Act]] = deque()
        self._is_under_way = self._is_looked_after = False
        self._loops = 1

    @property
    def is_free(self) -> bool:
        """Whether nothing is under way that a change of layers would break into.

        That is another turn, or a loop within the event loop: a dialog, a menu, a drag.
        """
        thread = QThread.currentThread()
        is_top = thread is None or thread.loopLevel() <= self._loops
        return (
            is_top
            and not self._is_under_way
            and QApplication.activeModalWidget() is None
            and QApplication.activePopupWidget() is None  # no loop of its own, mostly
        )

    def add(self, owner: QObject, act: Act) -> None:
        """Act at once where it is free and nobody waits, else after those who do."""
        self._waiting.append((owner, act))
        self._go_on()

    def _go_on(self) -> None:
        try:
            while self._waiting and self.is_free:
                self._take()
        finally:
            self._look_after()

    def _take(self) -> None:
        owner, act = self._waiting.popleft()
        if not isalive(owner):
            return
        self._is_under_way = True
        try:
            act()
        finally:
            self._is_under_way = False

    def _look_after(self) -> None:
        """Look again after a while, as long as somebody waits."""
        if self._waiting and not self._is_looked_after:
            self._is_looked_after = True
            QTimer.singleShot(_LOOK_AGAIN_MS, self._look)

    def _look(self) -> None:
        self._is_looked_after = False
        self._go_on()

    @contextmanager
    def within(self) -> Iterator[None]:
        self._loops += 1
        try:
            yield
        finally:
            self._loops -= 1


_TURNS = _Turns()


def is_free() -> bool:
    """Whether nothing is under way: no turn of ours, no dialog, no menu, no drag.

    What comes again by itself, such as the tick of a timer, need not wait where it is
    not.
    """
    return _TURNS.is_free


def in_turn(owner: QObject, act: Act) -> None:
    """Do something to the window when its turn comes: at once, or in the order asked.

    It is dropped where the owner was destroyed meanwhile.
    """
    _TURNS.add(owner, act)


def after_repaint(owner: QObject, act: Act) -> None:
    """Do something in its turn once the window was painted as it is now.

    Where a layer goes and another comes, a paint has to lie between them.
    """
    QTimer.singleShot(_REPAINT_MS, lambda: in_turn(owner, act))


@contextmanager
def turns_within() -> Iterator[None]:
    """Let turns come in a loop within the event loop, which waits for one of them."""
    with _TURNS.within():
        yield
