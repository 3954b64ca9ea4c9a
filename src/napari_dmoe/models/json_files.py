"""JSON that people wrote or others sent: cards, recipes, settings and tasks.

Stricter than Python's own reader, so that nothing in it is silently something else: no
field twice, no NaN, nothing too large or too deep to be what it should be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_dmoe.models.refusals import printable

MOST_BYTES = 8 * 2**20
"""Size of a JSON file that is read; cards and settings have some thousand bytes."""

DEEPEST = 40
"""Objects and lists in one another; a card needs six."""


class JSONError(ValueError):
    """A text is no JSON that can be used; says why, without the file's name."""


def read_json(path: Path) -> Any:
    """Read a JSON file of a few MB at most.

    Raises
    ------
    OSError
        When there is no such file.
    JSONError
        When it is too large, no text, or no JSON.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise JSONError(f"it has more than {MOST_BYTES // 2**20} MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JSONError("it is not text") from error
    return parse_json(text)


def parse_json(text: str) -> Any:
    """Return what a JSON text states.

    Raises
    ------
    JSONError
        When it is no JSON, states a field twice or a number that is none, or is
        nested deeper than anything of use.

    Examples
    --------
    >>> parse_json('{"epochs": 3}')
    {'epochs': 3}
    """
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as error:
        raise JSONError("it is nested too deeply") from error
    except JSONError:
        raise
    except ValueError as error:
        raise JSONError(str(error)) from error
    level = [found]
    for _ in range(DEEPEST):
        level = [
            inside
            for each in level
            if isinstance(each, dict | list)
            for inside in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return found
    raise JSONError("it is nested too deeply")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise JSONError(f"it states {printable(name)} twice")
        found[name] = value
    return found


def _no_number(name: str) -> Any:
    raise JSONError(f"{name} is no number")
