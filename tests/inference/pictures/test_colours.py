"""What colours mean, and what is said at the ends of a bar of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_dmoe.inference.pictures.colours import (
    ALTERED_COLOURS,
    CLASS_COLOURS,
    DIFFERENCE_COLOURS,
    EXPERT_COLOURS,
    GREY,
    LEAST_APART,
    MARK_COLOUR,
    ColourKey,
    Rgb,
    class_colours,
    expert_colours,
    hex_of,
    ink_on,
    over_grey,
    pair_colours,
)

VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
"""From linear sRGB to what is seen without one kind of cones: severity 1.0 of Machado,
Oliveira and Fernandes, IEEE TVCG 15(6), 1291-1298 (2009), doi:10.1109/TVCG.2009.113."""


def seen(colours: Sequence[Rgb], vision: str) -> np.ndarray:
    """Return what somebody sees of colours, as CIELAB (N, 3)."""
    srgb = np.array(colours) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ VISIONS[vision].T, 0, 1)
    bright = 1.055 * linear ** (1 / 2.4) - 0.055
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, bright)[None])[0]


def least_within(colours: Sequence[Rgb], vision: str) -> float:
    labs = seen(colours, vision)
    return min(float(deltaE_ciede2000(a, b)) for a, b in combinations(labs, 2))


def least_between(some: Sequence[Rgb], others: Sequence[Rgb], vision: str) -> float:
    pairs = product(seen(some, vision), seen(others, vision))
    return min(float(deltaE_ciede2000(a, b)) for a, b in pairs)


@pytest.mark.parametrize("vision", VISIONS)
def test_nobody_takes_one_class_or_expert_for_another(vision: str) -> None:
    assert least_within(EXPERT_COLOURS, vision) > 10
    assert least_within(CLASS_COLOURS, vision) > 12
    assert least_between(EXPERT_COLOURS, CLASS_COLOURS, vision) > LEAST_APART


def test_classes_and_experts_have_no_colour_in_common() -> None:
    assert not set(EXPERT_COLOURS) & {*CLASS_COLOURS, MARK_COLOUR}
    assert len({*EXPERT_COLOURS, *CLASS_COLOURS}) == 16
    assert min(
        least_between(EXPERT_COLOURS, CLASS_COLOURS, "normal"),
        least_within(EXPERT_COLOURS, "normal"),
        least_within(CLASS_COLOURS, "normal"),
    ) > 15  # fmt: skip


@pytest.mark.parametrize("vision", VISIONS)
def test_what_a_what_if_changes_looks_like_no_class_of_the_plain_mask(
    vision: str,
) -> None:
    first = CLASS_COLOURS[:4]
    for colours in (ALTERED_COLOURS, DIFFERENCE_COLOURS):
        assert least_within(colours, vision) > 13
        assert least_between(colours, first, vision) > 13
    assert least_between(ALTERED_COLOURS, DIFFERENCE_COLOURS, vision) > 10


def test_the_simulation_finds_red_and_green_that_only_some_tell_apart() -> None:
    red_and_green = ((170, 90, 0), (110, 120, 0))
    assert least_within(red_and_green, "normal") > 20
    assert least_within(red_and_green, "deuteranopia") < 12


def contrast(first: Rgb, second: Rgb) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""
    srgb = np.array((first, second)) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ (0.2126, 0.7152, 0.0722))
    return float((high + 0.05) / (low + 0.05))


@pytest.mark.parametrize("colour", [*EXPERT_COLOURS, *CLASS_COLOURS])
def test_numbers_can_be_read_on_every_colour(colour: Rgb) -> None:
    assert contrast(ink_on(colour), colour) > 4.5


def test_a_faint_map_has_faint_colours() -> None:
    assert over_grey((255, 0, 100), 0) == GREY
    assert over_grey((255, 0, 100), 1) == (255, 0, 100)
    assert over_grey((228, 28, 128), 0.5) == (178, 78, 128)
    assert expert_colours(9, opacity=0.5)[8] == over_grey(EXPERT_COLOURS[0], 0.5)
    assert pair_colours(2, opacity=0.0) == (GREY, GREY)


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
    colours = pair_colours(28)
    assert len(set(colours)) == 28
    assert hex_of(colours[0]) == "#bb1b1b"
