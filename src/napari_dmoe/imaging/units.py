"""Units of length by the many names that people and programs give them, and lengths."""

from __future__ import annotations

import re

MM3_PER_ML = 1000.0
_MM = {
    "m": 1e3,
    "dm": 100.0,
    "cm": 10.0,
    "mm": 1.0,
    "um": 1e-3,
    "nm": 1e-6,
    "pm": 1e-9,
    "å": 1e-7,
    "inch": 25.4,
    "ft": 304.8,
}
_NAMES = {
    "meter": "m",
    "metre": "m",
    "centimeter": "cm",
    "centimetre": "cm",
    "millimeter": "mm",
    "millimetre": "mm",
    "micron": "um",
    "micrometer": "um",
    "micrometre": "um",
    "nanometer": "nm",
    "nanometre": "nm",
    "angstrom": "å",
    "in": "inch",
    '"': "inch",
}
_ESCAPED_MICRO = re.compile(r"\\u00b5", re.IGNORECASE)
"""As ImageJ writes it."""
_LENGTH = re.compile(
    r"([-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?)\s*(\D*)", re.IGNORECASE
)
_NO_LENGTH = ("", "px", "pixel", "voxel", "none", "unknown", "reference frame")


def unit_name(unit: str | None) -> str | None:
    """Return the short name of a unit of length, such as mm, um or inch.

    None where there is none, and for pixels.

    Raises
    ------
    ValueError
        For any other unit.

    Examples
    --------
    >>> unit_name("µm"), unit_name("microns"), unit_name("px")
    ('um', 'um', None)
    """
    name = _ESCAPED_MICRO.sub("u", (unit or "").strip())
    name = name.replace("µ", "u").replace("μ", "u").lower()
    plural = (name.removesuffix(end) for end in ("es", "s"))
    for each in (name, *filter(None, plural)):  # "s" alone is a second
        if each in _MM:
            return each
        if each in _NAMES:
            return _NAMES[each]
        if each in _NO_LENGTH:
            return None
    raise ValueError(f"{unit!r} is no unit of length that is known here")


def millimetres(unit: str | None) -> float | None:
    """Return the millimetres of a unit; None where it is no length that is known.

    Examples
    --------
    >>> millimetres("um"), millimetres("inch"), millimetres("pixel")
    (0.001, 25.4, None)
    """
    try:
        name = unit_name(unit)
    except ValueError:
        return None
    return None if name is None else _MM[name]


def length_in_mm(text: str) -> float:
    """Read a length that a person wrote, in mm where no unit is named.

    Point and comma both begin the decimals, whatever the language of the desktop.

    Raises
    ------
    ValueError
        For what is no length above 0.

    Examples
    --------
    >>> length_in_mm("0.05"), length_in_mm("0,05 mm"), length_in_mm("50 µm")
    (0.05, 0.05, 0.05)
    """
    found = _LENGTH.fullmatch(text.strip())
    unit = millimetres(found[2] or "mm") if found else None
    if found is None or unit is None:
        raise ValueError("Write a length, such as 0.05 or 50 µm.")
    length = round(float(found[1].replace(",", ".")) * unit, 12)
    if not 0 < length < float("inf"):
        raise ValueError("A size is larger than 0.")
    return length
