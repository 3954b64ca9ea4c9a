"""Which image labels belong to that nobody said it of. Knows no Qt.

Labels that lie on no image's pixels belong to none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from napari.layers import Image, Layer

from napari_dmoe.viewer.layers.placement import same_grid

_WORDS = re.compile(
    r"[\s/_\-.:]+(labels?|masks?|seg(mentation)?s?|annotations?|gt|truth)\b.*$"
)


def image_for(
    labels: Layer, images: Sequence[Image], shown: Image | None = None
) -> Image | None:
    """Return the image that labels were made for; None where that cannot be told.

    It has their pixels and their place. It is the one that they are named after; where
    they are named after none, the one that is shown, or else the only one.
    """
    named = named_after(labels.name, [each.name for each in images])
    if named is not None:
        return images[named] if same_grid(images[named], labels) else None
    if shown is not None and same_grid(shown, labels):
        return shown
    fitting = (each for each in images if same_grid(each, labels))
    found, second = next(fitting, None), next(fitting, None)
    return found if second is None else None


def named_after(labels: str, images: Sequence[str]) -> int | None:
    """Return which image labels are named after: the longest name that fits."""
    plain = _WORDS.sub("", labels.casefold()).strip()
    fitting = []
    for place, name in enumerate(images):
        base = name.casefold().strip()
        start = rf"{re.escape(base)}(?![^\s/_\-.:])"
        if base == plain or re.match(start, labels.casefold().strip()):
            fitting.append((len(base), -place))
    return -max(fitting)[1] if fitting else None
