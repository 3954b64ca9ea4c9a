"""What of a volume is foreground, and intensities that are scaled by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import NormalizeIntensity
from pydantic import ValidationError

from napari_dmoe.imaging.foreground import Foreground, box_around, cropped
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume, prepare_volume, scale_of_all

SHAPE = (12, 10, 14)


def body(dtype: str = "f4") -> np.ndarray:
    """Return 0 around a block of 4 x 5 x 6 voxels of 10 to 129."""
    data = np.zeros(SHAPE, dtype)
    data[3:7, 2:7, 5:11] = np.arange(10, 130).reshape(4, 5, 6)
    return data


def image(data: np.ndarray | None = None, axes: str = "zyx") -> SpatialImage:
    data = body() if data is None else data
    place = ["zyx".index(axis) for axis in axes]
    affine = np.diag([4.0, 2, 1, 1])
    affine[:3, 3] = 7, -5, 3
    affine = affine[np.ix_([*place, 3], [*place, 3])]
    return SpatialImage(data.transpose(place), tuple(axes), affine, "mm")


@pytest.mark.parametrize("axes", ["zyx", "xyz", "yzx"])
@pytest.mark.parametrize("margin", [0, 2, 100])
def test_the_box_holds_the_foreground_and_a_margin(axes: str, margin: int) -> None:
    box = box_around([image(axes=axes)], Foreground(crop=True, margin=margin))
    expected = [(3, 7), (2, 7), (5, 11)]
    assert [(part.start, part.stop) for part in box] == [
        (max(0, a - margin), min(n, b + margin))
        for (a, b), n in zip(expected, SHAPE, strict=True)
    ]


def test_the_box_is_around_all_volumes_of_an_image() -> None:
    other = np.zeros(SHAPE, "f4")
    other[0, 9, 6] = 1
    box = box_around([image(), image(other)], Foreground(crop=True))
    assert box == (slice(0, 7), slice(2, 10), slice(5, 11))


def test_nothing_and_what_is_not_finite_is_no_foreground() -> None:
    data = np.full(SHAPE, np.nan, "f4")
    data[0, 0, 0] = np.inf
    assert box_around([image(data)], Foreground(crop=True)) is None
    assert box_around([image()], Foreground(crop=True, above=1000)) is None


def test_a_cropped_volume_stays_in_its_place() -> None:
    whole = image(axes="xyz")
    part = cropped(whole, (slice(3, 7), slice(2, 7), slice(5, 11)))
    assert part.data.shape == (6, 5, 4)
    np.testing.assert_array_equal(
        part.affine[:3, 3], whole.affine @ (5, 2, 3, 1) @ np.eye(4)[:, :3]
    )


def test_a_lazy_volume_is_cropped_as_one_in_memory() -> None:
    how = VolumePreprocessing(
        foreground=Foreground(crop=True, margin=1), spacing=(3, 2, 2)
    )
    expected = prepare_volume(image(), how)
    lazy = SpatialImage(_Lazy(body()), ("z", "y", "x"), image().affine, "mm")
    streamed = ModelVolume(lazy, how, most_kept=0)
    assert streamed.grid == expected.grid
    found = np.concatenate(
        [streamed.slab(1, slice(i, i + 1)) for i in range(streamed.shape[2])], 2
    )
    np.testing.assert_array_equal(found, expected.tensor)


class _Lazy:
    """An array that is read where it is indexed."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self.shape, self.dtype = data, data.shape, data.dtype
        self.ndim = data.ndim

    def __getitem__(self, index: object) -> np.ndarray:
        return self._data[index]


def test_a_volume_without_foreground_is_seen_whole_and_that_is_said() -> None:
    how = VolumePreprocessing(foreground=Foreground(crop=True, above=1000))
    prepared = prepare_volume(image(), how)
    assert prepared.tensor.shape[1:] == SHAPE
    assert any("nothing was cropped" in notice for notice in prepared.notices)


