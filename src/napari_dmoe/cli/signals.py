"""How a command ends when it is interrupted (SIGINT) or terminated (SIGTERM).

From the first moment on: the handlers are set before anything that takes long is
imported. While a command works, the signal unwinds it, so that nothing half-written and
no lock stays; before that, and within an import, which might swallow it, there is
nothing to unwind and the process ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_IMPORTS = "<frozen importlib._bootstrap>"

_depth = 0
"""How many blocks of :func:`unwound` the main thread is in."""
_first: int | None = None
"""The signal that came first."""


def end_on_signals() -> None:
    """Let this process end with 130 or 143 from now on."""
    for number in _WORDS:
        signal.signal(number, _end)


@contextmanager
def unwound() -> Iterator[None]:
    """Let a signal raise ``KeyboardInterrupt`` within a block, to clean up."""
    global _depth
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def exit_code_of(number: int | None = None) -> int:
    """Return the exit code for a signal, by default the first one that came."""
    return 128 + (number or _first or signal.SIGINT)


def word_of(number: int | None = None) -> str:
    """Return what a signal, by default the first one, has done to a command."""
    return _WORDS[signal.Signals(number or _first or signal.SIGINT)]


def _end(number: int, frame: FrameType | None) -> None:
    global _first
    is_again = _first is not None
    _first = _first or number
    if _depth and not is_again and not _is_importing(frame):
        raise KeyboardInterrupt
    with suppress(OSError):
        os.write(2, f"napari-dmoe: {word_of()}\n".encode())
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it may be within a write itself
            stream.flush()
    os._exit(exit_code_of())


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False
