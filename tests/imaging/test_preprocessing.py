from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_dmoe.imaging import restoration
from napari_dmoe.imaging.pixels import CONSTANT
from napari_dmoe.imaging.preprocessing import (
    Prepared,
    Preprocessing,
    prepare,
)
from napari_dmoe.imaging.resampling import prepare_labels
from napari_dmoe.imaging.restoration import restore_labels, restore_maps
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.models.card_files import read_card

RULES = ("corner-aligned", "half-pixel")


@pytest.fixture(scope="module")
def published(data_folder: Path) -> dict[str, NDArray[np.generic]]:
    with np.load(data_folder / "preprocess2d.npz") as file:
        return dict(file)


def ready(data: object, axes: str | None = None, **settings: object) -> Prepared:
    image = SpatialImage.from_array(data, axes=axes)
    return prepare(image, Preprocessing(**{"side": 16} | settings))


def ramp(rows: int = 20, columns: int = 24) -> NDArray[np.uint8]:
    return (np.add.outer(np.arange(rows), np.arange(columns)) * 5).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "card"), [("fairseg", "fairseg-race"), ("ham", "ham10000-age")]
)
def test_tensor_and_target_are_the_published_ones(
    published: dict[str, NDArray[np.generic]], kind: str, card: str
) -> None:
    image = SpatialImage.from_array(published[f"{kind}_image"])
    prepared = prepare(image, read_card(card).preprocessing)
    found = prepared.tensor.numpy()
    found = found if published[f"{kind}_tensor"].ndim == 3 else found[0]
    np.testing.assert_allclose(found, published[f"{kind}_tensor"], rtol=0, atol=1e-5)
    assert prepared.tensor.dtype == torch.float32
    assert prepared.notices == ()
    mask = published[f"{kind}_mask"]
    classes = np.abs(mask).astype(np.uint8) if kind == "fairseg" else mask > 0
    target = prepare_labels(classes, prepared.grid)
    np.testing.assert_array_equal(target, published[f"{kind}_target"])


@pytest.mark.parametrize("rule", RULES)
def test_ramp_is_sampled_where_the_grid_says(rule: str) -> None:
    data = np.add.outer(2.0 * np.arange(40), np.arange(30)) + 20
    prepared = ready(data, side=60, resize=rule)
    rows, columns = (prepared.grid.coordinates(axis) for axis in (0, 1))
    expected = (np.add.outer(2 * rows, columns) + 20) / 255
    inner = (slice(8, -8), slice(8, -8))  # the spline is not linear at its ends
    np.testing.assert_allclose(
        prepared.tensor.numpy()[0][inner], expected[inner], atol=1e-4
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("shape", "crop"),
    [((300, 300), None), ((300, 420), None), ((420, 300), 256), ((90, 130), "square"),
     ((301, 221), 128), ((48, 60), None)],
)  # fmt: skip
def test_a_smooth_mask_comes_back_within_half_a_source_pixel(
    rule: str, shape: tuple[int, int], crop: int | str | None
) -> None:
    prepared = ready(np.zeros(shape, np.uint8), side=112, crop=crop, resize=rule)
    centre = np.array(shape) / 2 + 3.3
    radius = 0.3 * min(s.stop - s.start for s in prepared.placement.seen)

    def inside(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray:
        return radius - np.hypot(rows[:, None] - centre[0], columns - centre[1])

    level = torch.from_numpy(
        inside(prepared.grid.coordinates(0), prepared.grid.coordinates(1))
    )
    scores = torch.stack([torch.zeros_like(level), level])
    labels = restore_labels(scores, prepared.grid, shape, prepared.placement.seen)
    distance = inside(np.arange(shape[0]), np.arange(shape[1]))
    assert labels.shape == shape
    assert (labels[distance > 0.5] == 1).all()
    assert (labels[distance < -0.5] == 0).all()
    assert labels.any()


@pytest.mark.parametrize("rule", RULES)
def test_restoring_a_linear_map_gives_the_ramp_at_every_pixel(rule: str) -> None:
    grid = ready(np.zeros((30, 50)), side=20, resize=rule).grid
    maps = torch.from_numpy(
        np.add.outer(grid.coordinates(0), 3 * grid.coordinates(1))
    ).unsqueeze(0)
    restored = restore_maps(maps, grid, (30, 50))[0].numpy()
    rows = np.clip(np.arange(30), *grid.coordinates(0)[[0, -1]])
    columns = np.clip(np.arange(50), *grid.coordinates(1)[[0, -1]])
    np.testing.assert_allclose(restored, np.add.outer(rows, 3 * columns), atol=1e-4)


def test_outside_the_crop_labels_are_zero() -> None:
    prepared = ready(ramp(40, 60), crop=20)
    assert prepared.placement.seen == (slice(10, 30), slice(20, 40))
    scores = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 16, 16)
    labels = restore_labels(scores, prepared.grid, (40, 60), prepared.placement.seen)
    assert labels.dtype == np.uint8
    assert (labels[prepared.placement.seen] == 1).all()
    assert labels.sum() == 400


