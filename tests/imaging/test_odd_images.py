"""Odd pixels and odd shapes: a right result, a notice, or one clear message.

Cases of ROBUSTNESS.md list C, here and elsewhere:

==  ============================================================================
1-5   here for both kinds of model; test_preprocessing, test_segment for planes
6     here for volumes; test_preprocessing (negative values become black)
7     here to the end; test_preprocessing (fractions are taken as parts of 255)
8-10  here for volumes; test_preprocessing, test_segment for planes
11    test_volumes (small and odd volumes); test_preprocessing (any shape)
12    test_volumes, test_preprocessing (any shape from two by two)
13    here
14    test_lazy_images; adapters/test_odd_layers for dask
15    adapters/test_odd_layers, adapters/test_images
16    test_preprocessing (channels first or last, 2, 4, 5); adapters/test_odd_layers
17    test_spatial, test_segment (ambiguous); adapters/test_odd_layers asks
18    test_segment (stacks run plane by plane); adapters/test_odd_layers
19    adapters/test_odd_layers; test_volumes (48 ways to store a volume)
20    adapters/test_placement
21    here; adapters/test_odd_layers
22    here; adapters/test_placement, test_images, test_odd_layers
==  ============================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist
from stub_networks import THRESHOLD, thresholding_model

from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.inference.masks.pairs import hd95
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

PROBABILITIES = InferenceSettings(device="cpu", probabilities=True)
T1 = Patient(severity="T1")
WINDOWS = (None, (-200.0, 300.0))


@pytest.fixture
def race(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


def noise(shape: tuple[int, ...], dtype: str = "f4") -> NDArray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype(dtype)


def volume(data: NDArray, spacing: float = 1, unit: str | None = "mm") -> SpatialImage:
    affine = np.diag([spacing, spacing, spacing, 1])
    return SpatialImage(data, ("z", "y", "x"), affine, unit)


def with_values(shape: tuple[int, ...], *values: float, dtype: str = "f4") -> NDArray:
    data = noise(shape, dtype)
    data.ravel()[7 : 7 + len(values)] = values
    return data


ODD_VALUES = {
    "zero": (lambda shape: np.zeros(shape, np.uint8), "constant"),
    "constant": (lambda shape: np.full(shape, 7.25), "constant"),
    "one NaN": (lambda shape: with_values(shape, np.nan), "1 values that are no"),
    "infinities": (
        lambda shape: with_values(shape, np.inf, -np.inf, np.nan),
        "3 values that are no finite",
    ),
    "nearly all NaN": (
        lambda shape: np.where(noise(shape) > 250, 3.0, np.nan),
        "no finite numbers",
    ),
    "largest 32-bit": (lambda shape: with_values(shape, -3e38, 3e38), ""),
    "largest 64-bit": (
        lambda shape: with_values(shape, -1.7e308, 1.7e308, dtype="f8"),
        "",
    ),
    "smallest": (lambda shape: with_values(shape, 1e-45) * np.float32(1e-44), ""),
    "half floats": (lambda shape: noise(shape, "f2"), ""),
    "largest integers": (
        lambda shape: np.where(noise(shape) > 99, 2**64 - 1, 0).astype("u8"),
        "",
    ),
    "long doubles": (
        lambda shape: with_values(shape).astype(np.longdouble) ** np.longdouble(200),
        "",
    ),
}  # fmt: skip


def assert_is_sound(result: object, shape: tuple[int, ...], notice: str) -> None:
    assert result.labels.shape == shape
    assert np.isfinite(result.probabilities).all()
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-4)
    assert any(notice in said for said in (*result.provenance.notices, ""))


@pytest.mark.parametrize("name", ODD_VALUES)
def test_odd_values_in_a_plane_give_finite_probabilities(
    race: LoadedModel, name: str
) -> None:
    make, notice = ODD_VALUES[name]
    result = segment(race, make((20, 24)), settings=PROBABILITIES)
    assert_is_sound(result, (20, 24), notice)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", ODD_VALUES)
def test_odd_values_in_a_volume_give_finite_probabilities(
    name: str, window: tuple[float, float] | None
) -> None:
    make, notice = ODD_VALUES[name]
    model = thresholding_model(window=window, spacing=(1, 2, 0.5))
    result = segment(model, volume(make((6, 20, 24))), T1, settings=PROBABILITIES)
    assert_is_sound(result, (6, 20, 24), notice)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(9, 9), (4, 9, 9)])
def test_an_image_without_a_finite_value_is_refused(
    race: LoadedModel, shape: tuple[int, ...], value: float
) -> None:
    model = race if len(shape) == 2 else thresholding_model()
    image = SpatialImage.from_array(np.full(shape, value), axes="zyx"[-len(shape) :])
    with pytest.raises(ImageError, match="the image has no finite value"):
        segment(model, image)


@pytest.mark.parametrize("dtype", ["i2", ">i2", "i4", "f4", "f8"])
def test_hounsfield_units_below_zero_are_seen_as_they_are(dtype: str) -> None:
    data = np.random.default_rng(0).integers(-1024, 3000, (8, 20, 24)).astype(dtype)
    result = segment(thresholding_model(window=(-200, 300)), volume(data), T1)
    np.testing.assert_array_equal(result.labels, data > 50)
    assert not any("below 0" in said for said in result.provenance.notices)


def test_bytes_and_fractions_of_255_give_the_same_labels(race: LoadedModel) -> None:
    for shape, model in (((30, 40), race), ((6, 30, 40), thresholding_model())):
        data = noise(shape, "u1")
        found = [
            segment(
                model,
                SpatialImage.from_array(each, axes="zyx"[-len(shape) :]),
                Patient(race="Asian", severity="T1"),
            ).labels
            for each in (data, (data / 255).astype("f4"), data / 255)
        ]
        assert found[0].any()
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.parametrize("shape", [(0, 9, 9), (4, 0, 9), (4, 9, 0)])
def test_an_empty_volume_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=rf"empty: its shape is \({shape[0]}"):
        segment(thresholding_model(), volume(np.zeros(shape)), T1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_plane_of_one_pixel_across_is_refused_with_its_shape(
    race: LoadedModel, shape: tuple[int, int]
) -> None:
    with pytest.raises(ImageError, match=rf"2 x 2.* {shape[0]} \(y\) x {shape[1]}"):
        segment(race, np.zeros(shape))


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (1, 1, 90), (90, 1, 1), (1, 40, 40), (33, 2, 65), (32, 32, 64)],
)
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
def test_volumes_of_any_size_get_the_label_of_every_voxel(
    shape: tuple[int, ...], overlap: float
) -> None:
    data = noise(shape)
    settings = InferenceSettings(device="cpu", overlap=overlap)
    model = thresholding_model(window=(0, 255))
    result = segment(model, volume(data), T1, settings=settings)
    np.testing.assert_array_equal(result.labels, data / 255 > THRESHOLD)


@pytest.mark.parametrize("shape", [(65_000, 40), (40, 65_000)])
def test_a_very_long_plane_is_segmented_as_its_card_says(
    race: LoadedModel, shape: tuple[int, int]
) -> None:
    data = noise(shape, "u1")
    for crop in (None, 16):
        stated = race.card.preprocessing.model_copy(update={"crop": crop})
        card = race.card.model_copy(update={"preprocessing": stated})
        model = LoadedModel(race.network, card, race.architecture)
        result = segment(model, data, Patient(race="White"))
        assert result.labels.shape == shape
        side = crop or max(shape)
        seen = [b - a for a, b in result.provenance.seen]
        assert seen == [min(n, side) for n in shape]


@pytest.mark.parametrize("shape", [(1, 65_000, 40), (1, 40, 6_500)])
def test_a_very_long_volume_is_tiled_and_not_padded_as_a_whole(
    shape: tuple[int, ...],
) -> None:
    data = noise(shape)
    model = thresholding_model(window=(0, 255), patch=(32, 64, 64))
    settings = InferenceSettings(device="cpu", overlap=0)
    result = segment(model, volume(data), T1, settings=settings)
    np.testing.assert_array_equal(result.labels, data / 255 > THRESHOLD)
    assert len(Windows(shape, (32, 64, 64), 0)) == -(-max(shape) // 64)


@pytest.mark.parametrize(
    ("unit", "spacing"), [("mm", 3.0), (None, 3.0), (None, 3000.0)]
)
def test_only_known_lengths_are_resampled(unit: str | None, spacing: float) -> None:
    model = thresholding_model(window=(0, 255), spacing=(6, 3, 3))
    result = segment(model, volume(noise((8, 20, 24)), spacing, unit), T1)
    steps = result.provenance.grid["step"]
    assert steps == ((2, 1, 1) if unit else (1, 1, 1))
    said = any("voxel size is not known" in each for each in result.provenance.notices)
    assert said == (unit is None)


@pytest.mark.parametrize("seed", range(20))
def test_border_distances_are_in_mm_whatever_the_voxels_are(seed: int) -> None:
    spacing = (5, 0.6, 0.6)
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=(2, 7, 16, 15)), (0, 1, 2, 2))
    first, second = (blob > np.quantile(blob, 0.8) for blob in blobs)

    def border(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        inside = np.pad(mask, 1)
        neighbours = [np.roll(inside, s, a) for a in range(3) for s in (-1, 1)]
        edge = inside & ~np.logical_and.reduce(neighbours)
        return np.argwhere(edge[1:-1, 1:-1, 1:-1]) * spacing

    between = cdist(border(first), border(second))
    oracle = np.percentile(np.concatenate([between.min(0), between.min(1)]), 95)
    assert hd95(first, second, spacing) == pytest.approx(oracle)
