"""The colours of classes and experts, the same in the viewer, in pictures and reports.

They are Okabe and Ito's but for the last; people with any colour vision can tell them
apart.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def class_colours(classes: Sequence[str]) -> dict[int, Rgb]:
    """Return the colour of each label but the background, which has none."""
    return {
        label: CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)]
        for label in range(1, len(classes))
    }


def altered_colours(classes: Sequence[str]) -> dict[int, Rgb]:
    """Return the colour of each label in a mask that is not the plain model's."""
    return {
        label: ALTERED_COLOURS[(label - 1) % len(ALTERED_COLOURS)]
        for label in range(1, len(classes))
    }


def expert_colours(n_experts: int) -> tuple[Rgb, ...]:
    """Return the colour of each expert; beyond eight they repeat."""
    return tuple(OKABE_ITO[expert % len(OKABE_ITO)] for expert in range(n_experts))