def test_restoring_in_strips_equals_restoring_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = ready(ramp(37, 23), side=16).grid
    scores = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    crop = (slice(0, 37), slice(0, 23))
    whole = restore_maps(scores, grid, (37, 23))
    labels = restore_labels(scores, grid, (37, 23), crop)
    monkeypatch.setattr(restoration, "STRIP_VOXELS", 5 * 23 * 3)
    torch.testing.assert_close(restore_maps(scores, grid, (37, 23)), whole)
    again = restore_labels(scores, grid, (37, 23), crop)
    np.testing.assert_array_equal(again, labels)
    np.testing.assert_array_equal(labels, whole.argmax(0).numpy())


@pytest.mark.parametrize(
    ("data", "axes", "message"),
    [
        (np.full((8, 8), np.nan), None, "no finite value"),
        (np.full((8, 8), np.inf), None, "no finite value"),
        (np.zeros((0, 8)), None, r"at least 2 x 2 .* 0 \(y\) x 8 \(x\)"),
        (np.zeros((1, 1)), None, r"at least 2 x 2 .* 1 \(y\) x 1 \(x\)"),
        (np.zeros((1, 9)), None, r"at least 2 x 2 .* 1 \(y\) x 9 \(x\)"),
        (np.zeros((8, 8), complex), None, "complex numbers: give its magnitude"),
        (np.zeros((8, 8), object), None, "holds object, not numbers"),
        (np.full((8, 8), "a"), None, "holds <U1, not numbers"),
        (np.zeros((8, 8), "datetime64[s]"), None, "not numbers"),
        (np.zeros((2, 8, 8)), "cyx", "grey or RGB images: found 2 channels"),
        (np.zeros((8, 8, 5)), "yxc", "grey or RGB images: found 5 channels"),
        (np.zeros((0, 8, 8)), "cyx", "found 0 channels|no finite"),
        (np.zeros((8, 8)), "xy", r"along y and x.*8 \(x\) x 8 \(y\)"),
        (np.zeros((4, 8, 8)), "zyx", r"takes one plane.*4 \(z\)"),
        (np.zeros((4, 8, 8)), "tyx", r"takes one plane.*4 \(t\)"),
    ],
)
def test_images_that_cannot_be_used_are_refused(
    data: NDArray, axes: str | None, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        ready(data, axes)


def with_value(value: float) -> NDArray[np.float64]:
    data = ramp().astype(np.float64)
    data[3, 4] = value
    return data


@pytest.mark.parametrize(
    ("data", "notice"),
    [
        (with_value(np.nan), "1 values that are no finite numbers were set to 0"),
        (with_value(np.inf), "1 values that are no finite numbers were set to 0"),
        (with_value(-np.inf), "1 values that are no finite numbers were set to 0"),
        (np.zeros((20, 24), np.uint8), "the image is constant"),
        (np.full((20, 24), 7.5), "the image is constant"),
        (ramp().astype(np.int16) - 300, "values below 0 (down to -300) were set to 0"),
        (ramp().astype(np.uint16) * 100, "values reach 21000: 0 to 21000 was scaled"),
        (ramp() > 50, "the image is a mask: True was taken for white"),
        (with_value(1e308), "values reach 1e+308"),
    ],
)
def test_unusual_values_give_finite_input_and_one_notice(
    data: NDArray, notice: str
) -> None:
    prepared = ready(data)
    assert prepared.tensor.isfinite().all()
    assert prepared.tensor.shape == (1, 16, 16)
    assert len(prepared.notices) == 1
    assert prepared.notices[0].startswith(notice)


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("value", [0, 200])
def test_a_constant_image_gives_constant_input(value: int, standardise: bool) -> None:
    for rule in RULES:
        data = np.full((20, 24), value, np.uint8)
        tensor = ready(data, standardise=standardise, resize=rule).tensor
        expected = 0 if standardise else value / 255
        torch.testing.assert_close(
            tensor, torch.full_like(tensor, expected), atol=1e-3, rtol=0
        )


@pytest.mark.parametrize(
    "dtype", ["u1", "i2", "<u2", ">u2", "i4", "u8", "f2", "f4", ">f4", "f8"]
)
@pytest.mark.parametrize("rule", RULES)
def test_number_types_do_not_change_the_input(dtype: str, rule: str) -> None:
    expected = ready(ramp(), resize=rule).tensor
    found = ready(ramp().astype(dtype), resize=rule).tensor
    torch.testing.assert_close(found, expected)


def test_fractions_are_taken_as_parts_of_255() -> None:
    found = ready(ramp().astype(np.float64) / 255)
    torch.testing.assert_close(found.tensor, ready(ramp()).tensor)
    assert found.notices == ()


def test_dark_bytes_are_not_taken_for_fractions() -> None:
    assert ready((ramp() > 100).astype(np.uint8)).tensor.max() < 0.01


def test_negative_values_become_black() -> None:
    signed = ramp().astype(np.int16) - 50
    clipped = np.clip(signed, 0, None).astype(np.uint8)
    torch.testing.assert_close(ready(signed).tensor, ready(clipped).tensor)


@pytest.mark.parametrize(("axes", "order"), [("yxc", (0, 1, 2)), ("cyx", (2, 0, 1))])
def test_channels_may_stand_first_or_last(axes: str, order: tuple[int, ...]) -> None:
    colour = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]], axis=-1)
    found = ready(colour.transpose(order), axes).tensor
    assert found.shape == (3, 16, 16)
    for i in range(3):
        torch.testing.assert_close(found[i], ready(colour[..., i]).tensor[0])


