from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.decoder import Decoder
from napari_dmoe.models.gating import ExpertControl, SegmentationOutput
from napari_dmoe.models.vit import DMoEViT, ViTConfig

Reference = dict[str, NDArray[np.generic]]
Build = Callable[..., DMoEViT]


def assert_matches(found: Tensor, expected: NDArray[np.generic]) -> None:
    """Compare as the fixtures ask: 2e-4 x max(1, max |reference|)."""
    tolerance = 2e-4 * max(1.0, float(np.abs(expected).max()))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=tolerance)


@torch.inference_mode()
def run(
    model: LoadedModel, reference: Reference, category: Tensor | None, **options: object
) -> SegmentationOutput:
    return model.network(torch.from_numpy(reference["x"]), category, **options)


@pytest.mark.parametrize("value", [0, 1, 2])
def test_every_attribute_matches_the_published_network(
    race_model: LoadedModel, race_reference: Reference, value: int
) -> None:
    out = run(race_model, race_reference, torch.full((3,), value))
    assert_matches(out.logits, race_reference[f"logits_attr{value}"])
    assert_matches(torch.stack(out.gates), race_reference[f"gates_attr{value}"])
    spread = torch.stack([routing.noise_std for routing in out.routing])
    assert_matches(spread, race_reference[f"noise_std_attr{value}"])


def test_mixed_batch_matches_the_published_network(
    race_model: LoadedModel, race_reference: Reference
) -> None:
    category = torch.from_numpy(race_reference["attr_mixed"])
    assert len(set(category.tolist())) > 1
    out = run(race_model, race_reference, category)
    assert_matches(out.logits, race_reference["logits_mixed"])


def test_none_written_out_is_the_network_without_its_moe(
    race_model: LoadedModel, race_reference: Reference
) -> None:
    out = run(race_model, race_reference, None)
    assert_matches(out.logits, race_reference["logits_no_moe"])
    assert out.routing == out.gates == ()


def test_category_has_no_default(
    race_model: LoadedModel, race_reference: Reference
) -> None:
    with pytest.raises(TypeError, match="category"):
        race_model.network(torch.from_numpy(race_reference["x"]))


def test_attributes_change_the_answer(
    race_model: LoadedModel, race_reference: Reference
) -> None:
    one, other = (
        run(race_model, race_reference, torch.full((3,), value)).logits
        for value in (0, 1)
    )
    assert (one - other).abs().max() > 0.1


def test_noisy_mean_and_spread_match_the_published_ones_over_400_runs(
    race_model: LoadedModel, race_reference: Reference
) -> None:
    runs, generator = [], torch.Generator().manual_seed(0)
    x = torch.from_numpy(race_reference["x"]).repeat(8, 1, 1, 1)
    with torch.inference_mode():
        for _ in range(50):
            category = torch.zeros(len(x), dtype=torch.int64)
            out = race_model.network(x, category, noise=generator)
            runs.append(out.logits.unflatten(0, (8, 3)))
    found = torch.cat(runs).numpy()
    assert len(found) == 400
    mean, spread = race_reference["noisy_mean_attr0"], race_reference["noisy_std_attr0"]
    error = np.sqrt(spread**2 / 400 + found.std(0) ** 2 / 400) + 1e-6
    deviation = (found.mean(0) - mean) / error
    assert np.sqrt((deviation**2).mean()) < 1.5
    assert np.abs(deviation).max() < 6
    quiet = (race_reference["logits_attr0"] - mean) / error
    assert np.sqrt((quiet**2).mean()) > 3, "the noise would not show"
    assert np.median(found.std(0) / spread) == pytest.approx(1, abs=0.05)


def test_noise_repeats_with_its_seed_and_differs_without(
    race_model: LoadedModel, race_reference: Reference
) -> None:
    category = torch.zeros(3, dtype=torch.int64)
    quiet, first, again, other = (
        run(race_model, race_reference, category, noise=noise).logits
        for noise in (None, *(torch.Generator().manual_seed(s) for s in (1, 1, 2)))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, quiet)


def test_mixed_batch_equals_single_runs(tiny_network: Build) -> None:
    network = tiny_network()
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    category = torch.tensor([2, 0, 1, 2])
    with torch.inference_mode():
        together = network(x, category)
        for i in range(4):
            alone = network(x[i : i + 1], category[i : i + 1])
            torch.testing.assert_close(together.logits[i], alone.logits[0])
            for one, other in zip(together.gates, alone.gates, strict=True):
                torch.testing.assert_close(one[i], other[0])


def test_one_channel_repeated_equals_three(tiny_network: Build) -> None:
    grey = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    network, category = tiny_network(), torch.tensor([0, 1])
    with torch.inference_mode():
        one = network(grey, category).logits
        three = network(grey.repeat(1, 3, 1, 1), category).logits
    torch.testing.assert_close(one, three)


