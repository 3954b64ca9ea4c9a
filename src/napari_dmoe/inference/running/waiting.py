"""How long a run computed, and how long it waited while others had the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np

FAR_SLOWER, _LEAST_WAIT_S = 2.0, 1.0
"""So many times what was computed, waiting makes a run that is worth a word."""


@dataclass
class Waiting:
    """How long a run computed, and how long it waited for the processor."""

    computed: float = 0.0
    """Seconds that the thread of the run was at work in."""
    waited: float = 0.0
    """Seconds in which others were."""

    @property
    def words(self) -> str:
        """What is to be said of a run that took far longer than it should have."""
        if self.waited < max(_LEAST_WAIT_S, FAR_SLOWER * self.computed):
            return ""
        return f"{self.waited:.1f} s went by waiting for a busy processor"

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
    """Take note of how long what a block computes waited.

    Where a network runs on a GPU, its passes are not noted: there the processor waits
    for the device.
    """
    waiting = Waiting()
    token = _WAITING.set(waiting)
    try:
        yield waiting
    finally:
        _WAITING.reset(token)


@contextmanager
def computing(device: str = "cpu") -> Iterator[None]:
    """Take note of what a block computes, for who watches in this thread.

    Nothing in it waits for a disk, else that would be taken for the processor.
    """
    waiting = _WAITING.get()
    if waiting is None or device != "cpu":
        yield
        return
    with waiting.noted():
        yield


def preparing(pixels: object) -> AbstractContextManager[None]:
    """Take note of what a block computes of pixels, unless a disk may hold them."""
    return computing() if type(pixels) is np.ndarray else nullcontext()


def with_reason(message: str) -> str:
    """Return what a run is at; of a slow one that is watched here, also why it is."""
    waiting = _WAITING.get()
    is_slow = waiting is not None and waiting.words
    return f"{message}, the processor is busy" if is_slow else message


class Timed(NamedTuple):
    """What some work gave, and how it went."""

    found: Any
    seconds: float
    why_slow: str
    """Why it took far longer than it should have; mostly nothing."""


def timed(work: Callable[..., Any], *arguments: Any, **options: Any) -> Timed:
    """Return what some work gives, the seconds that it took, and why so many."""
    began = perf_counter()
    with watched() as waiting:
        found = work(*arguments, **options)
    return Timed(found, perf_counter() - began, waiting.words)
