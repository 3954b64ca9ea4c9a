"""What colours mean, and what is said at the ends of a bar of them."""

from __future__ import annotations

import pytest

from napari_dmoe.inference.pictures.colours import (
    CLASS_COLOURS,
    ColourKey,
    class_colours,
    hex_of,
    unlike_colours,
)


@pytest.mark.parametrize(
    ("most", "unit", "digits", "said"),
    [
        (1.0, "bits", 3, "1 bit"),
        (2.3219, "bits", 3, "2.32 bits"),
        (2.3219, "bits", 2, "2.3 bits"),
        (4, "values", 3, "4 values"),
        (1.0, "", 3, "1"),
    ],
)
def test_a_key_says_its_ends_with_the_unit(
    most: float, unit: str, digits: int, said: str
) -> None:
    key = ColourKey.from_0("votes", ((0, 0, 0),), most, unit, digits=digits)
    assert key.ends == ("0", said)
    assert key.limits == (0, most)


def test_classes_beyond_the_colours_begin_anew_and_the_background_has_none() -> None:
    n = len(CLASS_COLOURS)
    colours = class_colours(["background", *map(str, range(n + 1))])
    assert list(colours) == list(range(1, n + 2))
    assert colours[n + 1] == colours[1] == CLASS_COLOURS[0]


def test_no_two_of_many_colours_are_the_same() -> None:
    colours = unlike_colours(28)
    assert len(set(colours)) == 28
    assert hex_of(colours[0]) == "#bb1b1b"
