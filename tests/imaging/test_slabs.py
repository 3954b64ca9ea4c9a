"""Volumes read slab by slab: each voxel is the one that the whole volume has."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from refusing import Refusing
from skimage.transform import resize

from napari_dmoe.imaging import intensities, slabs
from napari_dmoe.imaging.intensities import Intensities
from napari_dmoe.imaging.resampling import linear_slab, linear_volume, needed_rows
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume, prepare_volume, scale_of_all

SHAPE = (21, 18, 26)
SPACINGS = (None, (1.3, 0.7, 1.0), (3, 1, 2.5))
WINDOWS = (None, (10, 200))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiny volumes be read in many parts."""
    monkeypatch.setattr(slabs, "PIXELS_AT_ONCE", 2000)
    monkeypatch.setattr(slabs, "NUMBERS_AT_ONCE", 900)


def pixels(dtype: str = "f4") -> NDArray[np.generic]:
    return (np.random.default_rng(0).random(SHAPE) * 255).astype(dtype)


def image_of(data: object) -> SpatialImage:
    affine = np.diag([2.0, -1, 1, 1])
    return SpatialImage(data, ("y", "z", "x"), affine, "mm")


def in_slabs(volume: ModelVolume, axis: int, step: int) -> NDArray[np.float32]:
    n = volume.grid.shape[axis]
    rows = (slice(i, min(i + step, n)) for i in range(0, n, step))
    return np.concatenate([volume.slab(axis, part) for part in rows], axis + 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    ("spacing", "window"), list(itertools.product(SPACINGS, WINDOWS))
)
def test_slabs_are_parts_of_the_whole_bit_for_bit(
    axis: int, spacing: tuple | None, window: tuple | None
) -> None:
    how = VolumePreprocessing(spacing=spacing, window=window)
    whole = prepare_volume(image_of(pixels()), how)
    most = 1 if spacing == SPACINGS[2] else 0.8  # smoothing sees far
    streamed = ModelVolume(image_of(Refusing(pixels(), most)), how, most_kept=0)
    assert not streamed.is_kept
    assert streamed.grid == whole.grid
    assert streamed.notices == whole.notices
    for step in (1, 5):
        np.testing.assert_array_equal(in_slabs(streamed, axis, step), whole.tensor)


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">f4", "<f4", "f2", ">f8", "i8"])
def test_numbers_of_all_kinds_are_read_alike(dtype: str) -> None:
    how = VolumePreprocessing(window=(10, 200))
    data = pixels("u1").astype(dtype)
    found = ModelVolume(image_of(Refusing(data, 0.3)), how, most_kept=0)
    expected = np.clip((pixels("u1").astype("f8") - 10) / 190, 0, 1)
    upright = expected[:, ::-1].transpose(1, 0, 2)
    np.testing.assert_allclose(in_slabs(found, 2, 3)[0], upright, atol=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_numbers_that_are_none_are_counted_once(spacing: tuple | None) -> None:
    data = pixels()
    data[3:9, ::4, 5] = np.nan
    data[-1] = np.inf
    n_bad = np.count_nonzero(~np.isfinite(data))
    volume = ModelVolume(
        image_of(data), VolumePreprocessing(spacing=spacing), most_kept=0
    )
    said = f"{n_bad} values that are no finite numbers were set to 0"
    assert said in volume.notices
    with pytest.raises(ImageError, match="no finite value"):
        ModelVolume(image_of(np.full_like(data, np.nan)), VolumePreprocessing())


def test_a_range_beyond_floats_is_the_same_in_slabs() -> None:
    data = pixels("f8") * 1e305
    data[0, 0, 0] = -1.7e308
    whole = prepare_volume(image_of(data), VolumePreprocessing())
    streamed = ModelVolume(image_of(data), VolumePreprocessing(), most_kept=0)
    np.testing.assert_array_equal(in_slabs(streamed, 1, 4), whole.tensor)
    assert np.isfinite(whole.tensor).all()


def test_percentiles_of_thinned_volumes_are_the_same_in_slabs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intensities, "VOXELS_FOR_PERCENTILES", 700)
    how, data = VolumePreprocessing(), pixels()
    whole = prepare_volume(image_of(data), how)
    every = data[:, ::-1].transpose(1, 0, 2)[::3, ::3, ::3]
    low, high = np.percentile(every, (0.5, 99.5))
    expected = (np.clip(data, low, high) - low) / (high - low)
    upright = expected[:, ::-1].transpose(1, 0, 2)
    np.testing.assert_allclose(whole.tensor[0], upright, atol=1e-6)
    together, _ = scale_of_all([image_of(data)], how, number=1)
    np.testing.assert_allclose(together.window, (low, high), rtol=1e-6)


def test_channels_stay_apart_in_slabs() -> None:
    data = np.stack([pixels(), pixels()[::-1]], -1)
    image = SpatialImage(data, ("y", "z", "x", "c"), np.diag([2.0, -1, 1, 1]), "mm")
    how = VolumePreprocessing(spacing=(1.3, 0.7, 1.0))
    whole = prepare_volume(image, how, n_channels=2)
    streamed = ModelVolume(image, how, n_channels=2, most_kept=0)
    np.testing.assert_array_equal(in_slabs(streamed, 2, 7), whole.tensor)


@pytest.mark.parametrize("chunk", [4, 7, 30])
def test_chunks_are_read_whole_and_once_where_they_are_small(chunk: int) -> None:
    data = pixels("u1").transpose(1, 0, 2).copy()
    source = Refusing(data, 0.6 if chunk < 30 else 1, (chunk, *data.shape[1:]))
    image = SpatialImage(source, ("z", "y", "x"))
    ModelVolume(image, VolumePreprocessing(), most_kept=0)
    assert source.n_read == data.size


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_resampled_slab_needs_no_more_than_it_says(axis: int) -> None:
    volume = np.random.default_rng(1).random((30, 12, 17))
    shape = (9, 20, 11)
    whole = linear_volume(volume, shape)
    expected = resize(volume, shape, order=1, mode="edge", anti_aliasing=True)
    np.testing.assert_allclose(whole, expected, atol=1e-9)
    n, m = volume.shape[axis], shape[axis]
    for begin in range(m):
        rows = slice(begin, min(begin + 2, m))
        needed = needed_rows(n, m, rows)
        part = volume.take(range(needed.start, needed.stop), axis)
        found = linear_slab(
            part, volume.shape, shape, axis=axis, rows=rows, first=needed.start
        )
        np.testing.assert_array_equal(
            found, whole.take(range(rows.start, rows.stop), axis)
        )


def test_what_is_thinned_keeps_nothing_of_planes_that_it_skips() -> None:
    known = Intensities((1, 400, 64, 64), n_kept=500)
    tracemalloc.start()
    try:
        for first in range(0, 400, 2):
            known.see(np.full((1, 2, 64, 64), first, np.float32), first, 0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2**18  # of 6.5 MB
    assert known.thinned().size > 300
