"""Numbers of a patient: ages, measures with a unit, and bands such as ``85+``.

What is known of a number may be the number, or that it lies above, below or between
others. Both are sorted into the values of a card, which begin at its edges; what lies
in several of them is refused, never guessed.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import NamedTuple

from napari_dmoe.attributes import PatientError, is_unknown

OLDEST_YEARS = 130.0
"""Ages above this are taken for typing errors (the oldest verified person was 122)."""

_AGE = re.compile(r"(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[a-z]*)\.?")
_YEARS_PER = {
    **dict.fromkeys(("", "y", "yr", "yrs", "year", "years", "a"), 1.0),
    **dict.fromkeys(("m", "mo", "mos", "month", "months"), 1 / 12),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 7 / 365.25),
    **dict.fromkeys(("d", "day", "days"), 1 / 365.25),
}
_NUMBER = re.compile(r"(?P<number>[-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?)\s*(?P<unit>.*)")
_THOUSANDS = re.compile(r"[-+]?\d{1,3},\d{3}")
_N = r"(?P<number>\d+(?:[.,]\d+)?)"
_U = r"\s*(?P<unit>(?!and\b|or\b|to\b|plus\b)[^\s\d+][^\s+]*)?\s*"
_ABOVE = "(?:over|above|older|more|greater|up|higher)"
_UNDER = "(?:under|below|younger|less|lower|fewer)"
_PATTERNS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("from", rf"(?:>=|≥|from|at least|not under)\s*{_N}{_U}"),
        ("from", rf"{_N}{_U}(?:\+|plus|(?:and|or|&)\s*{_ABOVE})"),
        ("from", rf"{_N}\s*(?:\+|plus\b)\s*(?P<unit>[^\s\d+][^\s+]*)"),
        ("above", rf"(?:>|over|above|(?:older|more|greater|higher) than)\s*{_N}{_U}"),
        ("below", rf"(?:<|under|below|(?:younger|less|fewer|lower) than)\s*{_N}{_U}"),
        ("up to", rf"(?:<=|≤|up to|at most|not over)\s*{_N}{_U}"),
        ("up to", rf"{_N}{_U}(?:and|or|&)\s*{_UNDER}"),
        ("between", rf"{_N}\s*(?:-|to)\s*(?P<other>\d+(?:[.,]\d+)?){_U}"),
    )
)
"""How bands are written, once spaces and dashes are plain."""


class AmbiguousError(PatientError):
    """What is known of a number fits several bands."""

    def __init__(self) -> None:
        super().__init__("it lies in several bands")


class Span(NamedTuple):
    """All numbers from one to another."""

    low: float
    high: float
    has_high: bool = False
    """Whether the upper end is one of them; the lower always is."""
    is_range: bool = False
    """Whether a person named both ends."""


def parse_age(value: object) -> float | None:
    """Read an age in years.

    Parameters
    ----------
    value : int, float, str or None
        Years as a number, or text with a unit: ``"63"``, ``"63 y"``, ``"18 months"``,
        ``"003W"``, ``"045Y"`` (a DICOM age string).

    Returns
    -------
    float or None
        Age in years; None for an unknown age, and for DICOM's ``"000Y"``, which
        scanners write both for newborns and for "not entered".

    Raises
    ------
    PatientError
        For text without a number, an unknown unit, or an age outside 0-130 years.
    """
    if is_unknown(value):
        return None
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        years = float(value)
    else:
        text = str(value).strip().lower()
        if text == "000y":
            return None
        years = _years_in(text)
    if not 0 <= years <= OLDEST_YEARS:
        raise PatientError(f"the age must lie between 0 and {OLDEST_YEARS:.0f} years")
    return years


def age_or_band(value: object) -> float | str | None:
    """Read an age, or the band that it lies in where only that is known.

    Parameters
    ----------
    value : int, float, str or None
        What :func:`parse_age` reads, or a band: ``"60-79"``, ``"below 60"``,
        ``"from 60"``, ``"80 and over"``, ``"89+"``, ``"<20"``, ``"6-12 months"``.

    Returns
    -------
    float, str or None
        Years, the band in lower case, or None for an unknown age.

    Raises
    ------
    PatientError
        When it is neither.
    """
    if isinstance(value, str):
        span = age_span(value)
        if span is not None:
            parse_age(span.low)
            return _plain(value)
    return parse_age(value)


def years_per(unit: str | None) -> float | None:
    """Return how many years a unit of age is; None for no such unit, 1 for none."""
    return _YEARS_PER.get((unit or "").strip().casefold().rstrip("."))


def age_span(text: str) -> Span | None:
    """Return which ages a band holds, in years; None where it is no band.

    Notes
    -----
    Ages are told in whole years, months, weeks or days that have passed: ``"60-79"``
    ends at the 80th birthday, and ``">89"`` begins at the 90th.
    """
    found = _found(text)
    if found is None:
        return None
    kind, number, other, unit = found
    per = _YEARS_PER.get(unit.rstrip("."))
    if per is None:
        return None
    if kind == "above" and number.is_integer():
        number += 1
    if kind in ("up to", "between") and other.is_integer():
        other += 1
    return Span(number * per, other * per, is_range=kind == "between")


def number_in(text: str, unit: str | None = None) -> float | None:
    """Read a number that may have its unit behind it; None where it is no number.

    Raises
    ------
    PatientError
        When another unit is stated than `unit`, or nobody can tell whether a comma
        stands before fractions or thousands.

    Examples
    --------
    >>> number_in("31 kg/m²", "kg/m2"), number_in("7,4"), number_in("old")
    (31.0, 7.4, None)
    """
    found = _NUMBER.fullmatch(_plain(text))
    if found is None:
        return None
    _check_unit(found["unit"], unit)
    if _THOUSANDS.fullmatch(found["number"]):
        raise PatientError(
            "a number with a comma before three digits can be read in two ways: write "
            "it with a point, or without one"
        )
    number = float(found["number"].replace(",", "."))
    return number if math.isfinite(number) else None


def number_or_band(text: str, unit: str | None = None) -> float | str | None:
    """Read a number in `unit`, or the band that it lies in; None where it is unknown.

    Raises
    ------
    PatientError
        When it is neither, or told in another unit.
    """
    if is_unknown(text):
        return None
    if number_span(text, unit) is not None:
        return _plain(text)
    number = number_in(text, unit)
    if number is None:
        shown = f" in {unit}" if unit else ""
        raise PatientError(
            f"the number cannot be read: expected one such as 7.4{shown}, or a band "
            "such as 25-29 or 30+"
        )
    return number


def number_span(text: str, unit: str | None = None) -> Span | None:
    """Return which numbers a band holds, in `unit`; None where it is no band.

    Raises
    ------
    PatientError
        When another unit is stated.
    """
    found = _found(text)
    if found is None:
        return None
    kind, number, other, written = found
    _check_unit(written, unit)
    if kind in ("below", "up to"):
        return Span(-math.inf, other, has_high=kind == "up to")
    return Span(number, other, has_high=kind == "between")


def place_among(
    edges: Sequence[float], value: float | str, unit: str | None, *, is_age: bool
) -> int | None:
    """Return which of the bands between edges a number, or what is known of it, is in.

    Parameters
    ----------
    edges : sequence of float
        Rising; band ``i`` is ``edges[i - 1] <= number < edges[i]``.
    value : float or str
        The number, in years for an age and else in `unit`; or text, of ages a band.
    unit : str or None
        Of the edges.
    is_age : bool
        Whether it is an age; then edges may be in months, weeks or days.

    Returns
    -------
    int or None
        The band's place; None where the text is neither a number nor a band, and for a
        range of ages that is none of the bands.

    Raises
    ------
    PatientError
        When it lies in several bands, or is told in another unit.
    """
    per = years_per(unit) or 1.0 if is_age else 1.0
    read: float | Span | None = value if not isinstance(value, str) else None
    if isinstance(value, str):
        # Ages in figures are numbers by now: a patient has read them.
        read = age_span(value) if is_age else number_span(value, unit)
        read = read if read or is_age else number_in(value, unit)
    if isinstance(read, Span):
        low, high = _in_unit(read.low, per), _in_unit(read.high, per)
        first = bisect_right(edges, low)
        end = edges[first] if first < len(edges) else math.inf
        if is_age and read.is_range:  # it is a band of the card, or none of its
            begin = edges[first - 1] if first else 0.0
            return first if (low, high) == (begin, end) else None
        is_within = high < end or (high == end and not read.has_high)
        if not is_within:
            raise AmbiguousError
        return first
    return None if read is None else bisect_right(edges, _in_unit(read, per))


def band_in_words(edges: Sequence[float], place: int, unit: str | None) -> str:
    """Return a band of ages between edges as :func:`age_or_band` reads it.

    Examples
    --------
    >>> [band_in_words((24, 216), place, "months") for place in range(3)]
    ['under 24 months', '24-215 months', 'from 216 months']
    """
    unit = f" {unit}" if unit else ""
    if place == 0:
        return f"under {edges[0]:g}{unit}"
    low = edges[place - 1]
    if place == len(edges):
        return f"from {low:g}{unit}"
    high = edges[place] - 1 if float(edges[place]).is_integer() else edges[place]
    return f"{low:g}-{high:g}{unit}"


def _in_unit(years: float, per: float) -> float:
    # Twelve twelfths of a year are to be one, whatever their product is.
    return years if per == 1.0 else round(years / per, 9)


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("–", "-").replace("—", "-").split())


def _found(text: str) -> tuple[str, float, float, str] | None:
    """Return what kind of band a text names, its ends, and its unit as written."""
    plain = _plain(text)
    for kind, pattern in _PATTERNS:
        found = pattern.fullmatch(plain)
        if found is None:
            continue
        number = float(found["number"].replace(",", "."))
        unit = (found["unit"] or "").strip()
        if kind in ("below", "up to"):
            return kind, 0.0, number, unit
        if kind != "between":
            return kind, number, math.inf, unit
        other = float(found["other"].replace(",", "."))
        return (kind, number, other, unit) if number <= other else None
    return None


def _check_unit(written: str, unit: str | None) -> None:
    # A point at the end of a number is no unit.
    key = _unit_key(written)
    if key and key != _unit_key(unit or ""):
        known = f"this one is told in {unit}" if unit else "the card states none"
        raise PatientError(
            f"a number is told in another unit than the model's: {known}"
        )


def _unit_key(unit: str) -> str:
    plain = unit.casefold().replace("²", "2").replace("³", "3").replace("µ", "u")
    return re.sub(r"[\s^.*]", "", plain.replace("μ", "u"))


def _years_in(text: str) -> float:
    found = _AGE.fullmatch(text)
    is_read = found is not None and found["unit"] in _YEARS_PER
    if found is None or not is_read or _THOUSANDS.fullmatch(found["number"]):
        raise PatientError(
            "the age cannot be read: expected years such as 63 or 63 y, or a number "
            "with months, weeks or days such as 18 months"
        )
    number = float(found["number"].replace(",", "."))
    return number * _YEARS_PER[found["unit"]]


_THREE_DIGITS = 100  # from here on, digits behind the point say nothing


def sized(size: float) -> str:
    """Return an area or volume in three digits, without its unit.

    Examples
    --------
    >>> sized(1.9234), sized(317), sized(164.6)
    ('1.92', '317', '165')
    """
    is_whole = size == round(size) or abs(size) >= _THREE_DIGITS
    return f"{size:.0f}" if is_whole else f"{size:#.3g}"


def percent(share: float) -> str:
    """Return a share in two digits or three.

    Examples
    --------
    >>> percent(0.611), percent(0.00794)
    ('61 %', '0.79 %')
    """
    digits = f"{100 * share:.0f}" if share >= 0.1 else f"{100 * share:.2g}"
    return f"{digits} %"
