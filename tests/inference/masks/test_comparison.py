"""Two masks are compared by the names of their classes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_dmoe.inference.masks.agreement import Votes
from napari_dmoe.inference.masks.comparison import compare_masks

FIRST = np.array([[0, 0, 1, 1, 2, 2]], np.uint8)
NAMES = ("background", "rim", "cup")


def as_names(names: tuple[str, ...]) -> np.ndarray:
    """Return the first mask in the numbers of other names."""
    numbers = [names.index(name) if name in names else 0 for name in NAMES]
    return np.array(numbers)[FIRST]


@pytest.mark.parametrize(
    "background", ["background", "Background", "BG", "bg", "outside", "Hintergrund"]
)
def test_the_background_may_have_any_name(background: str) -> None:
    found = compare_masks((FIRST, NAMES), (FIRST, (background, "rim", "cup")))
    assert found.counts == (6, 0, 0, 0)
    assert [c.dice for c in found.classes] == [1, 1]
    swapped = compare_masks((FIRST, (background, "rim", "cup")), (FIRST, NAMES))
    assert swapped.n_different == 0


@pytest.mark.parametrize("names", [("background", "cup", "rim"), ("cup", "rim", "bg")])
def test_classes_may_stand_in_another_order(names: tuple[str, ...]) -> None:
    numbers = {n: i for i, n in enumerate(names)}
    other = np.array([numbers.get("background", 2), numbers["rim"], numbers["cup"]])
    found = compare_masks((FIRST, NAMES), (other[FIRST], names))
    assert found.n_different == 0
    assert [(c.name, c.n_first, c.n_second) for c in found.classes] == [
        ("rim", 2, 2),
        ("cup", 2, 2),
    ]


def test_a_mask_may_know_fewer_classes() -> None:
    cup = (FIRST == 2).astype(np.uint8)
    found = compare_masks((FIRST, NAMES), (cup, ("none of it", "cup")))
    assert found.counts == (4, 2, 0, 0)
    assert [(c.name, c.dice) for c in found.classes] == [("cup", 1)]


def test_a_mask_of_255_is_one_of_one_class() -> None:
    cup = (FIRST == 2).astype(np.uint8)
    found = compare_masks((cup * 255, ("bg", "cup")), (cup, ("background", "cup")))
    assert found.n_different == 0


def test_labels_without_a_class_are_refused() -> None:
    with pytest.raises(ValueError, match="labels are 0 and 255, but the card has"):
        compare_masks((FIRST, NAMES), ((FIRST > 0) * 255, NAMES))
    with pytest.raises(ValueError, match="labels reach from 0 to 9"):
        compare_masks((FIRST, NAMES), (np.where(FIRST == 2, 9, FIRST), NAMES))


def test_votes_count_classes_only() -> None:
    votes = Votes(2)
    votes.add(FIRST % 2)
    with pytest.raises(ValueError, match="labels are 0 and 255, but the card has"):
        votes.add((FIRST > 0).astype(np.uint8) * 255)
    assert votes.n_masks == 1
