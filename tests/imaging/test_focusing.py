"""The square that a second pass sees: around what was found, and within the picture."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from napari_dmoe.imaging.fitting import Placement, place
from napari_dmoe.imaging.focusing import Focus, around, found_in_any, on_part
from napari_dmoe.imaging.preprocessing import (
    Preprocessing,
    prepare,
    prepare_part,
)
from napari_dmoe.imaging.spatial import SpatialImage

SIDE = 64
HALF = "half-pixel"


def whole(height: int, width: int, fit: str = "pad", **how: object) -> Placement:
    return place((height, width), side=SIDE, fit=fit, resize=HALF, **how)


def found(placement: Placement, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(placement.grid.shape, bool)
    mask[rows, columns] = True
    return mask


def spans(placement: Placement | None) -> list[tuple[int, int]]:
    assert placement is not None
    return [(part.start, part.stop) for part in placement.seen]


def test_the_square_is_centred_on_what_was_found() -> None:
    # A sample is 4 pixels: 8 samples found, as many around: 16 of 64, 64 pixels.
    picture = whole(256, 256)
    mask = found(picture, slice(24, 32), slice(28, 36))
    square = around(mask, picture, Focus(margin=0.5, least=0.1), HALF)
    assert spans(square) == [(80, 144), (96, 160)]
    assert square.grid.step == (1, 1)  # 64 pixels on 64 samples
    assert square.grid.start == (80, 96)
    assert square.source == (256, 256)
    assert square.unseen == pytest.approx(1 - 1 / 16)


def test_nothing_is_enlarged_beyond_the_least_side() -> None:
    picture = whole(256, 256)
    mask = found(picture, slice(30, 31), slice(30, 31))
    square = around(mask, picture, Focus(margin=0.5, least=0.25), HALF)
    assert [stop - start for start, stop in spans(square)] == [64, 64]


def test_at_an_edge_the_square_is_moved_inwards() -> None:
    picture = whole(256, 256)
    mask = found(picture, slice(0, 8), slice(56, 64))
    square = around(mask, picture, Focus(margin=0.5, least=0.1), HALF)
    assert spans(square) == [(0, 64), (192, 256)]


def test_a_narrow_picture_is_seen_in_all_its_width_and_padded() -> None:
    # 64 x 256 pixels are 16 x 64 samples; 24 samples of square are 96 pixels.
    picture = whole(64, 256)
    mask = found(picture, slice(2, 14), slice(20, 30))
    square = around(mask, picture, Focus(margin=0.5, least=0.1), HALF)
    assert spans(square) == [(0, 64), (52, 148)]
    assert square.grid.shape == (43, SIDE)  # 64 / 96 of the side
    assert square.is_padded


def test_of_a_stretched_picture_it_keeps_the_proportions() -> None:
    picture = whole(128, 512, "stretch")
    mask = found(picture, slice(24, 32), slice(24, 32))
    square = around(mask, picture, Focus(margin=0.5, least=0.1), HALF)
    assert [stop - start for start, stop in spans(square)] == [32, 128]
    assert square.grid.shape == (SIDE, SIDE)


def test_it_stays_within_the_crop_that_the_card_shows() -> None:
    picture = whole(100, 300, "crop", crop="square")
    mask = found(picture, slice(0, 20), slice(0, 20))
    square = around(mask, picture, Focus(margin=0.5, least=0.1), HALF)
    (top, _), (left, right) = spans(square)
    assert (top, left) == (0, 100)
    assert right - left == 63  # 40 samples of 100 / 64 pixels


def test_what_fills_the_picture_is_seen_as_before() -> None:
    picture = whole(90, 256)
    square = around(found(picture, slice(0, 22), slice(0, 64)), picture, Focus(), HALF)
    assert square is not None
    assert (square.seen, square.grid) == (picture.seen, picture.grid)
    assert square.unseen == 0


def test_nothing_found_has_no_square() -> None:
    picture = whole(90, 256)
    assert around(np.zeros((22, 64), bool), picture, Focus(), HALF) is None


def test_a_stack_is_seen_around_all_that_was_found() -> None:
    picture = whole(256, 256)
    masks = [found(picture, slice(i, i + 4), slice(i, i + 4)) for i in (20, 36)]
    square = around(found_in_any(masks), picture, Focus(margin=0, least=0.1), HALF)
    assert spans(square) == [(80, 160), (80, 160)]


def test_words_say_what_the_second_pass_saw() -> None:
    picture = whole(200, 200)
    square = on_part(picture, (slice(0, 100), slice(50, 150)), HALF)
    assert square.words == (
        "a second pass saw 100 x 100 pixels around what the first one found: 75 % of "
        "the picture lies outside"
    )


@pytest.mark.parametrize("stated", [{"margin": -0.1}, {"least": 0}, {"least": 1.1}])
def test_what_cannot_be_is_refused(stated: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Focus(**stated)


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("rule", ["half-pixel", "corner-aligned"])
def test_a_part_is_prepared_as_a_picture_of_its_own(rule: str, is_known: bool) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (120, 90, 3), np.uint8)
    how = Preprocessing(fit="pad", side=SIDE, resize=rule, standardise=True)
    image = SpatialImage.from_array(pixels, axes="yxc")
    first = prepare(image, how)
    part = slice(20, 70), slice(10, 60)
    placement = on_part(first.placement, part, rule)
    known = first if is_known else None
    tensor = prepare_part(image, placement, how, white=first.white, known=known)
    alone = prepare(SpatialImage.from_array(pixels[part], axes="yxc"), how)
    assert first.white.top == alone.white.top
    np.testing.assert_array_equal(tensor.numpy(), alone.tensor.numpy())


def test_a_dark_part_is_not_made_brighter_than_it_was_in_the_whole() -> None:
    pixels = np.full((64, 64), 4000, np.uint16)
    pixels[:32] = 400
    how = Preprocessing(fit="pad", side=SIDE, resize=HALF)
    image = SpatialImage.from_array(pixels)
    first = prepare(image, how)
    placement = on_part(first.placement, (slice(0, 24), slice(0, 24)), HALF)
    tensor = prepare_part(image, placement, how, white=first.white, known=first)
    np.testing.assert_allclose(tensor.numpy(), first.raw[0, 0, 0], rtol=1e-5)