def test_the_window_becomes_0_and_1() -> None:
    prepared = prepare_volume(image(), VolumePreprocessing(window=(20, 120)))
    expected = (np.clip(body(), 20, 120) - 20) / 100
    np.testing.assert_allclose(prepared.tensor[0], expected, atol=1e-6)


def test_stated_percentiles_become_0_and_1() -> None:
    low, high = np.percentile(body(), (10, 95))
    prepared = prepare_volume(image(), VolumePreprocessing(percentiles=(10, 95)))
    expected = (np.clip(body(), low, high) - low) / (high - low)
    np.testing.assert_allclose(prepared.tensor[0], expected, atol=1e-6)


def test_percentiles_of_the_foreground_are_those_of_its_voxels() -> None:
    low, high = np.percentile(np.arange(10, 130), (10, 90))
    ground = Foreground(measured=True)
    how = VolumePreprocessing(percentiles=(10, 90), foreground=ground)
    prepared = prepare_volume(image(), how)
    expected = (np.clip(body(), low, high) - low) / (high - low)
    np.testing.assert_allclose(prepared.tensor[0], expected, atol=1e-6)


def test_a_standardised_volume_has_no_mean_and_unit_variance() -> None:
    prepared = prepare_volume(image(), VolumePreprocessing(standardise=True))
    expected = (body() - body().mean()) / body().std()
    np.testing.assert_allclose(prepared.tensor[0], expected, atol=1e-5)


def test_it_is_limited_to_its_window_before() -> None:
    prepared = prepare_volume(
        image(), VolumePreprocessing(standardise=True, window=(20, 100))
    )
    limited = np.clip(body(), 20, 100)
    expected = (limited - limited.mean()) / limited.std()
    np.testing.assert_allclose(prepared.tensor[0], expected, atol=1e-5)


def test_standardised_by_its_foreground_the_rest_is_0_as_monai_leaves_it() -> None:
    how = VolumePreprocessing(standardise=True, foreground=Foreground(measured=True))
    prepared = prepare_volume(image(), how)
    inside = np.arange(10, 130)
    np.testing.assert_allclose(
        prepared.tensor[0][torch.from_numpy(body()) > 0],
        (inside - inside.mean()) / inside.std(),
        atol=1e-5,
    )
    monais = NormalizeIntensity(nonzero=True)(torch.from_numpy(body())[None])
    np.testing.assert_allclose(prepared.tensor, np.asarray(monais), atol=1e-5)


def test_channels_are_standardised_each_on_its_own() -> None:
    data = np.stack([body(), 5 - 3 * body()])
    both = SpatialImage(data, ("c", "z", "y", "x"), np.eye(4), "mm")
    prepared = prepare_volume(both, VolumePreprocessing(standardise=True), n_channels=2)
    np.testing.assert_allclose(prepared.tensor.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(
        prepared.tensor.std((1, 2, 3), correction=0), 1, atol=1e-5
    )


def test_all_volumes_of_an_image_are_scaled_alike() -> None:
    how = VolumePreprocessing(standardise=True)
    both = [image(), image(2 * body())]
    scale, _ = scale_of_all(both, how, number=2)
    numbers = np.stack([body(), 2 * body()])
    assert np.asarray(scale.mean).item() == pytest.approx(numbers.mean())
    assert np.asarray(scale.spread).item() == pytest.approx(numbers.std())


def test_a_constant_volume_is_0_when_it_is_standardised() -> None:
    flat = image(np.full(SHAPE, 7.0, "f4"))
    prepared = prepare_volume(flat, VolumePreprocessing(standardise=True))
    assert not prepared.tensor.any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"percentiles": (5, 5)}, "rise from 0 to 100"),
        ({"percentiles": (-1, 99)}, "rise from 0 to 100"),
        ({"percentiles": (1, 99), "window": (0, 1)}, "state one"),
        ({"foreground": {}}, "state crop or measured"),
        ({"foreground": {"crop": True, "margin": -1}}, "greater than or equal"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VolumePreprocessing(**fields)
