"""From what stands in the fields to what a card states, and what is wrong with it.

Knows no Qt; the checks of cards themselves are not made here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from napari_dmoe.viewer.segment.card.fields import Field, all_fields

GENERIC = "generic"
"""Name of cards that nobody wrote."""

_SEPARATORS = re.compile(r"[,;×\s]+")

_NOTHING = "nothing is written here yet"

_NO_NAME = "this is the name of cards that nobody wrote: choose another"


def stated(
    texts: Mapping[str, str], card: Mapping[str, Any], dims: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the card that is written, as JSON holds it, and what cannot be read.

    Parameters
    ----------
    texts : mapping of str to str
        What stands in the fields, by their keys.
    card : mapping
        The card before, whose other facts are kept.
    dims : {2, 3}
        Axes of its images.

    Returns
    -------
    dict
        The card.
    dict of str to str
        A sentence for each field that cannot be read.
    """
    n_drivers = len({key.split(".")[1] for key in texts if key.startswith("attr")})
    fields, faults = all_fields(dims, n_drivers), dict[str, str]()
    made = dict(card) | {"attributes": [{} for _ in range(n_drivers)]}
    made["preprocessing"] = dict(card.get("preprocessing") or {})
    if dims == 3:
        made["preprocessing"]["foreground"] = {}
    for key, field in fields.items():
        if field.key in _NEEDED and not texts.get(key, "").strip():
            faults[key] = _NOTHING
        try:
            value = _value(texts.get(key, ""), field)
        except ValueError as error:
            faults[key] = str(error)
            continue
        _put(made, key, value)
    ground = made["preprocessing"].get("foreground")
    if ground is not None and not (ground.get("crop") or ground.get("measured")):
        made["preprocessing"]["foreground"] = None
    if made["name"] == GENERIC:
        faults.setdefault("name", _NO_NAME)
    return made, faults


def place_of(fault: tuple[str, ...], sentence: str, keys: Mapping[str, object]) -> str:
    """Return the field that a fault is shown at; empty where it is at none.

    Of a rule of several fields together it is the one that the sentence names.
    """
    key = ".".join(fault)
    while key and key not in keys:
        inside = [each for each in keys if each.startswith(f"{key}.")]
        named = [each for each in inside if _word(each) in sentence]
        if inside:
            preferred = [each for each in inside if each.endswith(_MAIN)]
            return (named or preferred or inside)[0]
        key = key.rpartition(".")[0]
    return key


def _word(key: str) -> str:
    """Return what a field is called in sentences of cards."""
    last = key.rpartition(".")[2]
    return _WORDS.get(last, f"no sentence has the word {last}")


_WORDS = {
    "edges": "edges",
    "unit": "no unit",
    "n_routers": "routers for",
    "frequencies": "frequencies",
}

_NEEDED = ("title", "name", "classes", "values")

_MAIN = (".values", ".window")
"""Fields that stand for what they are a part of."""


def _put(made: dict[str, Any], key: str, value: Any) -> None:
    *way, last = key.split(".")
    at: Any = made
    for part in way:
        at = at[int(part)] if part.isdigit() else at[part]
    if value is _ABSENT:
        at.pop(last, None)
    else:
        at[last] = value


_MAY_BE_NULL = (
    *("modality", "edges", "unit", "n_routers", "frequencies"),
    *("crop", "spacing", "window", "percentiles"),
)

_ABSENT = object()
"""Of a field that is left blank, whose model then has its default."""


def _value(text: str, field: Field) -> Any:
    """Read what stands in a field; raises ``ValueError`` for what it cannot be."""
    text = text.strip()
    if field.kind == "tick":
        return bool(text)
    if field.kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if not text:
        return None if field.key.rpartition(".")[2] in _MAY_BE_NULL else _ABSENT
    if field.kind == "numbers":
        return [_number(each) for each in _SEPARATORS.split(text) if each]
    if field.kind == "number" or (field.kind == "side" and text != "square"):
        return _number(text)
    return text


def _number(text: str) -> int | float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"“{text[:20]}” is no number") from None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
