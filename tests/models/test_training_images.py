"""How far an image is from those of a training, side by side and as a whole."""

from __future__ import annotations

import numpy as np

from napari_dmoe.models.training_images import (
    LOADS,
    LOOK,
    ImageSet,
    TrainingImages,
    look_of,
    spread_of,
)

RNG = np.random.default_rng(0)
PAIRED = RNG.normal(size=(400, 1)) + 0.1 * RNG.normal(size=(400, 2))
"""Two numbers that are nearly the same in every image."""

ROWS = [{"brightness": (row[0],), "sharpness": (row[1],)} for row in PAIRED]


def facts(*, with_look: bool = True) -> TrainingImages:
    sides = {s: spread_of([row[s] for row in ROWS], 1.5) for s in ROWS[0]}
    if with_look:
        sides[LOOK] = spread_of([look_of(row) for row in ROWS], 1.0)
    return TrainingImages(sets=(ImageSet(kind="grey", n=400, sides=sides),))


APART = {"brightness": (1.5,), "sharpness": (-1.5,)}
"""Each as in many images; together as in none."""


def test_what_goes_together_as_in_no_image_is_unlike_as_a_whole() -> None:
    assert facts().unlike(APART) == (LOOK,)
    assert facts(with_look=False).unlike(APART) == ()


def test_an_image_like_the_others_is_not() -> None:
    assert facts().unlike({"brightness": (1.5,), "sharpness": (1.5,)}) == ()


def test_the_whole_is_of_the_sides_by_name_and_without_the_loads() -> None:
    assert look_of({"b": (3.0,), "a": (1.0, 2.0)}) == (1.0, 2.0, 3.0)
    assert facts().unlike({**dict(reversed(APART.items())), LOADS: (9.0,)}) == (LOOK,)
    assert facts().unlike({**APART, "later": (9.0,)}) == (LOOK,)


def test_an_image_that_lacks_a_side_is_compared_on_the_others() -> None:
    assert facts().unlike({"brightness": (1.5,)}) == ()
    assert facts().unlike({"brightness": (50.0,)}) == ("brightness",)


def test_a_whole_of_81_numbers_is_stated_with_its_correlations_in_little_room() -> None:
    mixed = RNG.normal(size=(300, 81)) @ RNG.normal(size=(81, 81))
    spread = spread_of(mixed, 1.0)
    assert len(spread.correlations) == 81 * 80 / 2
    assert len(spread.model_dump_json()) < 50_000
    again = type(spread).model_validate_json(spread.model_dump_json())
    own = [spread.distance(row) for row in mixed]
    assert [again.distance(row) for row in mixed] == own
    assert np.mean(np.array(own) > 1) <= 0.02
    # Each number as in one of the images, and together as in none of them.
    other = RNG.permuted(mixed, axis=0)
    assert np.mean([spread.distance(row) > 1 for row in other]) > 0.9
