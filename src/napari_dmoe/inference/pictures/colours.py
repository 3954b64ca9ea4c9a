"""What colours mean, the same in the viewer, in pictures and reports.

Classes and experts have no colour in common. Within each palette, and between both, any
two are told apart with normal vision and by people who lack one kind of cones: their
CIEDE2000 is at least :data:`LEAST_APART`, as the tests find by simulation. Seen faintly
over an image they are nearer to each other, so that experts are named by number, too.
Those of a measure stand in its :class:`ColourKey`.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from napari_dmoe.imaging.segments.colours import (
    ALTERED_COLOURS as ALTERED_COLOURS,
)
from napari_dmoe.imaging.segments.colours import (
    CLASS_COLOURS as CLASS_COLOURS,
)
from napari_dmoe.imaging.segments.colours import (
    Rgb as Rgb,
)
from napari_dmoe.imaging.segments.colours import (
    altered_colours as altered_colours,
)
from napari_dmoe.imaging.segments.colours import (
    class_colours as class_colours,
)

LEAST_APART = 9.0
"""CIEDE2000 of any two colours of the palettes, whoever looks at them."""

EXPERT_COLOURS: tuple[Rgb, ...] = (
    (205, 28, 59),  # crimson
    (11, 17, 251),  # blue
    (160, 185, 68),  # olive
    (121, 38, 94),  # plum
    (85, 255, 255),  # cyan
    (168, 132, 17),  # ochre
    (18, 116, 63),  # forest green
    (0, 218, 144),  # spring green
)
"""Colours of experts 0, 1, ...; none of them is that of a class."""

DIFFERENCE_COLOURS: tuple[Rgb, ...] = ((21, 100, 196), (169, 167, 0), (92, 59, 105))
"""Colours of what only the first mask, only the second, and both in another class have:
none of them is near the colour of a first class, or one in a mask that was altered."""

MARK_COLOUR: Rgb = (213, 94, 0)
"""Marks a place in a plot or a picture; it is no class and no expert."""

GREY: Rgb = (128, 128, 128)
"""What an image is taken for where a colour lies faintly over it."""

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


def expert_colours(n_experts: int, *, opacity: float = 1.0) -> tuple[Rgb, ...]:
    """Return the colour of each expert, over grey; beyond eight they repeat.

    The opacity, in [0, 1], is that of the map in which they are seen.
    """
    n = len(EXPERT_COLOURS)
    seen = (EXPERT_COLOURS[expert % n] for expert in range(n_experts))
    return tuple(over_grey(colour, opacity) for colour in seen)


def over_grey(colour: Rgb, opacity: float) -> Rgb:
    """Return what a colour looks like over a grey image; its opacity is in [0, 1]."""
    pairs = zip(colour, GREY, strict=True)
    red, green, blue = (round(opacity * c + (1 - opacity) * g) for c, g in pairs)
    return red, green, blue


def pair_colours(n: int, *, opacity: float = 1.0) -> tuple[Rgb, ...]:
    """Return the colour of each of `n` pairs of experts, over grey.

    Nobody can tell so many apart, so that pairs are named. Hues go on by the golden
    ratio: pairs which follow each other, and share an expert, look different; they
    differ in lightness, too.
    """
    found = []
    for place in range(n):
        lightness = _LIGHTNESS[place % len(_LIGHTNESS)]
        parts = colorsys.hls_to_rgb(place * _GOLDEN % 1, lightness, _SATURATION)
        red, green, blue = (round(255 * part) for part in parts)
        found.append(over_grey((red, green, blue), opacity))
    return tuple(found)


def ink_on(colour: Rgb) -> Rgb:
    """Return black or white, whichever is read more easily on a colour."""
    parts = (each / 255 for each in colour)
    red, green, blue = (((p + 0.055) / 1.055) ** 2.4 for p in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    # Where both have the same contrast by WCAG 2: sqrt(1.05 * 0.05) - 0.05.
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def hex_of(colour: Rgb) -> str:
    """Return a colour as matplotlib and Qt's rich text take it: ``#e69f00``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
