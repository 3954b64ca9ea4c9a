"""What a card asks of volumes, through whole runs: there and back."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from places import DATA
from stub_networks import STUB_PATCH, thresholding_model
from torch import Tensor, nn

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.foreground import Foreground
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.outlook import outlook
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.models.card_files import read_card
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.gating import SegmentationOutput
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.patient import Patient

T1 = Patient(severity="T1")
ON_CPU = InferenceSettings(device="cpu")
SHAPE = (40, 36, 70)


class Rising(nn.Module):
    """Calls voxels foreground whose predecessor along its first axis is darker."""

    def __init__(self) -> None:
        super().__init__()
        self.config = UNetConfig(n_routers=5)
        self.shapes: set[tuple[int, ...]] = set()

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: object = None,
        experts: object = None,
    ) -> SegmentationOutput:
        self.shapes.add(tuple(x.shape[2:]))
        rise = x - x.roll(1, 2)
        return SegmentationOutput(torch.cat([0 * x, rise - 1e-3], 1), ())


class Everything(Rising):
    """Calls everything foreground."""

    def forward(
        self,
        x: Tensor,
        category: Tensor | None,
        noise: object = None,
        experts: object = None,
    ) -> SegmentationOutput:
        return SegmentationOutput(torch.cat([0 * x, 0 * x + 1], 1), ())


def model_of(network: nn.Module, **stated: object) -> LoadedModel:
    how = VolumePreprocessing(**{"patch": STUB_PATCH, "window": (0, 1)} | stated)
    card = read_card("prostate-tstage").model_copy(update={"preprocessing": how})
    return LoadedModel(network, card, "dmoe-unet3d")


def scan(shape: tuple[int, ...] = SHAPE) -> SpatialImage:
    data = np.random.default_rng(0).random(shape, np.float32)
    affine = np.diag([4.0, 3, 2, 1])
    affine[:3, 3] = -31, 12, 5
    return SpatialImage(data, ("z", "y", "x"), affine, "mm")


def stored(image: SpatialImage, order: str, flips: tuple[int, ...]) -> SpatialImage:
    """Return an image with its axes in another order and some turned round."""
    data, affine = image.data, image.affine.copy()
    for axis, (flip, n) in enumerate(zip(flips, image.data.shape, strict=True)):
        if flip < 0:
            data = np.flip(data, axis)
            affine[:, 3] += (n - 1) * affine[:, axis]
            affine[:, axis] *= -1
    place = ["zyx".index(axis) for axis in order]
    return SpatialImage(
        data.transpose(place),
        tuple(order),
        affine[np.ix_([*place, 3], [*place, 3])],
        "mm",
    )


def upright(labels: np.ndarray, order: str, flips: tuple[int, ...]) -> np.ndarray:
    back = labels.transpose([order.index(axis) for axis in "zyx"])
    return back[tuple(slice(None, None, flip) for flip in flips)]


@pytest.mark.parametrize("order", ["".join(p) for p in itertools.permutations("zyx")])
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_48_orientations_have_the_same_labels_in_the_world(
    order: str, flips: tuple[int, ...]
) -> None:
    image = scan((24, 36, 40))
    how = {"orientation": "RAS", "spacing": (4.0, 2.5, 2.5)}
    how |= {"foreground": Foreground(above=0.1, crop=True)}
    model = model_of(Rising(), **how)
    expected = segment(model, image, T1, settings=ON_CPU)
    assert 0.2 < expected.labels.mean() < 0.8
    found = segment(model, stored(image, order, flips), T1, settings=ON_CPU)
    assert found.labels.shape == stored(image, order, flips).data.shape
    same = upright(found.labels, order, flips) == expected.labels
    assert same.mean() > 0.9999  # near ties of 32-bit interpolation


def test_a_network_sees_its_own_axes() -> None:
    image, network = scan((32, 32, 64)), Rising()
    found = segment(model_of(network, orientation="RAS"), image, T1, settings=ON_CPU)
    assert network.shapes == {(64, 32, 32)}
    darker_to_the_left = np.zeros((32, 32, 64), bool)
    data = image.data  # x runs to the left: the predecessor to the right comes after
    darker_to_the_left[..., :-1] = data[..., :-1] - data[..., 1:] > 1e-3
    np.testing.assert_array_equal(found.labels[..., :-1], darker_to_the_left[..., :-1])


@pytest.fixture(scope="module")
def plain() -> LoadedModel:
    how = VolumePreprocessing(window=(0, 1), patch=STUB_PATCH)
    card = read_card("prostate-tstage").model_copy(update={"preprocessing": how})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


@pytest.fixture(scope="module")
def turned(plain: LoadedModel) -> LoadedModel:
    """The same network with its axes the other way round, and a card that says so."""
    module = copy.deepcopy(plain.module)
    with torch.no_grad():
        for weights in module.parameters():
            if weights.ndim == 5:
                weights.copy_(weights.permute(0, 1, 4, 3, 2).clone())
    how = plain.preprocessing.model_copy(update={"orientation": "LPS"})
    card = plain.card.model_copy(update={"preprocessing": how})
    return LoadedModel(module, card, plain.architecture)


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("patient", [T1, Patient()], ids=["known", "mixture"])
def test_a_turned_network_finds_what_it_found(
    plain: LoadedModel, turned: LoadedModel, patient: Patient, noise: bool
) -> None:
    settings = InferenceSettings(device="cpu", probabilities=True)
    expected = segment(plain, scan((32, 33, 64)), patient, settings=settings)
    found = segment(turned, scan((32, 33, 64)), patient, settings=settings)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    for some, others in zip(found.routing.gates, expected.routing.gates, strict=True):
        assert some.shape == others.shape
        np.testing.assert_allclose(some, others, atol=1e-3)
    assert found.routing.grids == expected.routing.grids
    if noise:
        noisy = settings.model_copy(update={"noise": True, "samples": 2})
        drawn = segment(turned, scan((32, 33, 64)), patient, settings=noisy)
        assert drawn.labels.shape == (32, 33, 64)


def test_a_sweep_of_a_turned_network_is_that_of_the_plain_one(
    plain: LoadedModel, turned: LoadedModel
) -> None:
    known = {"attribute": "severity", "patient": T1, "settings": ON_CPU}
    image = scan((32, 32, 64))
    expected, found = (sweep(each, image, **known) for each in (plain, turned))
    for a, b in zip(found.values, expected.values, strict=True):
        assert (a.result.labels == b.result.labels).mean() > 0.9999


def block() -> SpatialImage:
    data = np.zeros((30, 40, 70), np.float32)
    data[5:12, 10:31, 20:55] = 0.8
    return SpatialImage(data, ("z", "y", "x"), np.diag([3.0, 2, 2, 1]), "mm")


BOX = (slice(4, 13), slice(9, 32), slice(19, 56))


@pytest.mark.parametrize("spacing", [None, (3.0, 4.0, 4.0)])
def test_outside_the_crop_everything_is_background(
    spacing: tuple[float, ...] | None,
) -> None:
    ground = Foreground(above=0.5, crop=True, margin=1)
    model = model_of(Everything(), foreground=ground, spacing=spacing)
    settings = InferenceSettings(device="cpu", probabilities=True)
    found = segment(model, block(), T1, settings=settings)
    expected = np.zeros(block().data.shape, np.uint8)
    expected[BOX] = 1
    np.testing.assert_array_equal(found.labels, expected)
    outside = expected == 0
    assert not found.probabilities[:, outside].any()
    np.testing.assert_allclose(found.probabilities[:, ~outside].sum(0), 1, atol=1e-6)
    record = found.provenance
    assert record.seen == tuple((part.start, part.stop) for part in BOX)
    assert any("z 4 to 12, y 9 to 31, x 19 to 55" in each for each in record.notices)


def test_a_mask_in_a_file_is_that_in_memory(tmp_path: Path) -> None:
    ground = Foreground(above=0.5, crop=True, margin=1)
    model = model_of(Rising(), foreground=ground, standardise=True, orientation="LAS")
    image = block()
    image.data[:] += np.random.default_rng(0).random(image.data.shape) / 5
    expected = segment(model, image, T1, settings=ON_CPU)
    saved = segment_to_file(tmp_path, "scan", model, image, T1, settings=ON_CPU)
    assert expected.labels.any()
    mask = read_image(saved.labels)
    back = mask.data.transpose([mask.axes.index(axis) for axis in "zyx"])
    np.testing.assert_array_equal(back, expected.labels)


def test_masks_at_the_networks_voxels_lie_in_the_crop() -> None:
    ground = Foreground(above=0.5, crop=True)
    model = model_of(Everything(), foreground=ground, spacing=(3.0, 4.0, 4.0))
    settings = InferenceSettings(device="cpu", scored_at="network")
    image = block()
    image.data[8, 20, 30] = 0.9
    found = segment(model, image, T1, settings=settings)
    assert found.labels.shape == found.grid.shape == (7, 10, 18)
    assert found.labels.all()
    assert found.grid.start == pytest.approx((5, 10.55, 20 + (35 / 18 - 1) / 2))


def test_series_of_volumes_have_one_box_and_one_scale() -> None:
    data = np.stack([block().data, np.roll(block().data, 8, 1)])
    image = SpatialImage(data, ("t", "z", "y", "x"), block().affine, "mm")
    ground = Foreground(above=0.5, crop=True)
    model = model_of(Everything(), foreground=ground, standardise=True)
    found = segment(model, image, T1, settings=ON_CPU)
    expected = np.zeros(data.shape, np.uint8)
    expected[:, 5:12, 10:39, 20:55] = 1
    np.testing.assert_array_equal(found.labels, expected)


@pytest.mark.parametrize("spacing", [(1.7, 2.9, 0.8), (8.0, 5.0, 6.0), (4.0, 3.0, 2.0)])
def test_the_grid_covers_the_volume_to_1e_5(spacing: tuple[float, ...]) -> None:
    image = scan()
    prepared = prepare_volume(image, VolumePreprocessing(spacing=spacing))
    grid, affine = prepared.grid, image.affine @ prepared.grid.to_source()
    for axis, (n, m) in enumerate(zip(SHAPE, grid.shape, strict=True)):
        own = np.linalg.norm(image.affine[:3, axis])
        step = np.linalg.norm(affine[:3, axis])
        assert step * m == pytest.approx(own * n, abs=1e-5)  # voxels are areas
        first = grid.start[axis] - grid.step[axis] / 2
        assert first == pytest.approx(-0.5, abs=1e-5)
    if spacing == (4.0, 3.0, 2.0):
        assert grid == Grid.identity(SHAPE)


def test_a_volume_of_unknown_voxel_size_is_seen_as_it_is_and_that_is_said() -> None:
    image = SpatialImage(scan().data, ("z", "y", "x"))
    model = thresholding_model(window=(0, 1), spacing=(4, 3, 3))
    found = segment(model, image, T1, settings=ON_CPU)
    assert found.provenance.grid["step"] == (1, 1, 1)
    said = "the voxel size is not known, so the volume was not resampled to"
    assert any(said in each for each in found.provenance.notices)
    before = outlook(model, image, settings=ON_CPU)
    assert not before.problem
    assert any("voxel size is not known" in each for each in before.doubts)
