"""Where pictures of any shape lie in a network's square, by exact numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_dmoe.imaging.fitting import Fit, Placement, centred_tokens, place
from napari_dmoe.imaging.preprocessing import (
    Preprocessing,
    prepare,
    standardised,
)
from napari_dmoe.imaging.resampling import prepare_labels
from napari_dmoe.imaging.restoration import restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import load_checkpoint

SHAPES = [(700, 1411), (1411, 700), (31, 57), (57, 31), (40, 40), (2, 300), (300, 2)]


def padded_place(shape: tuple[int, int], side: int) -> Placement:
    return place(shape, side=side, fit="pad")


def test_a_landscape_lies_in_the_middle_rows() -> None:
    found = padded_place((100, 200), 40)
    assert found.picture == (slice(10, 30), slice(0, 40))
    assert found.seen == (slice(0, 100), slice(0, 200))
    # Each sample is the mean of 5 x 5 pixels: the first lies on pixel 2.
    assert found.grid == Grid((20, 40), (2.0, 2.0), (5.0, 5.0))
    assert found.is_padded


def test_a_portrait_lies_in_the_middle_columns() -> None:
    found = padded_place((200, 100), 40)
    assert found.picture == (slice(0, 40), slice(10, 30))
    assert found.grid == Grid((40, 20), (2.0, 2.0), (5.0, 5.0))


def test_an_odd_rest_goes_behind_the_picture() -> None:
    found = padded_place((1411, 700), 160)
    assert found.grid.shape == (160, 79)
    assert found.picture == (slice(0, 160), slice(40, 119))
    assert found.grid.step == pytest.approx((1411 / 160, 700 / 79))


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("rule", ["corner-aligned", "half-pixel"])
def test_a_square_is_placed_alike_by_every_fit(fit: Fit, rule: str) -> None:
    found = Preprocessing(fit=fit, side=32, resize=rule).place((50, 50))
    assert found.grid == Grid.identity((50, 50)).resize((32, 32), rule)
    assert found.picture == (slice(0, 32), slice(0, 32))
    assert not found.is_padded
    assert found.unseen == 0


@pytest.mark.parametrize("rule", ["corner-aligned", "half-pixel"])
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_of_a_padded_picture_is_cut(shape: tuple[int, int], rule: str) -> None:
    found = Preprocessing(fit="pad", side=64, resize=rule).place(shape)
    assert found.seen == tuple(slice(0, n) for n in shape)
    assert max(found.grid.shape) == 64
    assert min(found.grid.shape) >= 2
    # Proportions are kept to half a sample.
    for n, m in zip(shape, found.grid.shape, strict=True):
        assert abs(m - n * 64 / max(shape)) <= max(0.5, 2 - n * 64 / max(shape))


@given(st.integers(2, 400), st.integers(2, 400), st.integers(2, 12))
def test_tokens_cover_the_picture_and_no_other_place(
    height: int, width: int, along: int
) -> None:
    found = padded_place((height, width), 16 * along)
    tokens, kept = found.tokens(along)
    for axis, n in enumerate((height, width)):
        centres, step = tokens.coordinates(axis), tokens.step[axis]
        assert len(centres) == kept[axis].stop - kept[axis].start
        reach = 0.5 * step + 1e-6
        if len(centres) > 1:
            assert centres[0] >= -0.5 - 1e-6
            assert centres[-1] <= n - 0.5 + 1e-6
        # No pixel is farther from a token than half of one, and half of the next.
        assert centres[0] - reach <= -0.5 + reach
        assert centres[-1] + reach >= n - 0.5 - reach


def test_tokens_of_a_picture_twice_as_wide_are_the_middle_rows() -> None:
    tokens, kept = padded_place((80, 160), 160).tokens(10)
    # 40 rows of padding are two and a half tokens: those that lie on an edge of the
    # picture by half count at both ends, so that none of it is without a token.
    assert kept == (slice(2, 8), slice(0, 10))
    assert tokens.shape == (6, 10)
    assert tokens.start == (-0.5, 7.5)
    assert tokens.step == (16.0, 16.0)


def test_a_picture_too_thin_for_a_token_has_the_nearest() -> None:
    tokens, kept = padded_place((320, 2), 160).tokens(10)
    assert kept[0] == slice(0, 10)
    assert kept[1].stop - kept[1].start == 1
    assert tokens.shape == (10, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_come_back_on_every_pixel_of_a_padded_picture(
    shape: tuple[int, int],
) -> None:
    found = padded_place(shape, 64)
    ones = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, *found.grid.shape)
    labels = restore_labels(ones, found.grid, shape, found.seen)
    assert labels.shape == shape
    assert (labels == 1).all()


@pytest.mark.parametrize("shape", [(700, 1411), (1411, 700), (301, 222), (64, 65)])
def test_a_disc_goes_to_the_network_and_back_within_a_sample(
    shape: tuple[int, int],
) -> None:
    found = padded_place(shape, 160)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    centre, radius = (0.3 * shape[0], 0.7 * shape[1]), 0.2 * min(shape)
    distance = np.hypot(rows - centre[0], columns - centre[1]) - radius
    sampled = prepare_labels((distance < 0).astype(np.uint8), found.grid)
    assert sampled.shape == found.grid.shape
    scores = torch.stack([torch.full(sampled.shape, 0.5), torch.tensor(sampled * 1.0)])
    labels = restore_labels(scores, found.grid, shape, found.seen)
    sample = max(found.grid.step)
    assert (labels[distance < -sample] == 1).all()
    assert (labels[distance > sample] == 0).all()


def test_a_linear_map_comes_back_exactly() -> None:
    found = padded_place((60, 30), 20)
    plane = np.add.outer(found.grid.coordinates(0), 3 * found.grid.coordinates(1))
    restored = restore_maps(torch.from_numpy(plane)[None], found.grid, (60, 30))[0]
    rows = np.clip(np.arange(60), 1, 58)
    columns = np.clip(np.arange(30), 1, 28)
    np.testing.assert_allclose(restored, np.add.outer(rows, 3 * columns), atol=1e-4)


def ready(data: np.ndarray, **settings: object) -> torch.Tensor:
    how = Preprocessing(**{"side": 8, "resize": "half-pixel", "fit": "pad"} | settings)
    return prepare(SpatialImage.from_array(data), how).tensor


def test_the_edge_of_a_picture_goes_on_where_it_is_padded() -> None:
    data = np.arange(1, 33, dtype=np.uint8).reshape(4, 8)
    found = 255 * ready(data)[0].numpy()
    np.testing.assert_allclose(found[2:6], data, atol=1e-4)
    np.testing.assert_allclose(found[:2], data[[0, 0]], atol=1e-4)
    np.testing.assert_allclose(found[6:], data[[-1, -1]], atol=1e-4)


def test_a_picture_is_standardised_as_if_nothing_was_padded() -> None:
    data = np.arange(1, 33, dtype=np.uint8).reshape(4, 8)
    alone = standardised(torch.from_numpy(data / 255)[None])[0]
    found = ready(data, standardise=True)[0]
    np.testing.assert_allclose(found[2:6], alone, atol=1e-5)


def test_what_is_shown_alone_standardises_a_batch() -> None:
    images = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    shown = torch.zeros(2, 1, 6, 6, dtype=torch.bool)
    shown[:, :, 1:4] = True
    found = standardised(images, shown)[:, :, 1:4]
    torch.testing.assert_close(found, standardised(images[:, :, 1:4]))


@pytest.mark.parametrize(
    ("stated", "fit", "crop"),
    [
        ({}, "stretch", None),
        ({"crop": None}, "stretch", None),
        ({"crop": "square"}, "crop", "square"),
        ({"crop": 512}, "crop", 512),
        ({"fit": "crop"}, "crop", "square"),
        ({"fit": "crop", "crop": 512}, "crop", 512),
        ({"fit": "pad"}, "pad", None),
        ({"fit": "stretch"}, "stretch", None),
    ],
)
def test_a_crop_without_a_fit_means_what_it_meant(
    stated: dict[str, object], fit: str, crop: object
) -> None:
    found = Preprocessing.model_validate(stated)
    assert (found.fit, found.crop) == (fit, crop)
    assert Preprocessing.model_validate(found.model_dump()) == found


@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize("crop", [512, "square"])
def test_a_crop_contradicts_a_fit_that_shows_everything(fit: str, crop: object) -> None:
    with pytest.raises(
        ValidationError, match=f"fit {fit} shows the whole.*crop {crop}"
    ):
        Preprocessing.model_validate({"fit": fit, "crop": crop})


def test_another_fit_drops_the_crop_or_makes_it_the_largest_square() -> None:
    stated = Preprocessing(crop=512, side=32)
    assert stated.fitted("crop") is stated
    assert (stated.fitted("pad").fit, stated.fitted("pad").crop) == ("pad", None)
    assert stated.fitted("pad").fitted("crop").crop == "square"


@pytest.mark.parametrize(
    ("stated", "shape", "words", "unseen"),
    [
        ({"fit": "pad"}, (1411, 700), "the whole picture is seen", 0),
        ({"fit": "crop"}, (90, 90), "the whole picture is seen", 0),
        (
            {"fit": "crop"},
            (100, 151),
            "the middle 100 x 100 pixels are seen: 34 % of the picture is not",
            51 / 151,
        ),
        (
            {"crop": 512},
            (1411, 700),
            "the middle 512 x 512 pixels are seen: 73 % of the picture is not",
            1 - 512 * 512 / (1411 * 700),
        ),
        (
            {"fit": "crop"},
            (1000, 1001),
            "the middle 1000 x 1000 pixels are seen: 1 % of the picture is not",
            1 / 1001,
        ),
        ({}, (90, 180), "the whole picture is seen, stretched to a square", 0),
    ],
)
def test_what_will_be_seen_is_said_beforehand(
    stated: dict[str, object], shape: tuple[int, int], words: str, unseen: float
) -> None:
    placement = Preprocessing.model_validate(stated).place(shape)
    assert placement.words == words
    assert placement.unseen == pytest.approx(unseen)


@pytest.mark.parametrize("model", ["fundus", "fundus-race", "skin"])
def test_bundled_models_see_pictures_whole(model: str) -> None:
    loaded = load_checkpoint(f"{model}-phantom")
    assert isinstance(loaded.preprocessing, Preprocessing)
    assert (loaded.preprocessing.fit, loaded.preprocessing.crop) == ("pad", None)


@pytest.mark.parametrize("name", ["fairseg-race", "ham10000-age"])
def test_published_cards_crop_as_published(name: str) -> None:
    how = read_card(name).preprocessing
    assert isinstance(how, Preprocessing)
    assert how.fit == "crop"
    assert how.crop in (512, 1024)


def test_the_schema_of_a_card_names_the_fits() -> None:
    schema = ModelCard.model_json_schema()["$defs"]["Preprocessing"]["properties"]
    assert schema["fit"]["enum"] == ["pad", "crop", "stretch"]


def test_blocks_that_are_half_padding_are_kept_at_both_ends() -> None:
    # Rows 16 to 112 of 128, in blocks of 32: the first and the last are halves.
    assert centred_tokens(slice(16, 112), 128, 4) == slice(0, 4)
    assert centred_tokens(slice(17, 111), 128, 4) == slice(1, 3)
    assert centred_tokens(slice(32, 96), 128, 4) == slice(1, 3)
    assert centred_tokens(slice(60, 68), 128, 4) == slice(2, 3)
