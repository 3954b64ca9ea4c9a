"""What others wrote: names that are shown safely, and JSON that is read strictly.

Names in files and of files may hold anything. JSON is read more strictly than Python
does it, so that nothing in it is silently something else: no field twice, no NaN,
nothing too large or too deep to be what it should be.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LONGEST = 200
"""Characters of a foreign name that a message repeats."""

MOST_BYTES = 8 * 2**20
"""Size of a JSON file that is read; cards and settings have some thousand bytes."""

DEEPEST = 40
"""Objects and lists in one another; a card needs six."""

_UNSEEN = ("Cc", "Cs", "Zl", "Zp")
"""Control codes, halves of characters, and lines' ends."""
_TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of what stands beside them."""


class JSONError(ValueError):
    """A text is no JSON that can be used; says why, without the file's name."""


def is_seen(character: str) -> bool:
    """Say whether a character shows as itself, and moves no terminal's cursor."""
    return unicodedata.category(character) not in _UNSEEN and character not in _TURNED


def printable(text: str, longest: int | None = LONGEST) -> str:
    r"""Return text in one line that no terminal obeys.

    What is not seen is written as Python escapes it, and what is longer than `longest`
    characters is cut; nothing where that is None.

    Examples
    --------
    >>> print(printable("scan" + chr(27) + "[31m.png"))
    scan\x1b[31m.png
    """
    cut = text if longest is None else text[:longest]
    shown = "".join(
        each if is_seen(each) else each.encode("unicode_escape").decode("ascii")
        for each in cut
    )
    return shown + ("..." if len(cut) < len(text) else "")


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
    return parse_json(content)


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text states.

    Raises
    ------
    JSONError
        When it is no JSON in UTF-8, states a field twice or a number that is none, or
        is nested deeper than anything of use.

    Examples
    --------
    >>> parse_json('{"epochs": 3}')
    {'epochs': 3}
    """
    try:
        whole = text if isinstance(text, str) else text.decode("utf-8-sig")
        found = json.loads(whole, object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise JSONError("it is no text in UTF-8") from error
    except RecursionError as error:
        raise JSONError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise JSONError(f"it is no JSON from line {error.lineno} on") from error
    except JSONError:
        raise
    except ValueError as error:  # such as a number of thousands of digits
        raise JSONError("it holds a number of too many digits") from error
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
    for key, value in pairs:
        if key in found:
            raise JSONError(f"it states {printable(key)} twice")
        found[key] = value
    return found


def _no_number(constant: str) -> Any:
    raise JSONError(f"{constant} is no number")
