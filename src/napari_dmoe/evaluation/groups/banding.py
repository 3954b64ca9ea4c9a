"""How the values of one attribute become groups: names, numbers, bands of numbers."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from napari_dmoe.attributes import (
    ATTRIBUTES,
    PatientError,
    attribute_called,
    is_unknown,
)
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.quantities import (
    Span,
    age_span,
    number_in,
    number_span,
    parse_age,
)

AGE_EDGES = (20.0, 40.0, 60.0, 80.0)
"""Years at which bands of age begin, where neither a user nor a card states them."""

FEW_NUMBERS = 12
"""Different whole numbers that are still taken for names, such as a grade's."""

_PARTS = 3
"""Bands of other numbers without stated ones, with about as many cases each."""

Stated = str | float | None


@dataclass(frozen=True)
class Grouped:
    """The groups of one attribute."""

    values: tuple[str, ...]
    """Groups there should be, in order."""
    of_case: tuple[str | None, ...]
    notices: tuple[str, ...] = ()


def grouped(
    name: str,
    values: Sequence[Stated],
    *,
    card: CardAttribute | None = None,
    edges: Sequence[float] | None = None,
) -> Grouped:
    """Return the group of each value of an attribute.

    Parameters
    ----------
    name : str
        The attribute, for the notices.
    values : sequence of str, float or None
        As they are stated; None and words such as ``unknown`` are not known.
    card : CardAttribute, optional
        States the values, and the bands of a number.
    edges : sequence of float, optional
        Where bands begin; they come before the card's.
    """
    # A cohort has few different values, and reading one takes its time.
    counts = Counter(value for value in values if not is_not_known(value))
    if card is not None and not edges:
        groups = _of_card(name, counts, card)
    elif edges:
        said = f"{name} in the bands that were stated"
        groups = _in_bands(name, counts, edges, said)
    elif attribute_called(name) == "age":
        groups = _ages(name, counts)
    else:
        numbers = {value: number_of(value) for value in counts}
        if len(set(numbers.values()) - {None}) > FEW_NUMBERS and all(
            number is not None for number in numbers.values()
        ):
            groups = _in_thirds(name, counts)
        else:
            groups = _by_name(name, counts)
    of_case = tuple(groups.of_value.get(value) for value in values)
    return Grouped(groups.order, of_case, groups.notices)


class _Groups(NamedTuple):
    """The groups, and which of them each different value belongs to."""

    order: tuple[str, ...]
    of_value: Mapping[Stated, str | None]
    notices: tuple[str, ...] = ()


def is_not_known(value: Stated) -> bool:
    """Say whether a stated value means "not known"."""
    return value is None or _is_unknown(value)


_is_unknown = lru_cache(maxsize=4096)(is_unknown)


def number_of(value: Stated) -> float | None:
    """Return a value as a number; None where it is none, or not known."""
    if is_unknown(value):
        return None
    if not isinstance(value, str):
        return None if value is None else float(value)
    try:
        return number_in(value)
    except PatientError:
        return None


def _of_card(name: str, counts: Counter[Stated], card: CardAttribute) -> _Groups:
    """Group by a card's values; what it does not know are groups of their own."""
    of_value: dict[Stated, str | None] = {}
    unfit, others = 0, Counter[str]()
    for value, n in counts.items():
        try:
            place = card.category(value)
        except PatientError:
            own = None if card.edges is not None else _spelt(name, value)
            if own is None:
                unfit += n
            else:
                others[own] += n
            of_value[value] = own
        else:
            of_value[value] = None if place is None else card.values[place]
    notices = []
    if card.edges is not None:
        notices.append(f"{name} in the bands of the model's card")
    if unfit:
        notices.append(_unfit(name, unfit))
    if others:
        notices.append(
            f"{name}: the model's card does not know {len(others)} of the values, "
            f"of {others.total()} cases; they are groups of their own"
        )
    order = (*card.values, *sorted(others, key=_natural))
    return _Groups(order, of_value, tuple(notices))


def _unfit(name: str, n: int) -> str:
    return f"{name}: in {n} cases what is known fits several bands, or none: unknown"


def _ages(name: str, counts: Counter[Stated]) -> _Groups:
    """Group by the default bands; by the stated ones where no age is a number."""
    spans = {v: age_span(v) for v in counts if isinstance(v, str)}
    stated = {v: span for v, span in spans.items() if span is not None}
    if counts and len(stated) == len(counts) and not _overlap(list(stated.values())):
        order = sorted(stated, key=lambda v: stated[v])
        of_value: dict[Stated, str | None] = {v: v for v in order}
        said = f"{name} in the bands that the cohort states"
        return _Groups(tuple(order), of_value, (said,))
    said = f"{name} in bands of 20 years, for want of stated ones"
    return _in_bands(name, counts, AGE_EDGES, said)