@pytest.mark.parametrize(
    ("category", "message"),
    [
        (torch.tensor([0, -1]), r"must lie in 0\.\.2: found \[0, -1\]"),
        (torch.tensor([3, 0]), r"must lie in 0\.\.2: found \[3, 0\]"),
        (torch.tensor([0.0, 1.0]), "2 integers.*found torch.float32"),
        (torch.tensor([True, False]), "2 integers.*found torch.bool"),
        (torch.tensor([0, 1], dtype=torch.uint8), "2 integers.*found torch.uint8"),
        (torch.tensor([0]), r"2 integers, one an image, or .* shape \(1,\)"),
        (torch.tensor(0), r"2 integers.* shape \(\)"),
        (torch.tensor([[[0]], [[1]]]), r"2 rows.* shape \(2, 1, 1\)"),
        (torch.tensor([[0, 1]]), r"2 rows.* shape \(1, 2\)"),
        (torch.tensor([[0, 3], [0, 1]]), r"0\.\.2, or -1 to leave"),
        (torch.tensor([[0, -2], [0, 1]]), r"0\.\.2, or -1 to leave"),
        (torch.tensor([[0, 1], [-1, -1]]), "at least one attribute"),
    ],
)
def test_categories_without_a_router_are_refused(
    tiny_network: Build, category: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_network()(torch.zeros(2, 3, 32, 32), category)


def test_other_integer_types_choose_the_same_router(tiny_network: Build) -> None:
    network, x = tiny_network(), torch.ones(2, 3, 32, 32)
    expected = network(x, torch.tensor([2, 1])).logits
    for dtype in (torch.int8, torch.int16, torch.int32):
        found = network(x, torch.tensor([2, 1], dtype=dtype)).logits
        assert torch.equal(found, expected)


def test_network_without_moe_refuses_a_category(tiny_network: Build) -> None:
    network, x = tiny_network(n_routers=0), torch.zeros(1, 3, 32, 32)
    assert network(x, None).routing == ()
    with pytest.raises(ValueError, match="no MoE: category must be None"):
        network(x, torch.tensor([0]))


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 32, 48), (1, 3, 16, 16), (1, 2, 32, 32), (3, 32, 32), (1, 4, 32, 32)],
)
def test_other_input_sizes_and_channel_counts_are_refused(
    tiny_network: Build, shape: tuple[int, ...]
) -> None:
    network = tiny_network()
    with pytest.raises(ValueError, match=r"\(B, 1 or 3, 32, 32\): found") as caught:
        network(torch.zeros(shape), torch.tensor([0]))
    assert str(shape) in str(caught.value)


def test_controls_reach_the_block_they_name(tiny_network: Build) -> None:
    network, x = tiny_network(), torch.ones(1, 3, 32, 32)
    control = ExpertControl(pin={1: 3})
    first, second = network(x, torch.tensor([0]), experts=control).gates
    assert (first > 0).sum(-1).eq(2).all()
    assert (second[..., 3] == 1).all()


def test_cpu_returns_the_same_output(tiny_network: Build) -> None:
    out = tiny_network()(torch.ones(1, 3, 32, 32), torch.tensor([0]))
    copied = out.cpu()
    assert torch.equal(copied.logits, out.logits)
    assert len(copied.routing) == 2
    for one, other in zip(copied.routing, out.routing, strict=True):
        assert torch.equal(one.gates, other.gates)
        assert torch.equal(one.logits, other.logits)
        assert torch.equal(one.noise_std, other.noise_std)


def modules(network: nn.Module, kind: type) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kind)]


def test_norms_have_the_published_eps(tiny_network: Build) -> None:
    network = tiny_network()
    assert [norm.eps for norm in modules(network, nn.LayerNorm)] == [1e-6] * 5
    assert [norm.eps for norm in modules(network, nn.BatchNorm2d)] == [1e-5] * 9


def test_dropout_stands_where_it_was_published(tiny_network: Build) -> None:
    network = tiny_network()
    places = {n for n, m in network.named_modules() if isinstance(m, nn.Dropout)}
    mlp = {f"blocks.{i}.mlp.{j}" for i in (0, 1) for j in (2, 4)}
    assert places == {"dropout", "moe.dropout"} | mlp
    assert {module.p for module in modules(network, nn.Dropout)} == {0.1}
    block = network.blocks[0]
    kinds = [nn.Linear, nn.GELU, nn.Dropout, nn.Linear, nn.Dropout]
    layers = zip(block.mlp, kinds, strict=True)
    assert all(isinstance(layer, kind) for layer, kind in layers)
    assert block.mlp[1].approximate == "none"


def test_only_the_decoders_convolutions_have_no_bias(tiny_network: Build) -> None:
    network = tiny_network()
    without = {n for n, m in network.named_modules() if getattr(m, "bias", 0) is None}
    convolutions = {
        f"decoder.{n}"
        for n, m in network.decoder.named_modules()
        if isinstance(m, nn.Conv2d)
    }
    assert without == convolutions
    assert len(convolutions) == 9


def test_decoder_doubles_with_aligned_corners(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = F.interpolate

    def spy(x: Tensor, **options: object) -> Tensor:
        calls.append(options)
        return original(x, **options)

    monkeypatch.setattr(F, "interpolate", spy)
    out = Decoder(4, 4, (4, 4, 2, 2))(torch.ones(2, 4, 3, 3))
    assert out.shape == (2, 2, 48, 48)
    asked = {"scale_factor": 2, "mode": "bilinear", "align_corners": True}
    assert calls == [asked] * 4


def test_evaluation_repeats_bit_for_bit_where_no_noise_is_asked_for(
    tiny_network: Build,
) -> None:
    network, x = tiny_network(), torch.ones(1, 3, 32, 32)
    first = network(x, torch.tensor([1])).logits
    assert torch.equal(first, network(x, torch.tensor([1])).logits)


def test_published_base_has_the_stated_number_of_parameters() -> None:
    with torch.device("meta"):
        network = DMoEViT(ViTConfig())
        without = DMoEViT(ViTConfig(n_routers=0))
        more = DMoEViT(ViTConfig(n_routers=4))
    count = [sum(p.numel() for p in n.parameters()) for n in (network, without, more)]
    assert count[0] == 129_489_699
    assert round(count[1] / 1e6, 1) == 91.7
    assert count[2] - count[0] == 2 * (768 * 8 + 8)