def test_fourth_channel_is_left_out_with_a_notice() -> None:
    colour = np.stack([ramp()] * 3 + [np.full_like(ramp(), 255)], axis=-1)
    prepared = ready(colour)
    torch.testing.assert_close(prepared.tensor, ready(colour[..., :3]).tensor)
    (notice,) = prepared.notices
    assert notice == "the fourth channel was taken for opacity and left out"


@pytest.mark.parametrize("rule", RULES)
def test_standardised_channels_have_mean_zero_and_spread_one(rule: str) -> None:
    colour = np.stack([ramp(), ramp() // 2, ramp()[::-1] // 3], axis=-1)
    tensor = ready(colour, standardise=True, resize=rule).tensor
    torch.testing.assert_close(tensor.mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(tensor.std((1, 2)), torch.ones(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, np.bool_, np.int16])
def test_nothing_changes_the_image(dtype: type) -> None:
    data = ramp().astype(dtype)
    before = data.copy()
    data.flags.writeable = False
    for rule in RULES:
        ready(data, standardise=True, resize=rule, crop=10)
    np.testing.assert_array_equal(data, before)


def test_only_the_crop_of_a_lazy_image_is_read() -> None:
    class Lazy:
        shape, ndim, dtype = (20_000, 20_000), 2, np.dtype(np.uint8)

        def __getitem__(self, index: tuple[slice, ...]) -> NDArray[np.uint8]:
            self.asked = index
            return np.zeros([s.stop - s.start for s in index], np.uint8)

    lazy = Lazy()
    prepare(SpatialImage(lazy, ("y", "x")), Preprocessing(crop=30, side=16))
    assert lazy.asked == (slice(9985, 10015), slice(9985, 10015))


@pytest.mark.parametrize("shape", [(2, 2), (2, 500), (3000, 3), (17, 13)])
@pytest.mark.parametrize("rule", RULES)
def test_any_shape_from_two_by_two_goes_there_and_back(
    shape: tuple[int, int], rule: str
) -> None:
    prepared = ready(np.ones(shape, np.uint8), resize=rule)
    assert prepared.tensor.shape == (1, 16, 16)
    scores = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 16, 16)
    labels = restore_labels(scores, prepared.grid, shape, prepared.placement.seen)
    assert labels.shape == shape
    assert (labels == 1).all()


@pytest.mark.parametrize(
    "settings",
    [{"crop": 0}, {"crop": -5}, {"crop": "round"}, {"side": 0}, {"resize": "nearest"},
     {"flip": True}],
)  # fmt: skip
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        Preprocessing(**settings)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2"])
@pytest.mark.parametrize("rule", ["half-pixel", "corner-aligned"])
def test_numbers_that_are_looked_up_are_those_that_are_computed(
    dtype: object, rule: str
) -> None:
    most = np.iinfo(np.dtype(dtype)).max
    pixels = np.random.default_rng(0).integers(0, most, (50, 40, 3)).astype(dtype)
    how = Preprocessing(fit="pad", side=32, resize=rule)
    few, many = (
        SpatialImage.from_array(each, axes="yxc")
        for each in (pixels, pixels.astype(np.int32))
    )
    white = prepare(few, how).white
    for each in (white, replace(white, top=white.top / 3)):
        one, other = (prepare(image, how, white=each) for image in (few, many))
        np.testing.assert_array_equal(one.tensor.numpy(), other.tensor.numpy())


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_only_what_is_constant_in_every_channel_is_called_so(dtype: object) -> None:
    how = Preprocessing(fit="pad", side=32, resize="half-pixel")
    pixels = np.full((9, 9, 3), (3, 40, 200), dtype)
    image = SpatialImage.from_array(pixels, axes="yxc")
    assert CONSTANT in prepare(image, how).notices
    pixels[8, 8, 2] += 1
    assert CONSTANT not in prepare(image, how).notices
