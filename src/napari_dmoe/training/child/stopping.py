"""Stopping a training from outside: signals ask, and the next step obeys."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from napari_dmoe.progress import Cancelled, Progress, ProgressHook

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A wish to stop that any thread may state."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.signal: int | None = None
        """Number of the signal that stated it first; none where nobody sent one."""

    def ask(self, number: int | None = None) -> None:
        """State the wish, perhaps for a signal."""
        if not self.is_asked:
            self.signal = number
        self._asked.set()

    @property
    def is_asked(self) -> bool:
        """Whether somebody stated it."""
        return self._asked.is_set()

    def obeyed_by(self, progress: ProgressHook) -> ProgressHook:
        """Return a hook that passes progress on, and raises ``Cancelled`` if asked."""

        def hook(step: Progress) -> None:
            progress(step)
            if self.is_asked:
                raise Cancelled

        return hook


@contextmanager
def stop_on_signals(*, grace: float = 0.0) -> Iterator[Stop]:
    """Take interrupts and terminations for a wish to stop, within a block.

    A second interrupt is not waited for: it stops at once, without saving. Outside of
    the main thread, which alone may receive signals, nothing changes.

    Parameters
    ----------
    grace : float
        Seconds within which a second interrupt is the first one again: torchrun passes
        on what the terminal has sent to everybody.
    """
    stop, first = Stop(), math.inf
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: FrameType | None) -> None:
        nonlocal first
        first = min(first, time.monotonic())
        is_again = stop.is_asked and time.monotonic() - first >= grace
        if is_again and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.ask(number)

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
