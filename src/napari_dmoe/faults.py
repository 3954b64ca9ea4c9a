"""Exceptions that nobody foresaw, told without anything that they hold.

What a library or a mistake of ours raises may repeat a patient's values, or print an
image's pixels. Such an exception is told by its kind and by its place in our code. What
our code raises on purpose says what is wrong in words of its own, and keeps them.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

from pydantic import ValidationError

from napari_dmoe.purpose import is_on_purpose, is_ours, place_of
from napari_dmoe.validation import said

REPORT_AT = "https://github.com/napari-dmoe/napari-dmoe/issues"
WHOLE = "NAPARI_DMOE_TRACEBACK"
"""Environment variable that lets the terminal show all of it, where it is 1."""

_NO_MEMORY = re.compile(r"[A-Za-z]*\s?(error: )?out of memory", re.IGNORECASE)
_WRAPPERS = "EmitLoopError", "ReaderPluginError"
"""What psygnal makes of an exception in a callback, with the callback's values; and
napari of one in a reader."""


class Fault(RuntimeError):
    """Stands for an exception that nobody foresaw, and holds nothing of it."""


def told(error: BaseException) -> str:
    """Return what a person is told of an exception, in one line.

    Parameters
    ----------
    error : BaseException
        What was raised. Where :data:`WHOLE` asks for it, the terminal shows all of it.

    Returns
    -------
    str
        The error's own words where our code raised it on purpose; else its kind, where
        in our code it happened, and how to report it.

    Examples
    --------
    >>> told(ValueError("the mask is empty"))
    'the mask is empty'
    >>> told(KeyError("Jane Doe")).partition(":")[0]
    'KeyError in napari-dmoe'
    """
    error = _unwrapped(error)
    words = _own_words(error)
    if words is not None:
        return words
    if os.environ.get(WHOLE) == "1":
        traceback.print_exception(error)
    kind = printable_kind(error)
    where = _place(error)
    return (
        f"{kind} in {where}: this is a fault of napari-dmoe. Please report this line "
        f"at {REPORT_AT}. What the error says is left out: it may repeat what is known "
        "of the patient"
    )


def shown(error: Exception) -> Exception:
    """Return an exception to show in place of another: with its words and no more.

    One that was foreseen comes back without its traceback and its causes, which hold
    whatever the code had in its hands; any other as a :class:`Fault`.
    """
    own = _unwrapped(error)
    if not isinstance(own, Exception) or not is_foreseen(own):
        return Fault(told(own))
    own.__cause__ = own.__context__ = None
    vars(own).pop("__notes__", None)  # which whoever passed it on may have added
    return own.with_traceback(None)


def is_foreseen(error: BaseException) -> bool:
    """Say whether our code raised it on purpose, so that its words can be shown."""
    if isinstance(error, ValidationError):
        return False  # repeats what was entered
    return is_on_purpose(error)


def passes_through_us(error: BaseException) -> bool:
    """Say whether our code was at work when it was raised."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and not any(link is each for each in chain):
        chain.append(link)
        link = link.__cause__ or link.__context__
    return any(is_ours(file) for each in chain for file, _, _ in _frames(each))


def tell_uncaught(say: Callable[[str], object]) -> None:
    """Let whatever this process does not catch be told by :func:`told`.

    In the main thread, in others, and where nothing can be raised any more. `say`
    shows one line.
    """

    def in_main(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        # Python would print what was being handled, too.
        say("interrupted" if isinstance(error, KeyboardInterrupt) else told(error))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if isinstance(args.exc_value, Exception):
            say(told(args.exc_value))

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        if isinstance(args.exc_value, Exception):
            say(told(args.exc_value))

    sys.excepthook, threading.excepthook = in_main, in_thread
    sys.unraisablehook = unraisable


def printable_kind(error: BaseException) -> str:
    """Return what kind of exception it is; of a missing module, also which."""
    kind = type(error).__name__
    name = getattr(error, "name", None) if isinstance(error, ImportError) else None
    return f"{kind} of {name}" if name else kind


def _own_words(error: BaseException) -> str | None:
    """Return an exception's own words, where they can be shown."""
    if isinstance(error, Fault):
        return str(error)
    if isinstance(error, ValidationError):
        return said(error, is_private=True)
    if is_foreseen(error):
        return " ".join(str(error).split()) or "no reason was given"
    found = _NO_MEMORY.match(str(error)) if isinstance(error, RuntimeError) else None
    return found[0] if found else None


def _unwrapped(error: BaseException) -> BaseException:
    while type(error).__name__ in _WRAPPERS and error.__cause__ is not None:
        error = error.__cause__
    return error


def _frames(error: BaseException) -> list[tuple[str, int, str]]:
    """Return file, line and function of each frame that an exception left."""
    frames = traceback.walk_tb(error.__traceback__)
    return [(f.f_code.co_filename, line, f.f_code.co_name) for f, line in frames]


def _place(error: BaseException) -> str:
    """Say where in our code an exception came up, or passed through at last."""
    own = [frame for frame in _frames(error) if is_ours(frame[0])]
    if not own:
        return "napari-dmoe"
    file, line, function = own[-1]
    return f"{place_of(file)}:{line} ({function})"
