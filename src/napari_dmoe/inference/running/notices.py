"""What a person should know of a run, said once."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


def said_once(notices: Iterable[str]) -> tuple[str, ...]:
    """Fold notices that differ in their numbers alone, as those of many planes do.

    Parameters
    ----------
    notices : iterable of str
        Notices in the order in which they came up.

    Returns
    -------
    tuple of str
        The first of each kind, with a word on how many more there were.

    Examples
    --------
    >>> said_once(["values reach 300", "values reach 301", "the image is constant"])
    ('values reach 300 (and likewise 1 more time)', 'the image is constant')
    """
    kinds: dict[str, list[str]] = {}
    for notice in notices:
        same = kinds.setdefault(_NUMBER.sub("#", notice), [])
        if notice not in same:
            same.append(notice)
    return tuple(_folded(*same) for same in kinds.values())


def _folded(first: str, *more: str) -> str:
    if not more:
        return first
    times = "time" if len(more) == 1 else "times"
    return f"{first} (and likewise {len(more)} more {times})"
