"""How long a run computed, and how long it waited while others had the processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter, thread_time

FAR_SLOWER, _LEAST_WAIT_S = 2.0, 1.0
"""So many times what was computed, waiting makes a run that is worth a word."""


@dataclass
class Waiting:
    """How long a run's network computed, and how long it waited for the processor."""

    computed: float = 0.0
    """Seconds that the thread of the run was at work in."""
    waited: float = 0.0
    """Seconds in which others were."""

    @property
    def words(self) -> str:
        """What is to be said of a run that took far longer than it should have."""
        if self.waited < max(_LEAST_WAIT_S, FAR_SLOWER * self.computed):
            return ""
        return (
            f"the processor was busy with other work: {self.computed:.1f} s of "
            f"computing, {self.waited:.1f} s of waiting"
        )

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Take note of the time that a block computes and waits."""
        began, computed = perf_counter(), thread_time()
        try:
            yield
        finally:
            took, own = perf_counter() - began, thread_time() - computed
            self.computed += own
            self.waited += max(0.0, took - own)


_WAITING: ContextVar[Waiting | None] = ContextVar("waiting", default=None)


@contextmanager
def watched() -> Iterator[Waiting]:
    """Take note of how long the passes of a network in a block waited.

    On a GPU nothing is noted: there the processor waits for the device.
    """
    waiting = Waiting()
    token = _WAITING.set(waiting)
    try:
        yield waiting
    finally:
        _WAITING.reset(token)


@contextmanager
def one_pass(device: str) -> Iterator[None]:
    """Take note of one pass, for who watches in this thread."""
    waiting = _WAITING.get()
    if waiting is None or device != "cpu":
        yield
        return
    with waiting.noted():
        yield


def why_slow() -> str:
    """Say why the run that is watched in this thread is slow; nothing if it is not."""
    waiting = _WAITING.get()
    return "the processor is busy" if waiting is not None and waiting.words else ""
