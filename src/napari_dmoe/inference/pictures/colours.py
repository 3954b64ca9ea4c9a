"""What colours mean, the same in the viewer, in pictures and reports.

Those of classes and experts are Okabe and Ito's but for the last; people with any
colour vision can tell them apart. Those of a measure stand in its :class:`ColourKey`.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

Rgb = tuple[int, int, int]

OKABE_ITO: tuple[Rgb, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (204, 121, 167),  # reddish purple
    (136, 34, 85),  # Paul Tol's wine, where the original has black: seen on grey scans
)

CLASS_COLOURS = (OKABE_ITO[1], OKABE_ITO[3], OKABE_ITO[2], OKABE_ITO[6])
"""Colours of classes 1, 2, ...: those that stand out on fundi, skin and grey images."""

ALTERED_COLOURS = (
    (238, 51, 119),  # Paul Tol's magenta: stands out on fundi, skin and grey images
    OKABE_ITO[5],
    OKABE_ITO[7],
)
"""Colours of classes 1, 2, ... in a mask that is not the plain model's: none of them is
one of :data:`CLASS_COLOURS`."""

DIFFERENCE_COLOURS = (OKABE_ITO[4], OKABE_ITO[0], OKABE_ITO[6])
"""Colours of what only the first mask, only the second, and both in another class have:
none of them is the colour of a class in the models that come with the package. Blue is
near the first mask's colours, orange near those of a mask that was altered."""

CT_WINDOW = (-160.0, 240.0)
"""Hounsfield units that are black and white: the usual window for soft tissue."""

AIR = -500
"""Images that reach below this are taken for CT."""

_LIGHTNESS = (0.42, 0.72, 0.57)
_SATURATION = 0.75
_GOLDEN = 0.618034


@dataclass(frozen=True)
class ColourKey:
    """What the colours of a map mean, for a bar of them in a widget or a picture."""

    title: str
    """What the map shows."""
    ramp: tuple[Rgb, ...]
    """Its colours, from the least to the largest value."""
    limits: tuple[float, float]
    """Those two values."""
    ends: tuple[str, str]
    """The same in words, the last with the unit."""

    @classmethod
    def from_0(
        cls,
        title: str,
        ramp: tuple[Rgb, ...],
        most: float,
        unit: str,
        *,
        digits: int = 3,
    ) -> ColourKey:
        """Return the key of values from 0 on; `unit` is in the plural, or empty."""
        number = f"{most:.{digits}g}"
        unit = unit.removesuffix("s") if number == "1" else unit
        ends = ("0", f"{number} {unit}".rstrip())
        return cls(title, ramp, (0.0, float(most)), ends)


def class_colours(classes: Sequence[str]) -> dict[int, Rgb]:
    """Return the colour of each label but the background, which has none."""
    return _repeated(CLASS_COLOURS, classes)


def altered_colours(classes: Sequence[str]) -> dict[int, Rgb]:
    """Return the colour of each label in a mask that is not the plain model's."""
    return _repeated(ALTERED_COLOURS, classes)


def _repeated(colours: Sequence[Rgb], classes: Sequence[str]) -> dict[int, Rgb]:
    labels = range(1, len(classes))
    return {label: colours[(label - 1) % len(colours)] for label in labels}


def expert_colours(n_experts: int) -> tuple[Rgb, ...]:
    """Return the colour of each expert; beyond eight they repeat."""
    return tuple(OKABE_ITO[expert % len(OKABE_ITO)] for expert in range(n_experts))


def unlike_colours(n: int) -> tuple[Rgb, ...]:
    """Return any number of colours, of which neighbours look different.

    Hues go on by the golden ratio, so that pairs of experts which follow each other,
    and share one, look different; they differ in lightness, too.
    """
    found = []
    for place in range(n):
        lightness = _LIGHTNESS[place % len(_LIGHTNESS)]
        parts = colorsys.hls_to_rgb(place * _GOLDEN % 1, lightness, _SATURATION)
        red, green, blue = (round(255 * part) for part in parts)
        found.append((red, green, blue))
    return tuple(found)


def hex_of(colour: Rgb) -> str:
    """Return a colour as matplotlib and Qt's rich text take it: ``#e69f00``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
