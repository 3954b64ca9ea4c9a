"""Exceptions that nobody foresaw, told without anything that they hold.

What a library or a mistake of ours raises may repeat a patient's values, or print an
image's pixels. Such an exception is told by its kind and by its place in our code. What
our code raises on purpose says what is wrong in words of its own, and keeps them.
"""

from __future__ import annotations

import dis
import os
import re
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from napari_dmoe.validation import said

REPORT_AT = "https://github.com/napari-dmoe/napari-dmoe/issues"
WHOLE = "NAPARI_DMOE_TRACEBACK"
"""Environment variable that lets the terminal show all of it, where it is 1."""

_FORESEEN = ValueError, OSError, MemoryError
"""Every error of ours is one of them, and says what is wrong and what to do."""

_OURS = Path(__file__).parent
_LIBRARIES = tuple(
    str(Path(sysconfig.get_path(name))) + os.sep
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_RAISE = dis.opmap["RAISE_VARARGS"]
_NO_MEMORY = re.compile(r"[A-Za-z]*\s?(error: )?out of memory", re.IGNORECASE)
_WRAPPERS = ("EmitLoopError",)
"""What psygnal makes of an exception in a callback; repeats the callback's values."""


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
    return own.with_traceback(None)


def is_foreseen(error: BaseException) -> bool:
    """Say whether our code raised it on purpose, so that its words can be shown."""
    if isinstance(error, ValidationError):
        return False  # repeats what was entered
    if type(error).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return True
    if not isinstance(error, _FORESEEN):
        return False
    of_system = isinstance(error, OSError) and error.errno is not None
    return of_system or isinstance(error, MemoryError) or _is_on_purpose(error)


def passes_through_us(error: BaseException) -> bool:
    """Say whether our code was at work when it was raised."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and not any(link is each for each in chain):
        chain.append(link)
        link = link.__cause__ or link.__context__
    return any(_is_ours(file) for each in chain for file, _, _ in _frames(each))


def tell_uncaught(say: Callable[[str], object]) -> None:
    """Let whatever this process does not catch be told by :func:`told`.

    In the main thread, in others, and where nothing can be raised any more. `say`
    shows one line.
    """

    def in_main(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            say(told(error))
        else:
            sys.__excepthook__(kind, error, trace)

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


def _is_on_purpose(error: BaseException) -> bool:
    """Say whether a ``raise`` of ours or of a script made it, not a library's code.

    ``float("...")`` in a line of ours raises a ValueError, too, and repeats the text.
    """
    trace = error.__traceback__
    if trace is None:
        return True  # made to be shown, and never raised
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    is_foreign = code.co_filename.startswith(("<", *_LIBRARIES))
    if is_foreign and not _is_ours(code.co_filename):
        return False
    return code.co_code[trace.tb_lasti] == _RAISE


def _frames(error: BaseException) -> list[tuple[str, int, str]]:
    """Return file, line and function of each frame that an exception left."""
    frames = traceback.walk_tb(error.__traceback__)
    return [(f.f_code.co_filename, line, f.f_code.co_name) for f, line in frames]


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(_OURS)


def _place(error: BaseException) -> str:
    """Say where in our code an exception came up, or passed through at last."""
    own = [frame for frame in _frames(error) if _is_ours(frame[0])]
    if not own:
        return "napari-dmoe"
    file, line, function = own[-1]
    return f"{Path(file).relative_to(_OURS).as_posix()}:{line} ({function})"
