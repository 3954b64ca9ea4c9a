"""How many threads of the processor a run takes.

torch shares every operation out among its threads, and waits for the slowest. On a busy
machine that one waits for other programs, at each of a thousand operations: on two
cores beside two busy processes two threads take 3 to 20 times as long as one
(``benchmarks/busy_machine.py``). So little work stays on one thread, whatever the
machine does; for more, it is tried out whether the threads meet in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Thread
from time import perf_counter

import torch

LITTLE_S = 0.15
"""Seconds of a pass on one thread for which another thread is worth it."""

_PIECE = 2**15  # samples of a thread's part: torch shares nothing smaller out
_TRIED_S, _SLOW_S = 0.012, 0.001  # how long threads are tried; what no meeting takes
_MOST_LOST = 0.3  # of that time, in meetings that took too long


_FIXED: ContextVar[int | None] = ContextVar("fixed", default=None)


def threads_for(seconds: float, *, is_met: Callable[[int], bool] | None = None) -> int:
    """Return on how many threads to work; never more than torch is set to.

    Parameters
    ----------
    seconds : float
        About how long one thread would take for a pass; see
        :func:`napari_dmoe.models.footprint.pass_seconds`.
    is_met : callable, optional
        Says of a number of threads whether they work at the same time now. It is tried
        out by default, which takes about 12 ms.
    """
    fixed = _FIXED.get()
    if fixed is not None:
        return fixed
    most = torch.get_num_threads()
    n = min(most, max(1, int(seconds / LITTLE_S)))
    while n > 1 and not (is_met or _are_met)(n):
        n //= 2
    return n


@contextmanager
def on_threads(n: int) -> Iterator[None]:
    """Let torch work on some threads in a block; afterwards on as many as before."""
    before = torch.get_num_threads()
    _set_here(n, before)
    try:
        yield
    finally:
        _set_here(before, before)


def _set_here(n: int, elsewhere: int) -> None:
    """Let torch work on some threads in this thread of Python alone.

    It works on as many in every thread that comes to it later, such as that of another
    window: with what a run takes now, it would go on for good. Who sets it last decides
    that, so a thread does that has nothing else to do.
    """
    torch.set_num_threads(n)
    if n != elsewhere:
        last = Thread(target=torch.set_num_threads, args=(elsewhere,), daemon=True)
        last.start()
        last.join()


@contextmanager
def fixed_threads(n: int | None) -> Iterator[None]:
    """Let all runs in a block take as many threads; None leaves them the choice."""
    token = _FIXED.set(n)
    try:
        yield
    finally:
        _FIXED.reset(token)


def _are_met(n: int) -> bool:
    """Try out whether threads are there at the same time, in some tiny operations."""
    with on_threads(n):
        x = torch.ones(n * _PIECE)
        torch.add(x, 1, out=x)  # the first one wakes them
        began = last = perf_counter()
        lost = 0.0
        while last - began < _TRIED_S:
            torch.add(x, 1, out=x)
            now = perf_counter()
            lost += now - last if now - last > _SLOW_S else 0.0
            last = now
        return lost <= _MOST_LOST * (last - began)
