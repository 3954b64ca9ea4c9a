"""Which parts of a mask stay, and what becomes of its holes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.imaging.parts import largest_part, tidied


def drawn(*rows: str) -> np.ndarray:
    """Return labels from rows of digits, ``.`` for background."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], "u1")


def test_as_it_comes_nothing_is_touched() -> None:
    labels = drawn("1..", "..2", "1.1")
    made = tidied(labels, keep="all", fill=False)
    assert made.labels is labels
    assert made.notices == ()


def test_the_largest_part_stays_whatever_its_classes() -> None:
    labels = drawn(
        "11.....",
        "11..222",
        "....212",
        ".1..222",
    )
    made = tidied(labels, keep="largest", fill=False)
    expected = drawn(".......", "....222", "....212", "....222")
    # The 1 within the 2 is the largest part of its class that is left.
    np.testing.assert_array_equal(made.labels, expected)
    assert made.notices == (
        "only the largest part of the mask is kept: 2 other parts of 5 pixels became "
        "background",
    )
    assert labels[0, 0] == 1  # what was given is not changed


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    labels = drawn("1...", ".1..", "...1")
    made = tidied(labels, keep="largest", fill=False)
    np.testing.assert_array_equal(made.labels, drawn("1...", ".1..", "...."))


def test_a_rim_that_the_cup_cuts_in_two_stays() -> None:
    labels = drawn("111", "111", "222", "1.1", "...")
    labels[3, 1] = 1
    made = tidied(labels, keep="largest", fill=True)
    assert made.labels is labels


def test_an_island_takes_the_class_that_encloses_it() -> None:
    disc = drawn(
        "1111111",
        "1211111",
        "1111111",
        "1122221",
        "1121221",
        "1122221",
        "1111111",
    )
    made = tidied(disc, keep="largest", fill=False)
    expected = disc.copy()
    expected[1, 1], expected[4, 3] = 1, 2
    np.testing.assert_array_equal(made.labels, expected)
    assert made.n_joined == 2
    assert "2 pixels took the class around them" in made.notices[0]


def test_a_hole_takes_the_class_around_it() -> None:
    disc = drawn(
        "1111111",
        "1.11111",
        "1122221",
        "112.221",
        "1122221",
        "1111111",
    )
    made = tidied(disc, keep="all", fill=True)
    expected = disc.copy()
    expected[1, 1], expected[3, 3] = 1, 2
    np.testing.assert_array_equal(made.labels, expected)
    assert made.notices == ("holes of 2 pixels were filled",)


def test_a_bay_and_a_gap_at_the_picture_edge_are_no_holes() -> None:
    for labels in (drawn("111", "1.1", "1.1"), drawn("11.11", "1...1", "11111")):
        assert tidied(labels, keep="all", fill=True).labels is labels


def test_a_class_within_another_is_no_hole() -> None:
    labels = drawn("222", "212", "222")
    assert tidied(labels, keep="all", fill=True).labels is labels


@pytest.mark.parametrize("keep", ["all", "largest"])
def test_an_empty_mask_stays_empty(keep: str) -> None:
    labels = np.zeros((4, 5), np.uint8)
    assert tidied(labels, keep=keep, fill=True).labels is labels


def test_of_equal_parts_the_first_counts() -> None:
    found = drawn("1.1") > 0
    np.testing.assert_array_equal(largest_part(found), drawn("1..") > 0)