def _overlap(spans: Sequence[Span]) -> bool:
    return any(
        after.low < before.high for before, after in itertools.pairwise(sorted(spans))
    )


def _in_thirds(name: str, counts: Counter[Stated]) -> _Groups:
    numbers = [number_of(value) for value in counts.elements()]
    known = np.array([number for number in numbers if number is not None])
    shares = np.arange(1, _PARTS) / _PARTS
    found = np.quantile(known, shares, method="higher")
    edges = sorted({float(edge) for edge in found} - {float(known.min())})
    said = f"{name} in bands of about a third of the cases each, as none are stated"
    return _in_bands(name, counts, edges or [float(known.mean())], said)


def _in_bands(
    name: str, counts: Counter[Stated], edges: Sequence[float], said: str
) -> _Groups:
    is_age = attribute_called(name) == "age"
    names = band_names(edges, is_age=is_age)
    of_value: dict[Stated, str | None] = {}
    for value in counts:
        place = _place(value, edges, is_age)
        of_value[value] = None if place is None else names[place]
    unfit = sum(counts[value] for value, own in of_value.items() if own is None)
    notices = [f"{said}: {'; '.join(names)}"]
    if unfit:
        notices.append(_unfit(name, unfit))
    return _Groups(names, of_value, tuple(notices))


def _place(value: Stated, edges: Sequence[float], is_age: bool) -> int | None:
    """Return the band of a number, or of a band that lies within it."""
    span: Span | None = None
    number: float | None = None
    try:
        if isinstance(value, str):
            span = age_span(value) if is_age else number_span(value)
        if span is None:
            number = parse_age(value) if is_age else number_of(value)
    except PatientError:
        return None
    if span is None:
        return None if number is None else bisect_right(edges, number)
    first = bisect_right(edges, span.low)
    end = edges[first] if first < len(edges) else math.inf
    is_within = span.high < end or (span.high == end and not span.has_high)
    return first if is_within else None


def band_names(edges: Sequence[float], *, is_age: bool) -> tuple[str, ...]:
    """Return what bands ``[low, high)`` are called.

    Examples
    --------
    >>> band_names((60, 70), is_age=True)
    ('under 60', '60-69', '70 and over')
    >>> band_names((4, 10), is_age=False)
    ('under 4', '4 to under 10', '10 and over')
    """
    names = [f"under {edges[0]:g}"]
    for low, high in itertools.pairwise(edges):
        # Ages are told in whole years that have passed.
        is_whole = is_age and float(low).is_integer() and float(high).is_integer()
        last = f"{low:g}-{high - 1:g}" if high - 1 > low else f"{low:g}"
        names.append(last if is_whole else f"{low:g} to under {high:g}")
    return (*names, f"{edges[-1]:g} and over")


def _by_name(name: str, counts: Counter[Stated]) -> _Groups:
    """Group by value; spellings that differ in case and spaces alone are one."""
    spelt = {value: _spelt(name, value) for value in counts}
    often = Counter[str]()
    for value, own in spelt.items():
        if own is not None:
            often[own] += counts[value]
    usual: dict[str, str] = {}
    for own, _ in sorted(often.items(), key=lambda each: (-each[1], each[0])):
        usual.setdefault(own.casefold(), own)
    of_value = {v: own and usual[own.casefold()] for v, own in spelt.items()}
    known = ATTRIBUTES.get(attribute_called(name))
    first = [v for v in (known.values if known else ()) if v in usual.values()]
    others = sorted(set(usual.values()) - set(first), key=_natural)
    return _Groups((*first, *others), of_value)


def _spelt(name: str, value: Stated) -> str | None:
    if value is None or is_unknown(value):
        return None
    if not isinstance(value, str):
        return f"{value:g}"
    known = ATTRIBUTES.get(attribute_called(name))
    # Values stand with commas between in the names of crossed groups.
    plain = " ".join(value.split()).replace(",", ";")
    number = None if known else number_of(plain)
    if number is not None:
        return f"{number:g}"
    return known.spell(plain) if known else plain


def _natural(value: str) -> tuple[float, str]:
    """Order numbers by their size, and before names."""
    number = number_of(value)
    return (math.inf if number is None else number, value.casefold())
