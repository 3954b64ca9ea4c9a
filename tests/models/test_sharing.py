"""Rows of the same input share what no router touches, and are what they are alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from napari_dmoe.models.gating import ExpertControl, SegmentationOutput
from napari_dmoe.models.moe import SparseMoE, gates_of
from napari_dmoe.models.sharing import Row, SharedStart, ask_experts
from napari_dmoe.models.unet import DMoEUNet, UNetConfig
from napari_dmoe.models.vit import DMoEViT, ViTConfig

CPU = torch.device("cpu")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network_of(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "vit":
        narrow = {"width": 32, "n_heads": 2, "mlp_width": 48, "expert_width": 40}
        decoder = {"decoder_entry": 16, "decoder_widths": (8, 8, 8, 8)}
        return DMoEViT(ViTConfig(depth=3, grid=4, **narrow, **decoder)).eval()
    dims = 2 if kind == "planes" else 3
    return DMoEUNet(UNetConfig(dims=dims, feature_size=8, n_routers=3)).eval()


def inputs_of(kind: str, n: int) -> Tensor:
    sizes = {"vit": (3, 64, 64), "planes": (1, 64, 96), "volumes": (1, 64, 32, 32)}
    return torch.randn(n, *sizes[kind], generator=generator(1))


def rows_of(n_inputs: int, *, is_noisy: bool) -> list[Row]:
    """Return all values of all inputs, and one of them with an expert less."""
    rows = [
        Row(place, (value,), generator(10 * place) if is_noisy else None)
        for place in range(n_inputs)
        for value in range(3)
    ]
    muted = ExpertControl(mute={(0, 1), (None, 2)})
    return [*rows, rows[1]._replace(experts=muted)]


def alone(network: Any, inputs: Tensor, row: Row) -> SegmentationOutput:
    noise = None
    if row.noise is not None:
        copied = torch.Generator().set_state(row.noise.get_state())
        noise = [copied]
    own = inputs[row.place : row.place + 1]
    category = torch.tensor([row.category])
    out: SegmentationOutput = network(own, category, noise=noise, experts=row.experts)
    return out


@pytest.mark.parametrize("kind", ["vit", "planes", "volumes"])
@pytest.mark.parametrize("is_noisy", [False, True])
@torch.inference_mode()
def test_a_row_has_the_bits_of_its_own_run(kind: str, is_noisy: bool) -> None:
    network, inputs = network_of(kind), inputs_of(kind, 2)
    rows = rows_of(2, is_noisy=is_noisy)
    starts = [
        SharedStart(network, inputs[[row.place]], [row._replace(place=0)] * 2)
        for row in rows
    ]
    shared = SharedStart(network, inputs[:1], rows[:3], asks_once=False)
    for number, row in enumerate(rows):
        expected = alone(network, inputs, row)
        parts = [starts[number].run(range(1, 2), CPU)]
        if number < 3:
            parts.append(shared.run(range(number, number + 1), CPU))
        for said in parts:
            torch.testing.assert_close(said.logits, expected.logits, rtol=0, atol=2e-5)
            assert len(said.gates) == len(expected.gates)
        if number < 3:  # the layers before the router are all that is shared
            assert torch.equal(parts[1].logits, expected.logits)
            for own, other in zip(parts[1].gates, expected.gates, strict=True):
                assert torch.equal(own, other)


@pytest.mark.parametrize("asks_once", [False, True])
@torch.inference_mode()
def test_parts_of_any_size_and_twice_say_the_same(asks_once: bool) -> None:
    network, inputs = network_of("volumes"), inputs_of("volumes", 2)
    rows = rows_of(2, is_noisy=True)
    shared = SharedStart(network, inputs, rows, asks_once=asks_once)
    whole = shared.run(range(len(rows)), CPU)
    for first in (5, 0, 2, 0):  # a pass that failed is made again
        said = shared.run(range(first, first + 2), CPU)
        torch.testing.assert_close(
            said.logits, whole.logits[first : first + 2], rtol=0, atol=2e-5
        )
        own = whole.gates[0][first : first + 2]
        torch.testing.assert_close(said.gates[0], own, rtol=0, atol=1e-5)
    expected = torch.cat([alone(network, inputs, row).logits for row in rows])
    torch.testing.assert_close(whole.logits, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("top_k", [1, 2, 3])
@torch.inference_mode()
def test_every_expert_answers_a_token_once(top_k: int) -> None:
    torch.manual_seed(3)
    moe = SparseMoE(12, n_routers=4, hidden=20, top_k=top_k).eval()
    tokens = torch.randn(1, 333, 12, generator=generator(2))
    routed = [moe.route(tokens, torch.tensor([value])) for value in range(4)]
    chosen = torch.stack([each.chosen[0] for each in routed])
    answers = ask_experts(tokens[0], chosen, moe.weights)
    asked = torch.stack([gates_of(r.weights[0], r.chosen[0], 8) > 0 for r in routed])
    n_asked = int(asked.any(0).sum())
    assert n_asked <= len(answers.rows) < n_asked + 32  # as many as fill the last part
    assert n_asked < asked.sum()
    for value, each in enumerate(routed):
        expected, _ = moe(tokens, torch.tensor([value]))
        found = answers.mixture(each.weights[0], each.chosen[0])
        torch.testing.assert_close(found, expected[0], rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_inputs_keep_their_experts_apart() -> None:
    """Of two inputs each has answers of its own."""
    network, inputs = network_of("vit"), inputs_of("vit", 2)
    rows = [Row(1, (0,)), Row(0, (0,)), Row(1, (2,))]
    said = SharedStart(network, inputs, rows).run(range(3), CPU)
    expected = network(inputs[[1, 0, 1]], torch.tensor([0, 0, 2]))
    torch.testing.assert_close(said.logits, expected.logits, rtol=0, atol=2e-5)
    assert not torch.allclose(said.logits[0], said.logits[1])


@torch.inference_mode()
def test_a_value_without_a_router_is_refused() -> None:
    network, inputs = network_of("vit"), inputs_of("vit", 1)
    with pytest.raises(ValueError, match=r"each category must lie in 0\.\.2"):
        SharedStart(network, inputs, [Row(0, (3,))])
