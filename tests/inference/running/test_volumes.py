"""Volumes: upright, resampled, cut into windows, put together and placed again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers import sliding_window_inference
from places import DATA
from pydantic import ValidationError

from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.imaging.restoration import restore_labels, restore_maps
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import prepare_volume
from napari_dmoe.inference.running.devices import choose_device
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.sums import SlabMeans, whole_gates
from napari_dmoe.inference.running.windows import Tokens, Windows, n_windows
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Cancelled, Progress

PATCH = (32, 32, 64)
PLAIN = VolumePreprocessing(window=(0, 1), patch=PATCH)
SHAPE = (40, 36, 70)
GPU = {"cuda": "cuda", "mps": "mps"}.get(choose_device("auto").device.type)


def volume(
    shape: tuple[int, ...] = SHAPE, affine: np.ndarray | None = None
) -> SpatialImage:
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    affine = np.diag([4.0, 3, 3, 1]) if affine is None else affine
    return SpatialImage(data, ("z", "y", "x"), affine, "mm")


@pytest.fixture(scope="module")
def unet() -> LoadedModel:
    loaded = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage")
    card = loaded.card.model_copy(update={"preprocessing": PLAIN})
    return load_checkpoint(DATA / "unet3d_stage5.pth", card=card)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"patch": (32, 32, 32)}, "at least 64"),
        ({"patch": (48, 64, 64)}, "multiples of 32"),
        ({"patch": (0, 64, 64)}, "multiples of 32"),
        ({"spacing": (0, 1, 1)}, "0.001 to 1000 mm"),
        ({"window": (5, 5)}, "a window rises"),
        ({"side": 3}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VolumePreprocessing(**fields)


def test_intensities_become_shares_of_the_window() -> None:
    data = np.array([-1000, -200, 50, 300, 2000], np.int16).reshape(1, 1, 5)
    image = SpatialImage(data, ("z", "y", "x"), np.eye(4), "mm")
    prepared = prepare_volume(image, VolumePreprocessing(window=(-200, 300)))
    np.testing.assert_allclose(prepared.tensor.ravel(), [0, 0, 0.5, 1, 1])
    assert prepared.notices == ()


@pytest.mark.parametrize(
    ("value", "notice"), [(500, "outside the model's window"), (0, "constant")]
)
def test_volumes_unlike_the_card_give_a_notice(value: int, notice: str) -> None:
    image = SpatialImage(np.full((4, 4, 4), value, np.int16), ("z", "y", "x"))
    prepared = prepare_volume(image, VolumePreprocessing(window=(-200, 300)))
    assert any(notice in said for said in prepared.notices)


@pytest.mark.parametrize("order", list(itertools.permutations("zyx")))
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_the_network_sees_the_same_however_a_volume_is_stored(
    order: tuple[str, ...], flips: tuple[int, ...]
) -> None:
    straight = volume((4, 5, 6))
    expected = prepare_volume(straight, PLAIN)
    data = straight.data[tuple(slice(None, None, f) for f in flips)]
    affine = straight.affine.copy()
    for axis, flip in enumerate(flips):
        if flip < 0:
            affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
            affine[:3, axis] *= -1
    place = ["zyx".index(axis) for axis in order]
    stored = SpatialImage(
        data.transpose(place), order, affine[np.ix_([*place, 3], [*place, 3])], "mm"
    )
    prepared = prepare_volume(stored, PLAIN)
    assert torch.equal(prepared.tensor, expected.tensor)
    world = np.array([stored.affine[i, 3] for i in map(order.index, "zyx")])
    steps = np.array([flips[i] * straight.spacing[i] for i in range(3)])
    np.testing.assert_allclose(world + steps * prepared.grid.start, 0, atol=1e-9)


def test_resampling_keeps_edges_and_comes_back() -> None:
    ramp = np.broadcast_to(np.arange(12.0)[:, None, None], (12, 6, 6))
    image = SpatialImage(ramp, ("z", "y", "x"), np.diag([2.0, 3, 3, 1]), "mm")
    settings = VolumePreprocessing(spacing=(4, 3, 3), window=(0, 11))
    prepared = prepare_volume(image, settings)
    assert prepared.grid == Grid((6, 6, 6), (0.5, 0, 0), (2.0, 1, 1))
    back = restore_maps(prepared.tensor, prepared.grid, ramp.shape)[0].numpy() * 11
    np.testing.assert_allclose(back[2:-2], ramp[2:-2], atol=0.05)


def test_unknown_voxel_sizes_are_not_resampled_and_said() -> None:
    image = SpatialImage(volume().data, ("z", "y", "x"))
    prepared = prepare_volume(image, VolumePreprocessing(spacing=(4, 3, 3)))
    assert prepared.grid == Grid.identity(SHAPE)
    assert any("voxel size is not known" in notice for notice in prepared.notices)


def test_voxel_sizes_in_other_units_are_understood() -> None:
    affine = np.diag([4000.0, 3000, 3000, 1])
    image = SpatialImage(volume().data, ("z", "y", "x"), affine, "um")
    prepared = prepare_volume(image, VolumePreprocessing(spacing=(8, 3, 3)))
    assert prepared.grid.shape == (20, 36, 70)


def test_labels_come_back_through_flips() -> None:
    scores = torch.zeros(2, 3, 1, 2)
    scores[1, 0, 0, 0] = 1
    grid = Grid((3, 1, 2), (2, 0, 1), (-1, 1, -1))
    labels = restore_labels(scores, grid, (3, 1, 2))
    assert np.argwhere(labels).tolist() == [[2, 0, 1]]


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(32, 32, 64), (33, 40, 70), (96, 95, 129)])
def test_places_and_weights_are_monais(shape: tuple[int, ...], overlap: float) -> None:
    steps = [
        p if p == n else max(1, int(p * (1 - overlap)))
        for n, p in zip(shape, PATCH, strict=True)
    ]
    windows = Windows(shape, PATCH, overlap)
    assert windows.places == dense_patch_slices(shape, PATCH, steps)
    assert len(windows) == n_windows(shape, PATCH, overlap)
    monais = compute_importance_map(PATCH, mode="gaussian", sigma_scale=0.125)
    assert torch.equal(windows.weights, monais)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(32, 32, 64), (33, 40, 70), (20, 50, 64)])
def test_windows_add_up_as_monais_do(shape: tuple[int, ...], overlap: float) -> None:
    x = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    weights = torch.linspace(0.5, 2, 32 * 32 * 64).view(1, 1, *PATCH)

    def network(part: torch.Tensor) -> torch.Tensor:
        return part * weights  # depends on the place in the window

    expected = sliding_window_inference(
        x, PATCH, 1, network, overlap=overlap, mode="gaussian"
    )
    windows = Windows(shape, PATCH, overlap)
    found = torch.full((1, *shape), torch.nan)

    def tell(place: tuple[slice, ...], means: torch.Tensor) -> None:
        assert found[(slice(None), *place)].isnan().all()  # each voxel once
        found[(slice(None), *place)] = means

    total = SlabMeans(windows, (1,), tell)
    for number in windows.order:
        part = windows.cut(x[0], number)
        total.add(number, network(part[None])[0])
    total.end()
    torch.testing.assert_close(found, expected[0], atol=1e-5, rtol=1e-5)


def test_gates_of_windows_between_blocks_still_sum_to_one() -> None:
    windows = Windows((40, 36, 70), PATCH, 0.5)
    tokens = Tokens(windows, 32 * 32 * 64 // 512)
    assert tokens.step == 8
    total, result = whole_gates(tokens, n_values=2, n_experts=3)
    for number in windows.order:
        gates = torch.rand(2, 128, 3, generator=torch.Generator().manual_seed(number))
        total.add(number, gates / gates.sum(-1, keepdim=True))
    total.end()
    assert result.shape == (2, 5, 5, 9, 3)
    np.testing.assert_allclose(result.sum(-1), 1, rtol=1e-6)
    assert tokens.first_centre == (3.5, 3.5, 3.5)


def test_gates_of_one_window_are_its_own() -> None:
    windows = Windows(PATCH, PATCH, 0.5)
    gates = torch.rand(1, 2 * 2 * 4, 2)
    total, result = whole_gates(Tokens(windows, 16), n_values=1, n_experts=2)
    total.add(0, gates)
    total.end()
    np.testing.assert_allclose(result, gates.view(1, 2, 2, 4, 2), rtol=1e-6)


def test_a_volume_is_segmented_as_monai_would(unet: LoadedModel) -> None:
    image = volume()
    settings = InferenceSettings(device="cpu", batch=2)
    result = segment(unet, image, Patient(severity="T2"), settings=settings)

    def network(part: torch.Tensor) -> torch.Tensor:
        return unet.network(part, torch.ones(len(part), dtype=torch.int64)).logits

    with torch.inference_mode():
        logits = sliding_window_inference(
            torch.from_numpy(image.data)[None, None],
            PATCH,
            2,
            network,
            overlap=0.5,
            mode="gaussian",
        )
    assert result.axes == ("z", "y", "x")
    same = result.labels == logits[0].argmax(0).numpy()
    assert same.mean() >= 0.9999


def test_stages_are_placed_as_the_blocks_that_they_stand_for(
    unet: LoadedModel,
) -> None:
    result = segment(unet, volume(), Patient(severity="T1"))
    maps = result.routing
    assert maps.token_axes == ("z", "y", "x")
    assert maps.n_blocks == 5
    for step, gates, grid in zip(
        (2, 4, 8, 16, 32), maps.gates, maps.grids, strict=True
    ):
        assert grid.step == (step, step, step)
        assert grid.start == ((step - 1) / 2,) * 3
        assert gates.shape[1:-1] == grid.shape == tuple(-(-n // step) for n in SHAPE)
        np.testing.assert_allclose(gates.sum(-1), 1, atol=1e-5)


def test_unknown_stages_are_mixed(unet: LoadedModel) -> None:
    settings = InferenceSettings(probabilities=True, overlap=0)
    result = segment(unet, volume(), Patient(), settings=settings)
    assert tuple(result.by_value) == ("T1", "T2", "T3", "T4")
    assert [d.routers for d in result.provenance.drivers] == [(0, 1, 2, 3)]
    assert result.probabilities.shape == (2, *SHAPE)
    np.testing.assert_allclose(result.probabilities.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(result.labels, result.probabilities.argmax(0))


def test_volumes_of_a_series_run_one_by_one(unet: LoadedModel) -> None:
    data = np.random.default_rng(1).random((2, 32, 32, 64), dtype=np.float32)
    series = SpatialImage(data, ("t", "z", "y", "x"))
    result = segment(unet, series, Patient(severity="T3"))
    assert result.axes == ("t", "z", "y", "x")
    alone = segment(
        unet, SpatialImage(data[1], ("z", "y", "x")), Patient(severity="T3")
    )
    np.testing.assert_array_equal(result.labels[1], alone.labels)
    np.testing.assert_array_equal(result.routing.gates[2][:, 1], alone.routing.gates[2])


def test_a_volume_that_shows_nothing_is_background(unet: LoadedModel) -> None:
    shown = volume().data
    series = np.stack([shown, np.full_like(shown, 0.5)])
    image = SpatialImage(series, ("t", "z", "y", "x"), np.diag([4.0, 3, 3, 1]), "mm")
    result = segment(unet, image)
    assert result.labels[0].any()
    assert not result.labels[1].any()
    assert not any(labels[1].any() for labels in result.by_value.values())


def test_small_and_odd_volumes_keep_their_shape(unet: LoadedModel) -> None:
    image = volume((5, 40, 33))
    result = segment(unet, image, Patient(severity="T1"))
    assert result.labels.shape == (5, 40, 33)
    assert all(
        gates.shape[1:-1] == grid.shape
        for gates, grid in zip(result.routing.gates, result.routing.grids, strict=True)
    )


def test_scoring_at_the_network_keeps_its_grid(unet: LoadedModel) -> None:
    affine = np.diag([4.0, -3, 3, 1])
    settings = InferenceSettings(scored_at="network")
    result = segment(
        unet, volume(affine=affine), Patient(severity="T1"), settings=settings
    )
    assert result.grid == Grid(SHAPE, (0, 0, 0), (1, 1, 1))
    at_source = segment(unet, volume(affine=affine), Patient(severity="T1"))
    np.testing.assert_array_equal(result.labels, at_source.labels)


def test_noise_does_not_depend_on_the_batch(unet: LoadedModel) -> None:
    def labels(**changes: object) -> np.ndarray:
        settings = InferenceSettings(noise=True, samples=2, **changes)
        return segment(unet, volume(), Patient(severity="T1"), settings=settings).labels

    assert (labels(seed=1) == labels(seed=1, batch=1)).mean() >= 0.9999
    assert (labels(seed=1) != labels(seed=2)).any()


def test_stop_acts_between_windows(unet: LoadedModel) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        if progress.message.startswith("window"):
            seen.append(progress)
        if progress.message.startswith("window 3"):
            raise Cancelled

    settings = InferenceSettings(batch=1)
    with pytest.raises(Cancelled):
        segment(
            unet, volume(), Patient(severity="T1"), settings=settings, progress=stop
        )
    n = len(Windows(SHAPE, PATCH, 0.5))
    # A slow pass is told of more than once.
    said = dict.fromkeys(progress.message for progress in seen)
    assert list(said) == [f"window {i} of {n}" for i in (1, 2, 3)]
    assert {progress.phase for progress in seen} == {"running"}


def test_planes_and_colours_are_refused_by_a_3d_model(unet: LoadedModel) -> None:
    with pytest.raises(ImageError, match="3D model needs the axes z, y and x"):
        segment(unet, np.zeros((40, 40)), Patient(severity="T1"))
    colours = SpatialImage(np.zeros((40, 40, 40, 3)), ("z", "y", "x", "c"))
    with pytest.raises(ImageError, match="1 channel"):
        segment(unet, colours, Patient(severity="T1"))


@pytest.mark.gpu
@pytest.mark.skipif(GPU is None, reason="no CUDA or MPS device")
def test_labels_on_a_gpu_are_those_of_the_cpu(unet: LoadedModel) -> None:
    found = [
        segment(
            unet,
            volume(),
            Patient(severity="T2"),
            settings=InferenceSettings(device=device),
        ).labels
        for device in ("cpu", GPU)
    ]
    assert (found[0] == found[1]).mean() >= 0.9999


def test_a_volume_that_does_not_fit_says_what_it_needs(
    unet: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 9. GiB for an array")

    monkeypatch.setattr("napari_dmoe.inference.running.volumes.SlabMeans", full)
    with pytest.raises(NotEnoughMemory, match=r"do not fit into memory: crop"):
        segment(unet, volume(), Patient(severity="T1"))
