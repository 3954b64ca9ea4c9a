"""The formulations of the mixture: equal, with right gradients, the same bits twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_dmoe.models import mixing
from napari_dmoe.models.mixing import (
    Weights,
    formulation,
    mix,
    mix_dense,
    mix_paired,
    mix_sorted,
)
from napari_dmoe.models.products import Linear, linear, spans
from napari_dmoe.models.two_best import two_best

CPU = torch.device("cpu")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights_of(
    n_experts: int = 8,
    width: int = 12,
    hidden: int = 20,
    dtype: torch.dtype = torch.float32,
) -> Weights:
    shapes = (hidden, width), (hidden,), (width, hidden), (width,)
    drawn = (torch.randn(n_experts, *s, generator=generator(1)) / 3 for s in shapes)
    return Weights(*(part.to(dtype) for part in drawn))


def routed(n: int, weights: Weights, top_k: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens, gates that sum to 1, and experts, not all equally popular."""
    n_experts, _, width = weights.w_in.shape
    tokens = torch.randn(n, width, generator=generator(2))
    popular = torch.arange(n_experts) / 4
    scores = torch.randn(n, n_experts, generator=generator(3)) + popular
    best, chosen = scores.topk(top_k)
    gates = best.softmax(-1)
    return tokens.to(weights.w_in.dtype), gates.to(weights.w_in.dtype), chosen


