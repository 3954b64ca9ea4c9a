"""Colours of classes, the same in files, in the viewer, in pictures and reports.

What they are chosen by says :mod:`napari_dmoe.inference.pictures.colours`.
"""

from __future__ import annotations

from collections.abc import Sequence

Rgb = tuple[int, int, int]

CLASS_COLOURS: tuple[Rgb, ...] = (
    (86, 180, 233),  # Okabe and Ito's sky blue, yellow, bluish green, reddish purple:
    (240, 228, 66),  # they stand out on fundi, skin and grey images
    (0, 158, 115),
    (204, 121, 167),
    (64, 98, 255),  # cornflower blue
    (151, 50, 10),  # rust
    (198, 17, 163),  # magenta
    (194, 253, 170),  # pale green
)
"""Colours of classes 1, 2, ..."""

ALTERED_COLOURS: tuple[Rgb, ...] = ((239, 62, 84), (146, 94, 7), (129, 17, 63))
"""Colours of classes 1, 2, ... in a mask that is not the plain model's: none of them is
near one of the first classes in :data:`CLASS_COLOURS`."""


def class_colours(classes: Sequence[str]) -> dict[int, Rgb]:
    """Return the colour of each label but the background, which has none."""
    return _repeated(CLASS_COLOURS, classes)


def altered_colours(classes: Sequence[str]) -> dict[int, Rgb]:
    """Return the colour of each label in a mask that is not the plain model's."""
    return _repeated(ALTERED_COLOURS, classes)


def _repeated(colours: Sequence[Rgb], classes: Sequence[str]) -> dict[int, Rgb]:
    labels = range(1, len(classes))
    return {label: colours[(label - 1) % len(colours)] for label in labels}
