"""A reader and a writer beside the network, each a thread with a bounded queue.

What they do is done in the same order as without them, so results have the same bits.
An error in one of them is raised where its work is waited for, and when a block ends
early, so do they.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from napari_dmoe.progress import Cancelled, Pulse

T = TypeVar("T")

_BETWEEN_PULSES_S = 0.1
_PATIENCE_S = 1.0
"""How long a reader is waited for that is told to stop, while a disk may be slow."""


class _Over(Cancelled):
    """Ends a thread that nobody waits for any more."""


class ReadAhead(Generic[T]):
    """Items of an iterator, which a thread makes before they are asked for.

    Parameters
    ----------
    make : callable
        Returns the iterator, in that thread; takes what it calls now and then.
    depth : int
        Items that wait at most.
    """

    def __init__(self, make: Callable[[Pulse], Iterator[T]], depth: int) -> None:
        self._make, self._over = make, threading.Event()
        self._made: queue.Queue[T | BaseException] = queue.Queue(max(1, depth))
        self._thread = threading.Thread(target=self._work, daemon=True, name="reader")

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; a disk that hangs is not waited for."""
        self._over.set()
        self._thread.join(_PATIENCE_S)

    def take(self, pulse: Pulse) -> T:
        """Return the next item, or raise what making it raised.

        `pulse` is called while it is waited for.
        """
        while True:
            try:
                found = self._made.get(timeout=_BETWEEN_PULSES_S)
            except queue.Empty:
                pulse()
                continue
            if isinstance(found, BaseException):
                raise found
            return found

    def _work(self) -> None:
        try:
            for item in self._make(self._pulse):
                self._put(item)
        except _Over:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised by `take`
            self._put_last(error)

    def _put(self, item: T | BaseException) -> None:
        while True:
            self._pulse()
            try:
                self._made.put(item, timeout=_BETWEEN_PULSES_S)
            except queue.Full:
                continue
            return

    def _put_last(self, error: BaseException) -> None:
        with suppress(_Over):
            self._put(error)

    def _pulse(self) -> None:
        if self._over.is_set():
            raise _Over


class WriteBehind:
    """Calls that a thread makes one after another, while others go on.

    Parameters
    ----------
    depth : int
        Calls that wait at most.
    """

    def __init__(self, depth: int) -> None:
        self._depth, self._waiting = depth, deque[Callable[[], None]]()
        self._turn, self._is_over, self._is_busy = threading.Condition(), False, False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="writer")

    def __enter__(self) -> Self:
        """Begin to take calls."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the call that is made come to its end; others are given up."""
        with self._turn:
            self._is_over = True
            self._turn.notify_all()
        self._thread.join()

    def do(self, call: Callable[[], None], pulse: Pulse) -> None:
        """Have a call made after the others, or raise what one of them raised.

        `pulse` is called while too many of them wait.
        """
        self._wait_for(lambda: len(self._waiting) < self._depth, pulse)
        with self._turn:
            self._waiting.append(call)
            self._turn.notify_all()

    def finish(self, pulse: Pulse) -> None:
        """Wait until all calls are made, or raise what one of them raised."""
        self._wait_for(lambda: not self._waiting and not self._is_busy, pulse)

    def _wait_for(self, is_so: Callable[[], bool], pulse: Pulse) -> None:
        while True:
            with self._turn:
                if self._error is not None:
                    raise self._error
                if self._turn.wait_for(
                    lambda: is_so() or self._error is not None, _BETWEEN_PULSES_S
                ):
                    if self._error is not None:
                        raise self._error
                    return
            pulse()

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting or self._is_over)
                if self._is_over:
                    return
                call, self._is_busy = self._waiting.popleft(), True
                self._turn.notify_all()
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - it is raised by `do`
                self._error = error
            with self._turn:
                self._is_busy = False
                self._turn.notify_all()
                if self._error is not None:
                    return
