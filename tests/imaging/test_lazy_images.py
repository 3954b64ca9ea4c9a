"""Lazy and large images: read no further than needed, worked on in steps.

Case 14 of ROBUSTNESS.md list C; the table stands in test_odd_images.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import resize

from napari_dmoe.imaging import intensities, lazy, resampling
from napari_dmoe.imaging.pixels import finite_numbers
from napari_dmoe.imaging.spatial import ImageError, ImageReadError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled


@pytest.fixture
def race(tiny_checkpoint: Callable[..., Path]) -> LoadedModel:
    return load_checkpoint(tiny_checkpoint(3, 3), card="fairseg-race")


class Lazy:
    """An array that is read from somewhere, and notes what was asked for."""

    def __init__(self, shape: tuple[int, ...], chunks: object = None) -> None:
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(np.uint8)
        self.asked: list[tuple] = []
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, index: tuple) -> NDArray[np.uint8]:
        self.asked.append(index)
        ranges = [
            range(*s.indices(n))
            for s, n in zip(index, self.shape, strict=True)
            if isinstance(s, slice)
        ]
        rows = np.array(ranges[0]).astype(np.uint8)
        rest = (1,) * (len(ranges) - 1)
        return np.broadcast_to(rows.reshape(-1, *rest), tuple(map(len, ranges)))


@pytest.mark.parametrize(
    ("chunks", "rows"), [(None, 5), ((8, 4, 4), 8), (((4, 4, 2), (4,), (4,)), 4)]
)
def test_lazy_arrays_are_read_in_whole_chunks_between_pulses(
    monkeypatch: pytest.MonkeyPatch, chunks: object, rows: int
) -> None:
    monkeypatch.setattr(lazy, "BYTES_AT_ONCE", 5 * 4 * 4)
    source, pulses = Lazy((10, 4, 4), chunks), []
    everything = (slice(None),) * 3
    read = lazy.read_part(source, everything, pulse=lambda: pulses.append(1))
    np.testing.assert_array_equal(read[:, 0, 0], np.arange(10))
    assert [index[0] for index in source.asked] == [
        slice(begin, min(begin + rows, 10)) for begin in range(0, 10, rows)
    ]
    assert len(pulses) == len(source.asked)


@pytest.mark.parametrize("index", [(3, 2), (slice(2, 2), slice(None))])
def test_lazy_points_and_nothing_are_read_too(index: tuple) -> None:
    data = np.arange(20).reshape(5, 4)

    class View:
        shape, ndim, dtype = data.shape, 2, data.dtype

        def __getitem__(self, place: tuple) -> NDArray:
            return data[place]

    np.testing.assert_array_equal(lazy.read_part(View(), index), data[index])


def test_a_huge_plane_is_refused_before_it_is_read_with_what_it_needs(
    race: LoadedModel,
) -> None:
    stated = race.card.preprocessing.model_copy(update={"crop": None})
    card = race.card.model_copy(update={"preprocessing": stated})
    source = Lazy((20_000, 20_000))
    with pytest.raises(ImageError, match=r"20000 x 20000 pixels, which needs 9 GiB"):
        segment(
            LoadedModel(race.network, card, race.architecture),
            SpatialImage(source, ("y", "x")),
        )
    assert source.asked == []


def test_only_the_crop_of_each_lazy_plane_is_read(race: LoadedModel) -> None:
    stated = race.card.preprocessing.model_copy(update={"crop": 30})
    card = race.card.model_copy(update={"preprocessing": stated})
    model = LoadedModel(race.network, card, race.architecture)
    source = Lazy((2, 20_000, 20_000))
    result = segment(
        model, SpatialImage(source, ("t", "y", "x")), Patient(race="White")
    )
    crop = slice(9_985, 10_015)
    assert result.labels.shape == source.shape
    assert {index[0] for index in source.asked} == {0, 1}
    assert all(index[1:] == (crop, crop) for index in source.asked)


def test_resampling_in_steps_is_scipys_and_scikit_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resampling, "PIXELS_AT_ONCE", 300)
    pulses: list[int] = []
    for shape in ((37, 53), (2, 300), (20, 24)):
        plane = np.random.default_rng(1).random(shape)
        factors = [16 / n for n in shape]
        found = resampling.cubic_plane(plane, (16, 16), pulse=lambda: pulses.append(1))
        np.testing.assert_array_equal(found, ndimage.zoom(plane, factors, order=3))
    assert len(pulses) > 20
    for dtype, shape in itertools.product(("f4", "f8"), [(5, 6, 7), (20, 9, 1)]):
        solid = np.random.default_rng(1).random(shape).astype(dtype)
        found = resampling.linear_volume(solid, (9, 4, 12))
        expected = resize(solid, (9, 4, 12), order=1, mode="edge", anti_aliasing=True)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.dtype == dtype


def test_percentiles_of_large_volumes_are_those_of_fewer_voxels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = np.random.default_rng(2).normal(100, 20, (40, 41, 42))
    image = SpatialImage(data, ("z", "y", "x"))
    whole = prepare_volume(image, VolumePreprocessing()).tensor
    monkeypatch.setattr(intensities, "VOXELS_FOR_PERCENTILES", 10_000)
    fewer = prepare_volume(image, VolumePreprocessing()).tensor
    assert 0 < float((whole - fewer).abs().max()) < 0.03


def test_numbers_that_are_already_finite_are_not_copied() -> None:
    data = np.zeros((4, 4), np.float32)
    assert finite_numbers(data)[0] is data


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (FileNotFoundError(2, "No such file or directory", "/Doe.tif"), "No such file"),
        (KeyError("Jane Doe"), "KeyError"),
        (ValueError("Jane Doe"), "ValueError"),
        (OSError("Jane Doe"), "OSError"),
    ],
)
@pytest.mark.parametrize("shape", [(20, 20), (20, 20, 3), (3, 20, 20)])
def test_an_array_that_cannot_be_read_is_told_in_words(
    error: Exception, why: str, shape: tuple[int, ...]
) -> None:
    class Gone:
        ndim, dtype = len(shape), np.dtype(np.uint8)

        def __init__(self) -> None:
            self.shape = shape

        def __getitem__(self, index: object) -> np.ndarray:
            raise error

    axes = "zyx" if shape[0] == 3 else None
    image = SpatialImage.from_array(Gone(), axes=axes)
    loaded = load_checkpoint("fundus-phantom")
    with pytest.raises(ImageReadError) as caught:
        segment(loaded, image, Patient(severity="suspect"))
    assert f"the image's pixels cannot be read ({why}" in str(caught.value)
    assert "Doe" not in str(caught.value)
    assert caught.value.__cause__ is None
    for error in (Cancelled(), MemoryError("7 TiB")):
        with pytest.raises(type(error)):
            segment(loaded, image, Patient(severity="suspect"))


@pytest.mark.parametrize("kind", ["plain", "of a graph", "bfloat16", "sparse", "list"])
def test_a_tensor_is_the_array_that_it_holds(kind: str) -> None:
    numbers = np.arange(4800, dtype=np.uint8).reshape(40, 40, 3)
    tensor = torch.from_numpy(numbers.copy())
    made = {
        "plain": tensor,
        "of a graph": tensor.float().requires_grad_(),
        "bfloat16": tensor.bfloat16(),
        "sparse": tensor.to_sparse(),
        "list": numbers.tolist(),
    }[kind]
    loaded = load_checkpoint("fundus-phantom")
    for image in (made, SpatialImage.from_array(made, axes="yxc")):
        found = segment(loaded, image, Patient(severity="suspect"))
        wanted = segment(loaded, numbers, Patient(severity="suspect"))
        np.testing.assert_array_equal(found.labels, wanted.labels)


def test_a_tensor_without_values_says_what_to_give() -> None:
    with pytest.raises(ImageError, match=r"tensor\.cpu\(\)\.numpy\(\)"):
        SpatialImage.of(torch.zeros((9, 9), device="meta"))
    for nothing in (None, "/data/eye.png", 3):
        with pytest.raises(ImageError, match="array with at least two axes"):
            SpatialImage.of(nothing)
