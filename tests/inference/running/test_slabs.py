"""Volumes of any size: a slab at a time, and the same masks as from the whole."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from places import DATA
from refusing import Refusing
from stub_networks import THRESHOLD, thresholding_model

from napari_dmoe.imaging import slabs
from napari_dmoe.imaging.appearance import appearance
from napari_dmoe.imaging.restoration import restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import ModelVolume
from napari_dmoe.inference.results.provenance import InputDigest
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running import sums
from napari_dmoe.inference.running.drawing import Drawing, of_itself
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.slab_inputs import SlabInputs
from napari_dmoe.inference.running.sums import Ring, SlabMeans, WholePlanes
from napari_dmoe.inference.running.windows import Windows
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress

PATCH = (32, 32, 64)
T2 = Patient(severity="T2")
LONG = ((96, 34, 64), (34, 96, 64), (34, 32, 150))
"""Shapes whose longest axis is z, y, x."""


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no volume be small enough to be kept."""
    kept = ModelVolume.__init__.__kwdefaults__
    monkeypatch.setitem(kept, "most_kept", 0)
    monkeypatch.setattr(slabs, "PIXELS_AT_ONCE", 20_000)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tiny slabs be told in several parts."""
    monkeypatch.setattr(sums, "VOXELS_AT_ONCE", 10_000)


def unet(**preprocessing: object) -> LoadedModel:
    card = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage").card
    how = VolumePreprocessing(**{"patch": PATCH, "window": (0, 1)} | preprocessing)
    return load_checkpoint(
        DATA / "unet3d_stage5.pth", card=card.model_copy(update={"preprocessing": how})
    )


def scan(shape: tuple[int, ...], dtype: str = "f4") -> NDArray[np.generic]:
    return np.random.default_rng(0).random(shape).astype(dtype)


def image_of(data: object, sides: tuple[float, ...] = (4, 3, 3)) -> SpatialImage:
    return SpatialImage(data, ("z", "y", "x"), np.diag([*sides, 1.0]), "mm")


def assert_same_bits(found: Segmentation, expected: Segmentation) -> None:
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert dict(found.by_value).keys() == dict(expected.by_value).keys()
    for value, labels in found.by_value.items():
        np.testing.assert_array_equal(labels, expected.by_value[value])
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    for some, others in zip(found.routing.gates, expected.routing.gates, strict=True):
        np.testing.assert_array_equal(some, others)
    of_input = [each.provenance.image.input_sha256 for each in (found, expected)]
    assert of_input[0] == of_input[1]


@pytest.mark.parametrize(
    ("shape", "spacing", "patient", "how"),
    [
        (LONG[0], None, T2, {}),
        (LONG[1], None, T2, {"overlap": 0.25}),
        (LONG[2], None, Patient(), {"overlap": 0}),
        (LONG[0], (5, 2, 3.5), T2, {"noise": True, "samples": 2, "overlap": 0.1}),
        (LONG[2], (3, 4, 3), T2, {"scored_at": "network", "overlap": 0.1}),
    ],
)
def test_streamed_and_kept_volumes_give_the_same_bits(
    request: pytest.FixtureRequest,
    shape: tuple[int, ...],
    spacing: tuple[float, ...] | None,
    patient: Patient,
    how: dict,
) -> None:
    model, image = unet(spacing=spacing), image_of(scan(shape), (-4, 3, 3))
    settings = InferenceSettings(device="cpu", batch=2, probabilities=True, **how)
    expected = segment(model, image, patient, settings=settings)
    request.getfixturevalue("streamed")
    lazy = image_of(Refusing(image.data, 0.85), (-4, 3, 3))
    found = segment(model, lazy, patient, settings=settings)
    assert_same_bits(found, expected)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "u2", "i4", "f2"])
@pytest.mark.parametrize("shape", [(20, 100, 40), (160, 30, 70)])
def test_streamed_numbers_of_any_type_give_the_same_bits(
    request: pytest.FixtureRequest, shape: tuple[int, ...], dtype: str
) -> None:
    data = (scan(shape) * 250).astype(dtype)
    model = unet(window=(-1, 200))
    settings = InferenceSettings(device="cpu", probabilities=True)
    expected = segment(model, image_of(data), T2, settings=settings)
    request.getfixturevalue("streamed")
    found = segment(model, image_of(Refusing(data, 1)), T2, settings=settings)
    assert_same_bits(found, expected)


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("dtype", ["u1", ">i2", ">f4", "f2"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_lazy_volume_is_never_read_whole(axis: int, dtype: str) -> None:
    shape = [20, 20, 20]
    shape[axis] = 400
    data = (scan(tuple(shape)) * 200).astype(dtype)
    source = Refusing(data, 0.2)
    model = thresholding_model(window=(0, 200))
    settings = InferenceSettings(device="cpu", overlap=0)
    result = segment(model, image_of(source), T2, settings=settings)
    bright = data.astype(np.float32) / 200 > THRESHOLD
    np.testing.assert_array_equal(result.labels, bright)
    # Once to know its intensities, once to run, and once more to digest it along z.
    assert source.n_read <= (2 if axis == 0 else 3) * data.size


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("shape", [(1, 40, 33), (1, 1, 300), (5, 6, 7), (33, 65, 97)])
def test_any_shape_can_be_streamed(shape: tuple[int, ...]) -> None:
    data = scan(shape)
    model = thresholding_model(window=(0, 1))
    result = segment(model, image_of(Refusing(data, 1)), T2)
    np.testing.assert_array_equal(result.labels, data > THRESHOLD)


@pytest.mark.usefixtures("streamed")
def test_memory_is_flat_along_the_longest_axis() -> None:
    def peak(n: int) -> int:
        row = np.linspace(0, 1, 40 * 40, dtype=np.float32).reshape(1, 40, 40)
        data = Refusing(np.broadcast_to(row, (n, 40, 40)), 0.5)
        settings = InferenceSettings(device="cpu", batch=1, overlap=0)
        tracemalloc.start()
        result = segment(model, image_of(data), T2, settings=settings)
        beyond = tracemalloc.get_traced_memory()[1] - result.labels.nbytes
        tracemalloc.stop()
        return beyond

    model = thresholding_model(window=(0, 1))
    peak(200)  # what is imported with the first one
    short, long = peak(200), peak(1600)
    assert long - short < 1600 * 40 * 40  # less than a byte a voxel


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(40, 70, 64), (97, 33, 100), (34, 96, 70)])
def test_sums_told_late_or_early_are_the_same(
    shape: tuple[int, ...], overlap: float
) -> None:
    windows, n_told = Windows(shape, PATCH, overlap), 0
    found = torch.full((2, 1, *shape), torch.nan)

    def tell(place: tuple[slice, ...], means: torch.Tensor) -> None:
        nonlocal n_told
        assert found[(..., *place)].isnan().all()  # each voxel once
        found[(..., *place)] = means
        n_told += 1

    means = SlabMeans(windows, (2, 1), tell)
    total, weights = torch.zeros(2, 1, *shape), torch.zeros(shape)
    for number in windows.order:
        answer = torch.rand(2, 1, *PATCH)
        means.add(number, answer)
        place, part = windows.inside(number)
        total[(..., *place)] += answer[(..., *part)] * windows.weights[part]
        weights[place] += windows.weights[part]
    means.end()
    assert n_told >= 3
    assert torch.equal(found, total / weights)


def test_sums_hold_a_band_and_what_the_next_slab_overlaps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zeros, held = np.zeros, list[int]()

    def noted(*given: Any) -> NDArray[np.generic]:
        held.append((made := zeros(*given)).size)
        return made

    windows = Windows((64, 608, 70), PATCH, 0.25)
    monkeypatch.setattr(np, "zeros", noted)
    SlabMeans(windows, (3,), lambda *_: None)
    # Slabs lie along y, 32 planes deep and 8 of them overlapped; bands of 64 along x.
    assert held == [3 * 64 * 32 * 64, 3 * 64 * 8 * 70]


@pytest.mark.parametrize("first", [(0, 1), (1, 0), (2, 1)])
def test_sums_from_a_plane_on_are_those_of_the_whole(first: tuple[int, int]) -> None:
    windows, begin = Windows((40, 160, 70), PATCH, 0.5), 40 * first[0] + 3 * first[1]
    answers = torch.rand(len(windows), 1, *PATCH)
    found = []
    for plane, numbers in ((0, windows.order), (begin, windows.reaching(begin))):
        whole = torch.full((1, 40, 160, 70), torch.nan)

        def tell(place: tuple[slice, ...], means: torch.Tensor) -> None:
            whole[(..., *place)] = means  # noqa: B023

        means = SlabMeans(windows, (1,), tell, begin=plane)
        for number in numbers:
            means.add(number, answers[number])
        means.end()
        found.append(whole)
    assert found[1][:, :, :begin].isnan().all()
    assert torch.equal(found[1][:, :, begin:], found[0][:, :, begin:])


@pytest.mark.parametrize("step", [1, 3, 5, 9])
def test_a_ring_goes_on_by_any_step(step: int) -> None:
    whole = torch.arange(1.0, 41).expand(2, 3, 40)
    ring, end = Ring((2,), (3, 40), 1, 5), 0
    for first in range(0, 36, step):
        ring.go_on(first)
        begin, end = max(first, end), first + 5
        assert not ring.between(begin, end).any()
        ring.between(begin, end).copy_(whole[..., begin:end])
        assert torch.equal(ring.planes, whole[..., first:end])


@pytest.mark.parametrize("n_rows", [3, 99])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    "grid",
    [
        Grid((9, 7, 11), (0.3, 11, -0.2), (1.9, -1.6, 0.7)),
        Grid((9, 7, 11), (8, 0, 10), (-1, 1, -1)),
        Grid((1, 7, 11), (2, 0, 0), (5, 1, 1)),
        Grid((9, 7, 30), (-0.4, 0, 0), (2.2, 1, 0.4)),
    ],
)
def test_slabs_are_drawn_as_the_whole_is(grid: Grid, axis: int, n_rows: int) -> None:
    shape = grid.shape if grid == of_itself(grid) else (18, 12, 8)
    scores, second = torch.rand(3, *grid.shape), (axis + 1) % 3
    labels = np.full(shape, 9, np.uint8)
    maps = np.full((3, *shape), np.nan, np.float32)
    drawing, n_drawn, n_finished = Drawing(grid, shape, axis, second), 0, 0

    def draw(place: tuple[slice, ...], part: torch.Tensor) -> None:
        nonlocal n_drawn, n_finished
        if drawn := drawing.part(place, part):
            labels[drawn.place] = drawn.labels(drawn.scores)
            maps[(slice(None), *drawn.place)] = drawn.maps(drawn.scores)
            n_drawn += labels[drawn.place].size
            if drawn.finished is not None:
                assert not (labels[drawn.finished] == 9).any()
                n_finished += labels[drawn.finished].size

    tiles = SimpleNamespace(shape=grid.shape, axis=axis, second=second)
    told = draw if drawing.is_same else WholePlanes(tiles, draw).take
    for slab in range(0, grid.shape[axis], 4):
        stop, end = min(slab + 4, grid.shape[axis]), grid.shape[second]
        bands = [slice(i, min(i + n_rows, end)) for i in range(0, end, n_rows)]
        for band, first in itertools.product(bands, range(slab, stop, 2)):
            place = [slice(0, n) for n in grid.shape]
            place[axis], place[second] = slice(first, min(first + 2, stop)), band
            told(tuple(place), scores[(slice(None), *place)])
    assert n_finished == labels.size
    assert n_drawn == labels.size
    expected = restore_maps(scores, grid, shape).numpy()
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    assert (labels == restore_labels(scores, grid, shape)).mean() > 0.999


@pytest.mark.usefixtures("streamed")
def test_stop_acts_while_slabs_are_read_and_drawn() -> None:
    image = image_of(Refusing(scan((100, 40, 40)), 0.7))
    model = thresholding_model(window=(0, 1), spacing=(4, 2, 3))
    steps: list[Progress] = []
    segment(model, image, T2, progress=steps.append)
    assert len(steps) > 50
    for number in range(0, len(steps), max(1, len(steps) // 8)):
        calls = iter(range(number))

        def stop(_: Progress) -> None:
            if next(calls, None) is None:  # noqa: B023
                raise Cancelled

        with pytest.raises(Cancelled):
            segment(model, image, T2, progress=stop)


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("kind", ["dask", "zarr", "memmap"])
def test_lazy_arrays_of_others_are_streamed(kind: str, tmp_path: Path) -> None:
    data = scan((70, 33, 40))
    if kind == "dask":
        array = pytest.importorskip("dask.array").from_array(data, chunks=(16, 20, 40))
    elif kind == "zarr":
        array = pytest.importorskip("zarr").open_array(
            tmp_path / "a.zarr",
            mode="w",
            shape=data.shape,
            dtype="f4",
            chunks=(16,) * 3,
        )
        array[:] = data
    else:
        np.save(tmp_path / "a.npy", data)
        array = np.load(tmp_path / "a.npy", mmap_mode="r")
    model = thresholding_model(window=(0, 1))
    result = segment(model, image_of(array), T2)
    np.testing.assert_array_equal(result.labels, data > THRESHOLD)


@pytest.mark.parametrize("shape", LONG)
def test_channels_are_cut_digested_and_looked_at_as_from_the_whole(
    shape: tuple[int, ...],
) -> None:
    data = scan((*shape, 2))
    image = SpatialImage(data, ("z", "y", "x", "c"), np.diag([4.0, 3, 3, 1]), "mm")
    how = VolumePreprocessing(patch=PATCH, window=(0, 1))
    found = []
    for most_kept in (0, 2**30):
        volume = ModelVolume(image, how, n_channels=2, most_kept=most_kept)
        windows, digest = Windows(shape, PATCH, 0.5), InputDigest()
        inputs = SlabInputs(volume, windows, digest)
        cut = torch.cat([inputs.cut([number]) for number in windows.order])
        found.append((cut, digest.hexdigest(), appearance(inputs.looked_at)))
    (cut, *said), (whole, *expected) = found
    assert torch.equal(cut, whole)
    assert said == expected