@pytest.mark.parametrize("n", [1, 51, 700])
@pytest.mark.parametrize("n_experts", [2, 3, 8, 16])
def test_all_formulations_say_the_same(n: int, n_experts: int) -> None:
    weights = weights_of(n_experts)
    given = (*routed(n, weights), weights)
    dense = mix_dense(*given)
    torch.testing.assert_close(mix_sorted(*given), dense, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mix_paired(*given), dense, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("hidden_bytes", [2**19, 2**11])
def test_parts_of_an_experts_rows_make_no_difference(
    monkeypatch: pytest.MonkeyPatch, hidden_bytes: int
) -> None:
    monkeypatch.setattr(mixing, "_HIDDEN_BYTES", hidden_bytes)
    weights = weights_of()
    given = (*routed(700, weights), weights)
    for mixture in (mix_sorted(*given), mix_paired(*given)):
        torch.testing.assert_close(mixture, mix_dense(*given), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_gradients_are_those_of_the_dense_formulation(top_k: int) -> None:
    weights = weights_of()
    tokens, gates, chosen = routed(300, weights, top_k)
    target = torch.randn(300, 12, generator=generator(5))
    inputs = [part.requires_grad_() for part in (tokens, gates, *weights)]
    by_sorting, by_dense = (
        torch.autograd.grad(
            (how(tokens, gates, chosen, weights) * target).sum(), inputs
        )
        for how in (mix_sorted, mix_dense)
    )
    for one, other in zip(by_sorting, by_dense, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("top_k", [1, 2])
def test_gradients_are_those_of_finite_differences(dropout: float, top_k: int) -> None:
    weights = weights_of(3, 2, 3, torch.float64)
    tokens, gates, chosen = routed(5, weights, top_k)

    def mixture(tokens: Tensor, gates: Tensor, *parts: Tensor) -> Tensor:
        torch.manual_seed(0)  # the same features are left out
        return mix(tokens, gates, chosen, Weights(*parts), dropout=dropout)

    inputs = [part.requires_grad_() for part in (tokens, gates, *weights)]
    assert torch.autograd.gradcheck(mixture, inputs)


@pytest.mark.parametrize(("width", "hidden", "n_parts"), [(768, 3072, 1), (24, 96, 4)])
def test_rows_are_split_only_where_weights_are_small_beside_them(
    width: int, hidden: int, n_parts: int
) -> None:
    weights = torch.empty(1, hidden, width, device="meta")
    assert len(list(mixing.expert_spans([n_parts * 1300], weights))) == n_parts


def test_experts_that_nobody_asks_get_no_gradient() -> None:
    weights = weights_of()
    tokens, gates, chosen = routed(40, weights)
    for part in weights:
        part.requires_grad_()
    mix_sorted(tokens, gates, chosen % 3, weights).sum().backward()
    for part in weights:
        reached = part.grad.flatten(1).abs().amax(1) > 0
        assert reached.tolist() == [True] * 3 + [False] * 5


def test_dropout_leaves_out_its_share_and_makes_up_for_it() -> None:
    weights = weights_of()
    tokens, _, _ = routed(4000, weights)
    chosen = torch.tensor([[2, 5]]).expand(4000, -1)
    only_first = torch.tensor([[1.0, 0.0]]).expand(4000, -1)
    torch.manual_seed(0)
    dropped = mix(tokens, only_first, chosen, weights, dropout=0.25)
    whole = mix(tokens, only_first, chosen, weights)
    is_kept = dropped != 0
    assert is_kept.float().mean() == pytest.approx(0.75, abs=0.01)
    torch.testing.assert_close(dropped[is_kept], whole[is_kept] / 0.75)


@pytest.mark.parametrize("how", [mix_sorted, mix_paired])
def test_the_same_input_gives_the_same_bits(how: object) -> None:
    weights = weights_of(width=24, hidden=96)
    given = (*routed(5000, weights), weights)
    assert torch.equal(how(*given), how(*given))


def test_gradients_have_the_same_bits_twice() -> None:
    weights = weights_of(width=24, hidden=96)
    tokens, gates, chosen = routed(5000, weights)
    inputs = [part.requires_grad_() for part in (tokens, gates, *weights)]
    runs = [
        torch.autograd.grad(mix(tokens, gates, chosen, weights).square().sum(), inputs)
        for _ in range(2)
    ]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


@pytest.mark.parametrize(
    ("n_tokens", "changed", "expected"),
    [
        (110_592, {}, "paired"),
        (588, {}, "sorted"),
        (110_592, {"learns": True}, "sorted"),
        (110_592, {"top_k": 1}, "sorted"),
        (110_592, {"device": torch.device("cuda")}, "dense"),
        (196, {"device": torch.device("mps"), "learns": True}, "dense"),
    ],
)
def test_the_formulation_follows_size_and_device(
    n_tokens: int, changed: dict[str, object], expected: str
) -> None:
    how = {"top_k": 2, "device": CPU, "learns": False} | changed
    assert formulation(n_tokens, weights_of(8, 24, 96), **how) == expected


def test_wide_experts_are_not_packed_in_pairs_for_few_tokens_each() -> None:
    weights = Weights(*(torch.empty(8, 3072, 1) for _ in range(4)))
    found = formulation(100_000, weights, top_k=2, device=CPU, learns=False)
    assert found == "sorted"


def test_mixtures_without_tokens_are_empty() -> None:
    weights = weights_of()
    tokens, gates, chosen = routed(4, weights)
    assert mix(tokens[:0], gates[:0], chosen[:0], weights).shape == (0, 12)


@pytest.mark.parametrize("counts", [[0, 5, 0, 1000, 37], [1], [], [0, 0]])
def test_spans_cover_every_row_once_in_few_sizes(counts: list[int]) -> None:
    found = list(spans(counts, most=128, step=16))
    places = [(g, i) for g, begin, end, _ in found for i in range(begin, end)]
    groups = [g for g, count in enumerate(counts) for _ in range(count)]
    assert places == [(g, i) for i, g in enumerate(groups)]
    for _, begin, end, stop in found:
        assert end <= stop < end + 16
        assert (stop - begin) % 16 == 0
        assert stop - begin <= 128


@pytest.mark.parametrize("relu", [False, True])
def test_products_are_the_same_with_and_without_onednn(relu: bool) -> None:
    rows = torch.randn(1024, 24, generator=generator(6))
    weight = torch.randn(192, 24, generator=generator(7))
    bias = torch.randn(192, generator=generator(8))
    found = linear(rows, weight, bias, relu=relu)
    with torch.backends.mkldnn.flags(enabled=False):
        without = linear(rows, weight, bias, relu=relu)
    expected = torch.addmm(bias.double(), rows.double(), weight.double().T)
    expected = (expected.relu() if relu else expected).float()
    for product in (found, without):
        torch.testing.assert_close(product, expected, atol=1e-4, rtol=1e-4)


def test_a_linear_layer_is_the_same_with_and_without_a_gradient() -> None:
    torch.manual_seed(0)
    layer = Linear(64, 256)
    x = torch.randn(2, 100, 64, generator=generator(6))
    with torch.inference_mode():
        found = layer(x)
    torch.testing.assert_close(found, layer(x).detach(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n_experts", [2, 3, 8])
def test_the_two_best_are_those_of_topk_with_its_gradient(n_experts: int) -> None:
    scores = torch.randn(2, n_experts, 50, generator=generator(9)).requires_grad_()
    target = torch.randn(2, 50, 2, generator=generator(10))
    weights, chosen = two_best(scores)
    best, expected = scores.mT.topk(2)
    assert torch.equal(chosen, expected)
    torch.testing.assert_close(weights, best.softmax(-1))
    own, theirs = (
        torch.autograd.grad((found * target).sum(), scores, retain_graph=True)[0]
        for found in (weights, best.softmax(-1))
    )
    assert own.abs().max() > 0
    torch.testing.assert_close(own, theirs)


def test_of_equal_scores_the_first_two_are_chosen() -> None:
    scores = torch.tensor([[1.0, 1, 1, 0], [0, 2, 1, 2], [3, 1, 0, 1]]).T.unsqueeze(0)
    weights, chosen = two_best(scores)
    assert chosen.tolist() == [[[0, 1], [1, 3], [0, 1]]]
    assert weights[0, 0].tolist() == [0.5, 0.5]


def test_scores_that_are_no_numbers_still_choose_experts() -> None:
    weights, chosen = two_best(torch.full((1, 8, 3), torch.nan))
    assert weights.isnan().all()
    assert ((chosen >= 0) & (chosen < 8)).all()
