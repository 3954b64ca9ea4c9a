"""What a piece of work takes along into its thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass


def parts_of(thing: object) -> Iterator[object]:
    """Go through partials, closures, methods, dataclasses and sequences."""
    yield thing
    inner: list[object] = [getattr(thing, name, None) for name in ("__self__", "func")]
    inner += [*getattr(thing, "args", ()), *getattr(thing, "keywords", {}).values()]
    inner += [cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()]
    if isinstance(thing, tuple | list):
        inner += thing
    elif is_dataclass(thing) and not isinstance(thing, type):
        inner += [getattr(thing, each.name) for each in fields(thing)]
    for each in inner:
        if each is not None:
            yield from parts_of(each)
