"""Measures and further maps of the routing, against exact and sampled answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from places import DATA

from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.maps.measures import (
    block_agreement,
    collapsed,
    expert_pair,
    js_divergence,
    load_matrix,
    load_per_class,
    load_within,
    pair_names,
    pixels_per_token,
    stacked,
)
from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.inference.maps.router_similarity import (
    gate_divergence,
    router_similarity,
)
from napari_dmoe.inference.results.routing import RoutingMaps
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.what_if.routing_reading import chance_in_top, read_routing
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient

Checkpoint = Callable[..., Path]


def random_gates(*shape: int, seed: int = 0, n_experts: int = 8) -> np.ndarray:
    """Return gates with two experts a token."""
    rng = np.random.default_rng(seed)
    gates = np.zeros((*shape, n_experts), np.float32)
    order = rng.random(gates.shape).argsort(-1)[..., :2]
    weight = rng.uniform(0.5, 1, shape).astype(np.float32)
    np.put_along_axis(gates, order, np.stack([weight, 1 - weight], -1), -1)
    return gates


def maps_of(*blocks: np.ndarray, grid: Grid) -> RoutingMaps:
    gates = tuple(block[np.newaxis] for block in blocks)
    grids = (grid,) * len(blocks)
    return RoutingMaps(gates, grids, ("",), (1.0,), (), ("y", "x"))


def test_gates_of_a_run_equal_the_fixture_and_are_at_most_two(
    race_model: LoadedModel, race_reference: dict[str, np.ndarray]
) -> None:
    x = torch.from_numpy(race_reference["x"])
    with torch.inference_mode():
        out = race_model.network(x, torch.ones(len(x), dtype=torch.int64))
    expected = race_reference["gates_attr1"]
    for block, gates in enumerate(out.gates):
        np.testing.assert_allclose(gates.numpy(), expected[block], atol=2e-4)
    image = np.random.default_rng(0).integers(0, 256, (70, 80), dtype=np.uint8)
    maps = segment(race_model, image, Patient(race="Black")).routing
    for gates in maps.gates:
        assert ((gates > 0).sum(-1) <= 2).all()
        np.testing.assert_allclose(gates.sum(-1), 1, atol=1e-6)


def test_analytic_chance_equals_ten_thousand_samples(
    race_reference: dict[str, np.ndarray], race_model: LoadedModel
) -> None:
    x = torch.from_numpy(race_reference["x"])[:1]
    with torch.inference_mode():
        routing = race_model.network(x, torch.tensor([2])).routing
    rng = np.random.default_rng(0)
    for each in routing:
        logits, std = each.logits[0].numpy(), each.noise_std[0].numpy()
        drawn = logits + std * rng.standard_normal((10_000, *logits.shape))
        top = np.argpartition(-drawn, 1, -1)[..., :2]
        sampled = np.stack([(top == e).any(-1).mean(0) for e in range(8)], -1)
        chance = chance_in_top(each.logits, each.noise_std)[0].numpy()
        np.testing.assert_allclose(chance, sampled, atol=0.02)
        np.testing.assert_allclose(chance.sum(-1), 2, atol=0.02)


@pytest.mark.parametrize("top_k", [1, 2, 3])
@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_analytic_chance_holds_for_unlike_noise(top_k: int, spread: float) -> None:
    rng = np.random.default_rng(top_k)
    logits = rng.normal(size=(6, 5)).astype(np.float32)
    std = np.exp(rng.normal(size=(6, 5)) * np.log1p(spread)).astype(np.float32)
    drawn = logits + std * rng.standard_normal((20_000, 6, 5))
    order = np.argsort(-drawn, -1)[..., :top_k]
    sampled = np.stack([(order == e).any(-1).mean(0) for e in range(5)], -1)
    chance = chance_in_top(torch.tensor(logits), torch.tensor(std), top_k)
    np.testing.assert_allclose(chance, sampled, atol=0.02)


def test_without_noise_to_speak_of_the_chosen_are_certain() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0, 0.0]])
    chance = chance_in_top(logits, torch.full((1, 4), 1e-6))
    np.testing.assert_allclose(chance, [[1, 0, 1, 0]], atol=1e-6)
    assert (chance_in_top(logits, torch.ones(1, 4), top_k=4) == 1).all()


def test_readings_lie_where_gates_do(race_model: LoadedModel) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 80), dtype=np.uint8)
    patient = Patient(race="Asian")
    gates = segment(race_model, image, patient).routing
    read = {
        name: read_routing(race_model, image, patient, reading=name)
        for name in ("chance", "logits", "noise_std")
    }
    for maps in read.values():
        assert maps.grids == gates.grids
        assert [b.shape for b in maps.gates] == [b.shape for b in gates.gates]
    for block in range(gates.n_blocks):
        chance = chance_in_top(
            *(torch.from_numpy(read[n].gates[block]) for n in ("logits", "noise_std"))
        )
        np.testing.assert_allclose(read["chance"].gates[block], chance, atol=1e-5)
        top = np.argsort(-read["logits"].gates[block], -1)[..., :2]
        assert (np.take_along_axis(gates.gates[block], top, -1) > 0).all()
    # The model itself is left as it was.
    after = segment(race_model, image, patient).routing
    np.testing.assert_array_equal(after.gates[0], gates.gates[0])


def test_readings_of_a_network_without_routers_are_refused(
    tiny_checkpoint: Checkpoint,
) -> None:
    without = load_checkpoint(tiny_checkpoint(0, 3))
    with pytest.raises(ValueError, match="no routers"):
        read_routing(without, np.zeros((20, 20), np.uint8))


def test_pairs_are_numbered_without_order() -> None:
    names = pair_names(8)
    assert len(names) == 28
    for number, name in enumerate(names):
        low, high = map(int, name.split(" + "))
        for strong, weak in ((low, high), (high, low)):
            gates = np.zeros((1, 8), np.float32)
            gates[0, strong], gates[0, weak] = 0.7, 0.3
            assert expert_pair(gates)[0] == number


@given(st.integers(0, 2**31), st.integers(2, 8))
def test_divergence_is_symmetric_and_within_a_bit(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = (rng.dirichlet(np.full(n, 0.3), 7).astype(np.float32) for _ in range(2))
    divergence = js_divergence(p, q)
    assert ((divergence >= 0) & (divergence <= 1)).all()
    np.testing.assert_allclose(divergence, js_divergence(q, p), atol=1e-6)
    np.testing.assert_allclose(js_divergence(p, p), 0, atol=1e-6)


def test_divergence_of_experts_apart_is_one_bit() -> None:
    p, q = np.eye(4, dtype=np.float32)[:2]
    assert js_divergence(p, q) == 1
    half = np.array([0.5, 0.5, 0, 0], np.float32)
    assert js_divergence(p, half) == pytest.approx(0.311278, abs=1e-5)


def test_agreement_is_the_share_of_the_commonest_expert() -> None:
    gates = np.zeros((4, 1, 2, 3), np.float32)
    for block, (left, right) in enumerate(((0, 0), (1, 0), (1, 0), (1, 0))):
        gates[block, 0, 0, left] = gates[block, 0, 1, right] = 1
    np.testing.assert_array_equal(block_agreement(gates), [[0.75, 1.0]])


def test_loads_by_block_and_collapse() -> None:
    grid = Grid.identity((3, 4))
    lonely = np.zeros((3, 4, 8), np.float32)
    lonely[..., 5] = 1
    maps = maps_of(random_gates(3, 4), lonely, grid=grid)
    load = load_matrix(maps)
    assert load.shape == (2, 8)
    np.testing.assert_allclose(load.sum(1), 1, atol=1e-6)
    (collapse,) = collapsed(load)
    assert (collapse.block, collapse.expert, collapse.load) == (1, 5, 1)
    assert stacked(maps).shape == (2, 3, 4, 8)


def test_stages_with_experts_of_their_own_do_not_agree_or_disagree() -> None:
    grids = (Grid.identity((2, 2)), Grid.identity((1, 1)))
    gates = (random_gates(1, 2, 2), random_gates(1, 1, 1))
    maps = RoutingMaps(gates, grids, ("",), (1.0,), (), ("y", "x"), unit="stage")
    with pytest.raises(ValueError, match="experts of their own"):
        stacked(maps)


def test_loads_of_classes_and_regions_count_pixels() -> None:
    tokens = Grid.identity((8, 8)).resize((2, 2), "half-pixel")
    gates = np.zeros((2, 2, 3), np.float32)
    gates[0, 0, 0] = gates[0, 1, 1] = gates[1, :, 2] = 1
    maps = maps_of(gates, grid=tokens)
    labels = np.zeros((8, 8), np.uint8)
    labels[:4, 2:6] = 1  # half in token (0, 0), half in token (0, 1)
    load = load_per_class(maps, 0, labels, Grid.identity((8, 8)), 3)
    np.testing.assert_allclose(load[1], [0.5, 0.5, 0])
    np.testing.assert_allclose(load[0], [8 / 48, 8 / 48, 32 / 48])
    assert np.isnan(load[2]).all()
    region = np.zeros((8, 8), bool)
    region[5:7, 3] = True
    inside = load_within(maps, 0, region, Grid.identity((8, 8)))
    np.testing.assert_allclose(inside, [0, 0, 1])
    assert np.isnan(load_within(maps, 0, region & False, Grid.identity((8, 8)))).all()


@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 20))
def test_every_pixel_counts_for_the_token_it_lies_in(
    seed: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, height, width)
    mask = rng.random(shape) < 0.5
    source = Grid.identity(shape[1:])
    cropped, _ = source.centre_crop((15, 15))
    tokens = cropped.resize((3, 4), "half-pixel")
    counts = pixels_per_token(mask, source, tokens)
    expected = np.zeros((2, 3, 4), int)
    for frame, y, x in np.argwhere(mask):
        cell = [
            int(np.floor((p - s) / d + 0.5))
            for p, s, d in zip((y, x), tokens.start, tokens.step, strict=True)
        ]
        if 0 <= cell[0] < 3 and 0 <= cell[1] < 4:
            expected[frame, cell[0], cell[1]] += 1
    np.testing.assert_array_equal(counts, expected)


def test_loads_of_classes_follow_a_real_result() -> None:
    unet = load_checkpoint(DATA / "unet3d_stage5.pth", card="prostate-tstage")
    data = np.random.default_rng(0).normal(0, 100, (32, 32, 64)).astype(np.float32)
    image = SpatialImage(data, ("z", "y", "x"), np.diag([4.0, 3, 3, 1]), "mm")
    result = segment(unet, image, Patient(severity="T1"))
    for block in range(result.routing.n_blocks):
        load = load_per_class(result.routing, block, result.labels, result.grid, 2)
        rows = load[~np.isnan(load).any(1)]
        np.testing.assert_allclose(rows.sum(1), 1, atol=1e-5)


def test_routers_are_compared_by_weights_and_on_an_image(
    race_model: LoadedModel,
) -> None:
    similarity = router_similarity(race_model, "race")
    assert similarity.shape == (1, 3, 3)
    np.testing.assert_allclose(np.diagonal(similarity[0]), 1, atol=1e-5)
    np.testing.assert_allclose(similarity, similarity.swapaxes(1, 2), atol=1e-6)
    with pytest.raises(ValueError, match="does not drive"):
        router_similarity(race_model, "age")
    grid = Grid.identity((2, 3))
    first, second = (maps_of(random_gates(2, 3, seed=s), grid=grid) for s in (0, 1))
    divergence = gate_divergence([first, second, first], 0)
    assert divergence[0, 2] == 0
    assert divergence[0, 1] == divergence[1, 2] > 0


def test_every_overlay_makes_a_map_within_its_limits() -> None:
    gates = random_gates(3, 4)
    votes = np.random.default_rng(0).multinomial(9, np.full(8, 1 / 8), (3, 4))
    inputs = {
        "gates": gates,
        "two values": np.stack([gates, random_gates(3, 4, seed=1)]),
        "samples": votes,
        "chance": gates * 2,
        "blocks": np.stack([gates, random_gates(3, 4, seed=2)]),
    }
    inputs["chance"] = np.clip(inputs["chance"], 0, 1)
    for kind in OVERLAYS.values():
        shown = kind.compute(inputs[kind.needs], 3)
        assert shown.shape == (3, 4)
        if kind.limits:
            assert kind.limits[0] <= shown.min()
            assert shown.max() <= kind.limits[1] + 1e-6
