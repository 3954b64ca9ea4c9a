"""Exceptions that reach napari from our code, told without what they hold.

napari shows what a callback raises with its traceback, in a notification and in the
terminal. One that passed through our code is handed on in words only; what happens
elsewhere is none of our business and stays as it is. Knows no Qt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from napari.utils.notifications import notification_manager

from napari_dmoe.faults import passes_through_us, shown

Hook = Callable[..., Any]
T = TypeVar("T")


class _Telling:
    """An exception hook in front of another."""

    def __init__(self, behind: Hook) -> None:
        self._behind = behind

    def __call__(
        self,
        kind: type[BaseException],
        error: BaseException,
        trace: Any = None,
        *more: Any,
    ) -> None:
        if isinstance(error, Exception) and passes_through_us(error):
            error = shown(error)
            kind, trace = type(error), None
        self._behind(kind, error, trace, *more)


def tell_ours_in_words() -> None:
    """Stand before napari's hook, and before the one of this process, once.

    napari sets its own whenever its event loop begins.
    """
    receive = notification_manager.receive_error
    if not isinstance(receive, _Telling):
        telling = _Telling(receive)
        notification_manager.receive_error = telling
        if sys.excepthook == receive:
            sys.excepthook = telling
    if not isinstance(sys.excepthook, _Telling):
        sys.excepthook = _Telling(sys.excepthook)


def in_words(work: Callable[..., T], *arguments: Any) -> T:
    """Do what napari asked for; raise what goes wrong in words alone.

    napari logs what a reader raises where files are named at its start, with the
    traceback and its causes: no hook would see it.
    """
    tell_ours_in_words()
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - raised below, where it has no context
        failed = shown(error)
    raise failed
