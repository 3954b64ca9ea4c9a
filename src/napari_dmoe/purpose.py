"""Whether an exception was raised on purpose, so that its words can be shown.

What a library or a mistake of ours raises may repeat a patient's values, or print an
image's pixels. What our code raises on purpose says what is wrong in its own words.
"""

from __future__ import annotations

import dis
import os
import sysconfig
from pathlib import Path

_FORESEEN = ValueError, OSError, MemoryError
"""Every error of ours is one of them, and says what is wrong and what to do."""

_OURS = Path(__file__).parent
_LIBRARIES = tuple(
    str(Path(sysconfig.get_path(name))) + os.sep
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_OF_LIBRARIES = frozenset(("site-packages", "dist-packages"))
"""Folders of libraries wherever they lie: a user's, the system's."""
_RAISE = dis.opmap["RAISE_VARARGS"]


def is_on_purpose(error: BaseException) -> bool:
    """Say whether our code, or a script, raised it with words of its own."""
    if type(error).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return True
    if not isinstance(error, _FORESEEN):
        return False
    of_system = isinstance(error, OSError) and error.errno is not None
    return of_system or isinstance(error, MemoryError) or _is_raised(error)


def reason(error: BaseException) -> str:
    """Return an exception's words where it was raised on purpose, else its kind.

    For sentences of ours that say why something failed, whatever it was.

    Examples
    --------
    >>> reason(ValueError("the mask is empty"))
    'the mask is empty'
    >>> reason(KeyError("Jane Doe"))
    'KeyError'
    """
    words = " ".join(str(error).split()) if is_on_purpose(error) else ""
    return words or type(error).__name__


def is_ours(file: str) -> bool:
    """Say whether a file of code is one of this package."""
    return Path(file).is_relative_to(_OURS)


def place_of(file: str) -> str:
    """Return where a file lies in this package."""
    return Path(file).relative_to(_OURS).as_posix()


def _is_raised(error: BaseException) -> bool:
    """Say whether a ``raise`` of ours or of a script made it, not a library's code.

    ``float("...")`` in a line of ours raises a ValueError, too, and repeats the text.
    """
    trace = error.__traceback__
    if trace is None:
        return True  # made to be shown, and never raised
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    if _is_of_library(code.co_filename) and not is_ours(code.co_filename):
        return False
    return code.co_code[trace.tb_lasti] == _RAISE


def _is_of_library(file: str) -> bool:
    is_within = file.startswith(("<", *_LIBRARIES))
    return is_within or not _OF_LIBRARIES.isdisjoint(Path(file).parts)
