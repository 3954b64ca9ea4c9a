"""Whether an attribute matters: shares of a structure, by a yardstick, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_dmoe.inference.masks.pairs import class_dice
from napari_dmoe.inference.what_if.verdict import (
    Verdict,
    Yardstick,
    farthest_of,
    judge,
    pair_shares,
    shift_share,
)
from napari_dmoe.inference.what_if.verdict_words import details, headline, percent

Mask = np.ndarray
CLASSES = ("background", "lesion")


def square(side: int, of: int = 40) -> Mask:
    """Return a mask with a square of a side, from the same corner."""
    mask = np.zeros((of, of), np.uint8)
    mask[5 : 5 + side, 5 : 5 + side] = 1
    return mask


def stick(*shift: float, rerun: Sequence[float] = (), value: str = "a") -> Yardstick:
    return Yardstick(shift, tuple(rerun), (1.0, 1.0), value, 3 if rerun else 0)


def verdict_of(
    masks: dict[str, Mask],
    yardstick: Yardstick,
    *,
    classes: Sequence[str] = CLASSES,
    untrained: Sequence[str] = (),
    shape: Sequence[int] = (),
) -> Verdict:
    own = next(iter(masks.values()))
    return judge(
        list(masks.items()),
        classes=classes,
        dice_own=[class_dice(each, own, len(classes)) for each in masks.values()],
        untrained=untrained,
        yardstick=yardstick,
        shape=shape,
    )


label_maps = st.lists(
    arrays(np.uint8, (4, 5), elements=st.integers(0, 2)), min_size=1, max_size=5
)


@given(label_maps)
def test_shares_of_pairs_are_those_of_the_masks(masks: list[Mask]) -> None:
    shares, sizes = pair_shares(masks, 3)
    for k in (1, 2):
        for i, one in enumerate(masks):
            assert sizes[k - 1, i] == (one == k).sum()
            for j, two in enumerate(masks):
                either = ((one == k) | (two == k)).sum()
                both = ((one == k) & (two == k)).sum()
                if either:
                    assert shares[k - 1, i, j] == pytest.approx(1 - both / either)
                else:
                    assert math.isnan(shares[k - 1, i, j])


def test_a_square_that_moves_by_a_pixel_changes_by_two_of_its_columns() -> None:
    mask = square(20).astype(bool)
    # 20 pixels come, 20 go; together they and the square are 420.
    assert shift_share(mask, (1, 1)) == pytest.approx(40 / 420)
    assert shift_share(mask, (2, 2)) == pytest.approx(80 / 440)
    assert shift_share(mask, (1.5, 1.5)) == pytest.approx(60 / 430)
    assert math.isnan(shift_share(np.zeros((4, 4), bool), (1, 1)))


def test_a_border_at_the_pictures_edge_counts_as_that_of_a_square() -> None:
    full = np.ones((20, 20), bool)  # nothing of it moves
    assert shift_share(full, (1, 1)) == pytest.approx(40 / 420)
    cube = np.ones((10, 10, 10), bool)
    assert shift_share(cube, (1, 1, 1)) == pytest.approx(200 / 1100)
    # Planes of a stack are squares of their own.
    stack = np.ones((3, 20, 20), bool)
    assert shift_share(stack, (1, 1)) == shift_share(full, (1, 1))


def test_values_are_held_against_as_many_masks_of_the_yardstick() -> None:
    shares = np.array([[0, 0.1, 0.4], [0.1, 0, 0.1], [0.4, 0.1, 0]])
    assert farthest_of(shares, 3) == farthest_of(shares, 7) == pytest.approx(0.4)
    assert farthest_of(shares, 2) == pytest.approx(0.2)
    assert farthest_of(np.zeros((1, 1)), 2) == 0


@pytest.mark.parametrize(
    ("yardstick", "says", "text"),
    [
        (
            stick(0.4),
            "hardly",
            "Age changes 36 % of the lesion, less than a shift by one pixel: it hardly "
            "matters here.",
        ),
        (
            stick(0.1, rerun=(0.3,)),  # the larger counts
            "alike",
            "Age changes 36 % of the lesion, about as much as a shift by one pixel: "
            "that does not show that it matters.",
        ),
        (
            stick(0.04),
            "matters",
            "Age changes 36 % of the lesion, 9.0 times what a shift by one pixel does: "
            "it matters here.",
        ),
    ],
)
def test_the_change_of_the_structure_is_held_against_the_yardstick(
    yardstick: Yardstick, says: str, text: str
) -> None:
    found = verdict_of({"young": square(8), "old": square(10)}, yardstick)
    assert found.lead is not None
    assert found.lead.share == pytest.approx(0.36)
    assert found.lead.dice == pytest.approx(2 * 64 / 164)
    assert found.lead.dice_own == pytest.approx(2 * 64 / 164)
    assert (found.says, found.lead.between) == (says, ("young", "old"))
    assert headline(found, ("Age",), "pixel") == text


def test_the_two_values_that_are_farthest_apart_count() -> None:
    masks = {"a": square(9), "b": square(8), "c": square(10)}
    found = verdict_of(masks, stick(0.05))
    assert found.lead is not None
    assert found.lead.between == ("b", "c")
    assert found.lead.share == pytest.approx(0.36)
    assert found.lead.dice_own == pytest.approx(2 * 64 / 145)
    said = details(found, ("Age",), "voxel")
    assert "Most between b and c: Dice 0.780." in said
    assert "A shift by one voxel changes 5.0 % of the lesion." in said


def test_equal_masks_do_not_matter() -> None:
    found = verdict_of({"a": square(9), "b": square(9)}, stick(0.05))
    assert found.says == "none"
    assert headline(found, ("Race",), "pixel") == (
        "All 2 values of race give the same mask: it does not matter."
    )
    assert details(found, ("Race",), "pixel") == ""


def test_values_for_which_nothing_is_found_are_named() -> None:
    masks = {"T1": square(9), "T2": square(9), "T4": square(0)}
    found = verdict_of(masks, stick(0.1))
    assert found.lead is not None
    assert (found.lead.share, found.lead.absent) == (1.0, ("T4",))
    assert headline(found, ("T stage",), "voxel") == (
        "T stage changes 100 % of the lesion, 10 times what a shift by one voxel does: "
        "it matters here. For T4 nothing is found."
    )


def test_nothing_found_for_any_value_is_no_verdict() -> None:
    found = verdict_of({"a": square(0), "b": square(0)}, stick(math.nan))
    assert (found.says, found.lead) == ("absent", None)
    assert headline(found, ("Sex",), "pixel") == (
        "Nothing is found for any value of sex: it cannot be told."
    )


def test_the_class_that_changes_most_by_its_yardstick_leads() -> None:
    one, two = square(10), square(10)
    one[5:9, 5:9] = 2
    two[5:11, 5:11] = 2
    classes = ("background", "rim", "cup", "vessel")
    masks = {"healthy": one, "glaucoma": two}
    found = verdict_of(masks, stick(0.2, 0.1, math.nan), classes=classes)
    assert found.lead is not None
    assert found.lead.name == "cup"
    assert headline(found, ("Severity",), "pixel").startswith(
        "Severity changes 56 % of the cup, 5.6 times"
    )
    said = details(found, ("Severity",), "pixel")
    assert "Of the rim 24 %, about as much as a shift does." in said
    assert "No value finds any vessel." in said


def test_a_class_that_a_value_lacks_is_named_beside_the_others() -> None:
    one, two = square(10), square(10)
    two[5:9, 5:9] = 2
    masks = {"healthy": one, "glaucoma": two}
    found = verdict_of(masks, stick(0.2, 0.2), classes=("background", "rim", "cup"))
    text = headline(found, ("Severity",), "pixel")
    assert text.endswith("it matters here. For healthy no cup is found.")


def test_values_that_were_never_trained_do_not_count() -> None:
    masks = {"a": square(9), "b": square(9), "c": square(2)}
    found = verdict_of(masks, stick(0.05), untrained=("c",))
    assert (found.says, found.values, found.left_out) == ("none", ("a", "b"), ("c",))
    found = verdict_of(masks, stick(0.05), untrained=("b", "c"))
    assert found.says == "untold"
    assert headline(found, ("Race",), "pixel") == (
        "Only a was ever trained: whether race matters cannot be told."
    )
    assert verdict_of(masks, stick(0.05), untrained=tuple("abc")).says == "untold"


def test_of_pairs_each_attribute_is_told_alone() -> None:
    masks = {
        "f, young": square(10),
        "f, old": square(20),
        "m, young": square(10),
        "m, old": square(20),
    }
    masks["m, old"][5, 5] = 0
    found = verdict_of(masks, stick(0.1), shape=(2, 2))
    said = details(found, ("Sex", "Age"), "pixel")
    assert "Sex alone: 0.2 % of the lesion, which hardly matters." in said
    assert "Age alone: 75 % of the lesion, which matters." in said
    text = headline(found, ("Sex", "Age"), "pixel")
    assert text.startswith("Sex and age change 75 % of the lesion, 7.5 times")
    assert text.endswith("they matter here.")


def test_regions_below_what_the_yardstick_changes_are_small() -> None:
    found = verdict_of({"a": square(10), "b": square(20)}, stick(0.05))
    # 5 % of 400 pixels.
    assert found.is_small(19, ("background", "lesion"))
    assert not found.is_small(20, ("background", "lesion"))
    assert not found.is_small(1, ("background",))


def test_where_the_yardstick_is_too_large_nothing_is_claimed() -> None:
    one, two = square(2), square(0)
    yardstick = stick(shift_share(one == 1, (1, 1)))
    assert yardstick.of(0) > 0.5
    found = verdict_of({"a": one, "b": two}, yardstick)
    assert found.says == "unsure"
    assert headline(found, ("Age",), "pixel") == (
        "Whether age matters cannot be told here: a shift by one pixel alone changes "
        "67 % of the lesion. For b nothing is found."
    )
    # A class that can be judged leads, although another one changes more.
    large, other = square(10), square(11)
    large[0, 0] = 2
    classes, sticks = ("background", "rim", "cup"), stick(0.1, 0.9)
    found = verdict_of({"a": large, "b": other}, sticks, classes=classes)
    assert found.lead is not None
    assert (found.lead.name, found.says) == ("rim", "alike")
    assert "Of the cup a shift changes 90 %." in details(found, ("Age",), "pixel")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0004, "less than 0.1 %"),
        (0.012, "1.2 %"),
        (0.0996, "10 %"),
        (0.163, "16 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_are_told_in_percent(share: float, text: str) -> None:
    assert percent(share) == text
