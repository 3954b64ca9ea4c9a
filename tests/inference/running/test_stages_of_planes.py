"""A U-Net of planes at work: five stages, each with tokens of a size of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from plane_networks import SIDE, STAGES, marking_unet, plane_unet

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.memory import NotEnoughMemory
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.maps.measures import (
    load_matrix,
    load_per_class,
    pixels_per_token,
    stacked,
)
from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.inference.pictures.result_pictures import result_pictures
from napari_dmoe.inference.replaying.replay import replay
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import choose_routers
from napari_dmoe.inference.running.many import Asked, segment_many
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.what_if.ablation import ablate
from napari_dmoe.inference.what_if.interpolation import interpolate
from napari_dmoe.inference.what_if.sweep import sweep
from napari_dmoe.inference.what_if.uncertainty import uncertainty
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.patient import Patient

SUSPECT = Patient(severity="suspect")
ONE = InferenceSettings(batch=1, device="cpu")
STEPS = (2, 4, 8, 16, 32)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return plane_unet()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (6, 9, 3)), np.ones((15, 15, 1))).astype("u1")


def same(one: Segmentation, other: Segmentation) -> bool:
    return np.array_equal(one.labels, other.labels) and all(
        np.array_equal(a, b)
        for a, b in zip(one.routing.gates, other.routing.gates, strict=True)
    )


def test_every_stage_has_its_own_tokens_on_the_picture(
    loaded: LoadedModel,
) -> None:
    # 90 x 120 pixels become 48 x 64 samples: a token of 2 samples is 3.75 pixels.
    image = np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)
    maps = segment(loaded, image, SUSPECT).routing
    assert (maps.n_blocks, maps.unit) == (5, "stage")
    shapes = [(24, 32), (12, 16), (6, 8), (4, 4), (2, 2)]
    assert [grid.shape for grid in maps.grids] == shapes
    for gates, grid, step in zip(maps.gates, maps.grids, STEPS, strict=True):
        assert gates.shape == (1, *grid.shape, 4)
        np.testing.assert_allclose(gates.sum(-1), 1, atol=1e-5)
        assert grid.step == pytest.approx((1.875 * step,) * 2)
    # Eight rows of padding lie above: half a token of stage 3, of which half is in the
    # picture, and a quarter of one of stage 4.
    assert [grid.start[1] for grid in maps.grids] == pytest.approx(
        [1.875 * step / 2 - 0.5 for step in STEPS]
    )
    assert maps.grids[0].start[0] == pytest.approx(1.875 - 0.5)
    assert maps.grids[4].start[0] == pytest.approx(1.875 * (16 - 8) - 0.5)


@pytest.mark.parametrize("shape", [(128, 128), (256, 256), (64, 128), (256, 128)])
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_tokens_of_every_stage_lie_on_what_is_marked(
    shape: tuple[int, int], fit: str
) -> None:
    picture = np.zeros(shape, np.uint8)
    picture[shape[0] // 2 :, : shape[1] // 2] = 255
    how = InferenceSettings(fit=fit, device="cpu")
    maps = segment(marking_unet(), picture, SUSPECT, settings=how).routing
    for stage in STAGES:
        tokens = pixels_per_token(picture > 0, Grid.identity(shape), maps.grids[stage])
        pixels = pixels_per_token(picture >= 0, Grid.identity(shape), maps.grids[stage])
        is_bright = maps.mean(stage)[..., 1] > 0.5
        np.testing.assert_array_equal(is_bright, tokens > pixels / 2)
        assert is_bright.any()
        assert not is_bright.all()


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("shape", [(70, 131, 3), (131, 70, 3), (64, 64), (40, 3)])
def test_masks_have_the_shape_of_the_picture(
    loaded: LoadedModel, fit: str, shape: tuple[int, ...]
) -> None:
    picture = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    how = InferenceSettings(fit=fit, device="cpu", probabilities=True)
    result = segment(loaded, picture, SUSPECT, settings=how)
    assert result.labels.shape == shape[:2]
    assert result.probabilities.shape == (3, *shape[:2])
    assert result.provenance.fit == fit
    for gates, grid in zip(result.routing.gates, result.routing.grids, strict=True):
        assert gates.shape[1:-1] == grid.shape


def test_planes_of_a_stack_are_what_they_are_alone(loaded: LoadedModel) -> None:
    planes = np.random.default_rng(3).integers(0, 256, (3, 50, 70), np.uint8)
    stack = segment(
        loaded, SpatialImage.from_array(planes, axes="zyx"), SUSPECT, settings=ONE
    )
    assert stack.labels.shape == planes.shape
    assert [gates.shape[:2] for gates in stack.routing.gates] == [(1, 3)] * 5
    white = stack.provenance.notices  # what is white is decided for all of a stack
    for number, plane in enumerate(planes):
        alone = segment(loaded, plane, SUSPECT, settings=ONE)
        assert (stack.labels[number] == alone.labels).mean() > 0.999, white
        for whole, own in zip(stack.routing.gates, alone.routing.gates, strict=True):
            np.testing.assert_allclose(whole[:, number], own, atol=1e-3)


def test_pictures_that_share_batches_come_out_as_alone(loaded: LoadedModel) -> None:
    rng = np.random.default_rng(4)
    shapes = ((60, 90, 3), (64, 64), (80, 50, 3))
    images = [
        SpatialImage.from_array(
            rng.integers(0, 256, shape, np.uint8), axes="yxc"[: len(shape)]
        )
        for shape in shapes
    ]
    patients = (SUSPECT, Patient(), Patient(severity="healthy"))
    how = InferenceSettings(device="cpu", batch=4)
    asked = [
        Asked(image, (choose_routers(loaded, patient, how),))
        for image, patient in zip(images, patients, strict=True)
    ]
    found = segment_many(loaded, asked, how)
    for (mine,), image, patient in zip(found, images, patients, strict=True):
        alone = segment(loaded, image, patient, settings=how)
        assert (mine.labels == alone.labels).mean() >= 0.9999
        assert mine.routing.grids == alone.routing.grids
        for ours, own in zip(mine.routing.gates, alone.routing.gates, strict=True):
            np.testing.assert_allclose(ours, own, atol=1e-4)


def test_an_unknown_driver_is_mixed_and_each_value_kept(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    how = InferenceSettings(batch=1, device="cpu", probabilities=True)
    mixed = segment(loaded, picture, Patient(), settings=how)
    assert mixed.routing.values == ("healthy", "suspect", "glaucoma")
    alone = [
        segment(loaded, picture, Patient(severity=value), settings=how)
        for value in mixed.routing.values
    ]
    mean = np.mean([each.probabilities for each in alone], 0)
    np.testing.assert_allclose(mixed.probabilities, mean, atol=1e-5)
    for place, each in enumerate(alone):
        np.testing.assert_array_equal(
            mixed.by_value[mixed.routing.values[place]], each.labels
        )
        for stage in STAGES:
            own = each.routing.gates[stage][0]
            np.testing.assert_array_equal(mixed.routing.gates[stage][place], own)
    gates = [each.routing.mean(4) for each in alone]
    np.testing.assert_allclose(mixed.routing.mean(4), np.mean(gates, 0), atol=1e-6)


def test_a_sweep_gives_each_value_its_own_mask_and_routing(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    swept = sweep(loaded, picture, attribute="severity", patient=SUSPECT, settings=ONE)
    results = [value.result for value in swept.values]
    for name, result in zip(("healthy", "suspect", "glaucoma"), results, strict=True):
        alone = segment(loaded, picture, Patient(severity=name), settings=ONE)
        assert same(result, alone)
    assert swept.headline
    first, between = interpolate(
        loaded,
        picture,
        attribute="severity",
        positions=(0, 0.5),
        patient=SUSPECT,
        settings=ONE,
    )
    assert same(first, results[0])
    assert not same(between, results[0])
    assert between.routing.grids == first.routing.grids


def test_experts_of_one_stage_are_muted_and_pinned(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    ablated = ablate(
        loaded, picture, SUSPECT, mute=[(0, 1)], pin={4: 2}, block=3, settings=ONE
    )
    gates = ablated.result.routing.gates
    assert (gates[0][..., 1] == 0).all()
    assert (gates[4][..., 2] == 1).all()
    assert (ablated.plain.routing.gates[0][..., 1] > 0).any()
    assert ablated.result.provenance.departures == (
        "expert 1 muted in stage 0",
        "expert 2 pinned in stage 4",
    )
    rows = ablated.rows()
    assert [row["muted expert"] for row in rows] == [0, 1, 2, 3]
    assert {row["in stage"] for row in rows} == {3}
    with pytest.raises(ValueError, match="stage 5 does not exist: there are 5"):
        ablate(loaded, picture, SUSPECT, mute=[(5, 0)])


def test_noise_samples_vote_token_by_token(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    found = uncertainty(loaded, picture, SUSPECT, samples=4, seed=1, settings=ONE)
    plain = segment(loaded, picture, SUSPECT, settings=ONE)
    assert found.token_grids == plain.routing.grids
    for votes, grid in zip(found.expert_votes, found.token_grids, strict=True):
        assert votes.shape == (4, *grid.shape)
        assert (votes.sum(0) == 4).all()
    again = uncertainty(loaded, picture, SUSPECT, samples=4, seed=1, settings=ONE)
    np.testing.assert_array_equal(found.labels, again.labels)
    noisy = InferenceSettings(noise=True, samples=2, seed=5, device="cpu")
    other = InferenceSettings(noise=True, samples=2, seed=6, device="cpu")
    one, two = (segment(loaded, picture, SUSPECT, settings=s) for s in (noisy, other))
    assert not same(one, two)


def test_stages_neither_agree_nor_disagree(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    result = segment(loaded, picture, SUSPECT)
    with pytest.raises(ValueError, match="stages of this network have experts of"):
        stacked(result.routing)
    loads = load_matrix(result.routing)
    assert loads.shape == (5, 4)
    np.testing.assert_allclose(loads.sum(1), 1, atol=1e-5)
    for stage in STAGES:
        shares = load_per_class(
            result.routing, stage, result.labels, result.grid, len(result.classes)
        )
        np.testing.assert_allclose(np.nansum(shares, 1)[~np.isnan(shares[:, 0])], 1)


def test_overlays_of_one_stage_have_a_number_a_token(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    maps = segment(loaded, picture, SUSPECT).routing
    for stage in STAGES:
        for name in ("dominant", "pair", "entropy"):
            drawn = OVERLAYS[name].compute(maps.mean(stage), 0)
            assert drawn.shape == maps.grids[stage].shape


def test_routing_is_written_stage_by_stage(
    loaded: LoadedModel, picture: np.ndarray, tmp_path: Path
) -> None:
    image = SpatialImage.from_array(picture, axes="yxc", spacing=(0.5, 0.5), unit="mm")
    result = segment(loaded, image, SUSPECT)
    save_segmentation(tmp_path, "eye", result, image, routing=True)
    for stage in STAGES:
        path = tmp_path / f"eye.routing-{stage}.tif"
        written = tifffile.imread(path)
        np.testing.assert_array_equal(
            written, np.moveaxis(result.routing.mean(stage), -1, 0)
        )
        # 90 x 135 pixels are 43 x 64 samples: a token is 2 of them, 4, and so on.
        steps = (0.5 * 90 / 43 * STEPS[stage], 0.5 * 135 / 64 * STEPS[stage])
        assert read_image(path).spacing[-2:] == pytest.approx(steps, rel=1e-4)


def test_a_result_is_drawn_stage_by_stage(
    loaded: LoadedModel, picture: np.ndarray
) -> None:
    image = SpatialImage.from_array(picture, axes="yxc")
    drawn = result_pictures(image, segment(loaded, image, SUSPECT))
    assert len(drawn.experts) == 5
    assert {each.shape for each in drawn.experts} == {picture.shape}
    assert drawn.slice is None


@pytest.mark.parametrize("value", ["suspect", None])
def test_a_record_makes_the_same_mask_again(
    loaded: LoadedModel, picture: np.ndarray, value: str | None
) -> None:
    image = SpatialImage.from_array(picture, axes="yxc")
    plain = segment(loaded, image, Patient(severity=value))
    assert plain.provenance.unit == "stage"
    again = replay(plain.provenance, loaded, image)
    assert again.verdict == "equal"
    assert same(again.result, plain)
    pinned = ExpertControl(pin={1: 0})
    altered = segment(loaded, image, Patient(severity=value), experts=pinned)
    assert replay(altered.provenance, loaded, image).verdict == "equal"


def test_a_network_without_routers_is_run_and_shows_no_routing(
    picture: np.ndarray,
) -> None:
    card = plane_unet().card.model_copy(update={"attributes": ()})
    for n_routers, n_blocks in ((0, 0), (1, 5)):
        bare = plane_unet(card=card, n_routers=n_routers)
        result = segment(bare, picture, Patient())
        maps = result.routing
        assert (0 if maps is None else maps.n_blocks) == n_blocks
        assert result.labels.shape == picture.shape[:2]


def test_the_routing_of_a_long_stack_counts_in_what_is_needed(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 100 planes of 8 x 8: masks of 25.6 kB, and 6.5 MB of gates for three values.
    stack = SpatialImage.from_array(np.ones((100, 8, 8), np.uint8), axes="zyx")
    monkeypatch.setattr("napari_dmoe.imaging.memory.available_bytes", lambda: 5_000_000)
    with pytest.raises(NotEnoughMemory, match="the result needs"):
        segment(loaded, stack, Patient())


def test_a_grey_picture_is_seen_in_all_channels(loaded: LoadedModel) -> None:
    grey = np.random.default_rng(6).integers(0, 256, (SIDE, SIDE), np.uint8)
    colours = np.repeat(grey[..., None], 3, -1)
    one, three = (segment(loaded, data, SUSPECT) for data in (grey, colours))
    assert same(one, three)
    single = plane_unet(in_channels=1)
    assert segment(single, grey, SUSPECT).labels.shape == grey.shape
