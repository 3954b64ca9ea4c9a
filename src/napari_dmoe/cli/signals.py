"""How a command ends when it is interrupted (SIGINT) or terminated (SIGTERM).

From the first moment on: the handlers are set before anything that takes long is
imported, and this imports next to nothing itself. While a command works, the signal
unwinds it, so that nothing half-written and no lock stays; before that, and within an
import, which might swallow it, there is nothing to unwind and the process ends at once.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
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


class unwound:
    """Let a signal raise ``KeyboardInterrupt`` within a block, to clean up."""

    def __enter__(self) -> None:
        global _depth
        import threading

        self._is_main = threading.current_thread() is threading.main_thread()
        _depth += self._is_main

    def __exit__(self, *_: object) -> None:
        global _depth
        _depth -= self._is_main


def end_if_signalled(code: object) -> None:
    """End this process at once if it ends by a signal, after what was to be tidied up.

    Taking down torch and what it loads takes seconds, in which nobody knows whether the
    signal was heard.
    """
    if _first is not None and code == exit_code_of():
        _flush()
        os._exit(exit_code_of())


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
    for end in (_say_end, _flush):
        try:  # noqa: SIM105 - contextlib is not there yet
            end()
        except Exception:  # noqa: BLE001 - a stream may be at it itself
            pass
    os._exit(exit_code_of())


def _say_end() -> None:
    os.write(2, f"napari-dmoe: {word_of()}\n".encode())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS:
            return True
        frame = frame.f_back
    return False
