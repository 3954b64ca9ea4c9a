from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.models.moe import SparseMoE
from plain import plain_gates, plain_mixture

N_EXPERTS = 8


def layer_of(
    n_experts: int = N_EXPERTS, top_k: int = 2, n_routers: int = 3, width: int = 12
) -> SparseMoE:
    torch.manual_seed(1)
    layer = SparseMoE(
        width, n_routers=n_routers, n_experts=n_experts, hidden=20, top_k=top_k
    )
    return layer.eval()


@pytest.fixture
def layer() -> SparseMoE:
    return layer_of()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 17, 12, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def category() -> Tensor:
    return torch.tensor([2, 0, 1])


def routers_scores(layer: SparseMoE, x: Tensor, category: Tensor) -> Tensor:
    weight, bias = layer.router_weight[category], layer.router_bias[category]
    return torch.einsum("btc,bec->bte", x, weight) + bias[:, None]


@pytest.mark.parametrize(
    ("n_experts", "top_k"), [(8, 2), (8, 1), (8, 3), (2, 2), (1, 2)]
)
def test_layer_equals_its_plain_formulation(
    x: Tensor, category: Tensor, n_experts: int, top_k: int
) -> None:
    layer = layer_of(n_experts, top_k)
    mixture, routing = layer(x, category)
    gates = plain_gates(layer, x, category)
    torch.testing.assert_close(routing.gates, gates, atol=1e-6, rtol=1e-5)
    expected = plain_mixture(layer, x, gates)
    torch.testing.assert_close(mixture, expected, atol=1e-5, rtol=1e-5)


def test_noise_enters_as_the_formula_says(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    _, quiet = layer(x, category)
    mixture, routing = layer(x, category, noise=torch.Generator().manual_seed(5))
    epsilon = torch.randn(3, 17, N_EXPERTS, generator=torch.Generator().manual_seed(5))
    gates = plain_gates(layer, x, category, epsilon=epsilon)
    torch.testing.assert_close(routing.gates, gates, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(mixture, plain_mixture(layer, x, gates))
    assert (routing.gates != quiet.gates).any()
    torch.testing.assert_close(routing.logits, quiet.logits)


def test_one_generator_a_sample_gives_what_each_sample_gets_alone(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    def generator(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    _, together = layer(x, category, noise=[generator(7), generator(8), generator(9)])
    for i, seed in enumerate((7, 8, 9)):
        _, alone = layer(x[i : i + 1], category[i : i + 1], noise=[generator(seed)])
        torch.testing.assert_close(together.gates[i : i + 1], alone.gates)


def test_another_number_of_generators_than_samples_is_refused(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    with pytest.raises(ValueError, match="found 2 for 3 samples"):
        layer(x, category, noise=[torch.Generator(), torch.Generator()])


def test_routing_reports_logits_and_noise_scale_of_the_chosen_router(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    _, routing = layer(x, category)
    torch.testing.assert_close(routing.logits, routers_scores(layer, x, category))
    weight, bias = layer.noise_weight[category], layer.noise_bias[category]
    spread = torch.einsum("btc,bec->bte", x, weight) + bias[:, None]
    expected = torch.log1p(spread.exp())
    torch.testing.assert_close(routing.noise_std, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("noisy", [False, True])
def test_exactly_two_gates_are_open_and_sum_to_one(
    layer: SparseMoE, x: Tensor, category: Tensor, noisy: bool
) -> None:
    noise = torch.Generator().manual_seed(3) if noisy else None
    _, routing = layer(x, category, noise=noise)
    assert ((routing.gates > 0).sum(-1) == 2).all()
    torch.testing.assert_close(routing.gates.sum(-1), torch.ones(3, 17))


def test_equal_logits_still_choose_two_different_experts(x: Tensor) -> None:
    layer = layer_of()
    torch.nn.init.zeros_(layer.router_weight)
    torch.nn.init.zeros_(layer.router_bias)
    _, routing = layer(x, torch.tensor([0, 1, 2]))
    assert ((routing.gates == 0.5).sum(-1) == 2).all()


def test_gradients_reach_only_the_chosen_routers(layer: SparseMoE, x: Tensor) -> None:
    mixture, _ = layer(x, torch.tensor([1, 1, 1]))
    mixture.square().sum().backward()
    reached = layer.router_weight.grad.abs().amax((1, 2)) > 0
    assert reached.tolist() == [False, True, False]


def test_muting_the_best_expert_lets_the_next_step_in(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    best = int(routers_scores(layer, x, category)[0, 0].argmax())
    control = ExpertControl(mute=frozenset({(None, best)}))
    mixture, routing = layer(x, category, experts=control)
    scores = routers_scores(layer, x, category)
    scores[..., best] = float("-inf")
    top = scores.topk(2)
    gates = torch.zeros_like(scores).scatter(-1, top.indices, top.values.softmax(-1))
    torch.testing.assert_close(routing.gates, gates)
    torch.testing.assert_close(mixture, plain_mixture(layer, x, gates))
    assert (routing.gates[..., best] == 0).all()
    assert ((routing.gates > 0).sum(-1) == 2).all()


def test_logits_are_reported_as_they_were_before_muting(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    control = ExpertControl(mute=frozenset({(None, 3)}))
    _, routing = layer(x, category, experts=control)
    torch.testing.assert_close(routing.logits, routers_scores(layer, x, category))


def test_muting_an_expert_that_nobody_uses_changes_nothing(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    with torch.no_grad():
        layer.router_bias[:, 5] = -1e4
    before, routing = layer(x, category)
    assert (routing.gates[..., 5] == 0).all()
    control = ExpertControl(mute=frozenset({(None, 5)}))
    after, controlled = layer(x, category, experts=control)
    assert torch.equal(before, after)
    assert torch.equal(routing.gates, controlled.gates)


@pytest.mark.parametrize("expert", range(N_EXPERTS))
def test_a_pinned_expert_gets_gate_one_and_answers_alone(
    layer: SparseMoE, x: Tensor, category: Tensor, expert: int
) -> None:
    mixture, routing = layer(x, category, experts=ExpertControl(pin={None: expert}))
    alone = torch.nn.functional.one_hot(torch.tensor(expert), N_EXPERTS).float()
    gates = alone.expand(3, 17, -1)
    assert torch.equal(routing.gates, gates)
    torch.testing.assert_close(mixture, plain_mixture(layer, x, gates))


def test_a_control_of_one_block_leaves_the_others_alone(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    control = ExpertControl(mute=frozenset({(1, 0), (1, 1)}), pin={2: 6})
    free, _ = layer(x, category)
    assert torch.equal(layer(x, category, experts=control, block=0)[0], free)
    muted = layer(x, category, experts=control, block=1)[1].gates
    assert (muted[..., :2] == 0).all()
    pinned = layer(x, category, experts=control, block=2)[1].gates
    assert (pinned[..., 6] == 1).all()


def test_a_pin_of_a_block_goes_before_the_pin_of_all(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    control = ExpertControl(pin={None: 1, 3: 4})
    for block, expert in ((0, 1), (3, 4)):
        gates = layer(x, category, experts=control, block=block)[1].gates
        assert (gates[..., expert] == 1).all()


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (ExpertControl({(None, e) for e in range(8)}), "all 8 experts of block 0"),
        (ExpertControl({(0, 2)}, pin={0: 2}), "all 8 experts of block 0 are muted"),
        (ExpertControl({(None, 8)}), "expert 8 does not exist: there are 8"),
        (ExpertControl({(None, -1)}), "expert -1 does not exist"),
        (ExpertControl(pin={None: 9}), "expert 9 does not exist"),
        (ExpertControl(pin={0: -3}), "expert -3 does not exist"),
    ],
)
def test_impossible_controls_are_refused(
    layer: SparseMoE, x: Tensor, category: Tensor, control: ExpertControl, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        layer(x, category, experts=control)


def test_an_empty_batch_gives_an_empty_mixture(layer: SparseMoE, x: Tensor) -> None:
    mixture, routing = layer(x[:0], torch.empty(0, dtype=torch.int64))
    assert mixture.shape == (0, 17, 12)
    assert routing.gates.shape == (0, 17, N_EXPERTS)


def test_routing_stays_in_float32_under_autocast(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    _, exact = layer(x, category)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, routing = layer(x, category)
    assert routing.logits.dtype == routing.gates.dtype == torch.float32
    assert torch.equal(routing.gates, exact.gates)


def test_parameters_start_within_the_bounds_of_a_linear_layer() -> None:
    torch.manual_seed(0)
    layer = SparseMoE(64, n_routers=4, hidden=256)
    for name, parameter in layer.named_parameters():
        fan_in = 256 if name.startswith("expert_out") else 64
        largest = float(parameter.detach().abs().max())
        assert 0.9 * fan_in**-0.5 < largest <= fan_in**-0.5, name


def test_defaults_are_those_that_were_published() -> None:
    layer = SparseMoE(16, n_routers=3)
    assert (layer.n_experts, layer.top_k, layer.dropout.p) == (8, 2, 0.1)
    assert layer.expert_in_weight.shape == (8, 64, 16)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_dropout_out_of_bounds_is_refused(dropout: float) -> None:
    with pytest.raises(ValueError, match=f"below 1: found {dropout}"):
        SparseMoE(8, n_routers=2, dropout=dropout)


@pytest.mark.parametrize("n_tokens", [17, 3000])
def test_autocast_on_a_cpu_changes_nothing(
    layer: SparseMoE, category: Tensor, n_tokens: int
) -> None:
    x = torch.randn(3, n_tokens, 12, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        exact, _ = layer(x, category)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(layer(x, category)[0], exact)


@pytest.mark.parametrize("n_tokens", [17, 3000])
def test_many_tokens_are_mixed_as_few(
    layer: SparseMoE, category: Tensor, n_tokens: int
) -> None:
    x = torch.randn(3, n_tokens, 12, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        mixture, routing = layer(x, category)
        gates = plain_gates(layer, x, category)
        torch.testing.assert_close(routing.gates, gates, atol=1e-6, rtol=1e-5)
        expected = plain_mixture(layer, x, gates)
    torch.testing.assert_close(mixture, expected, atol=1e-5, rtol=1e-5)


def test_the_whole_layer_has_the_gradients_of_its_plain_formulation(
    x: Tensor, category: Tensor
) -> None:
    layer = layer_of().double()
    tokens = x.double().requires_grad_()
    epsilon = torch.randn(3, 17, N_EXPERTS, generator=torch.Generator().manual_seed(5))
    mixture, _ = layer(tokens, category, noise=torch.Generator().manual_seed(5))
    gates = plain_gates(layer, tokens, category, epsilon=epsilon.double())
    target = torch.randn(mixture.shape, generator=torch.Generator().manual_seed(6))
    inputs = [tokens, *layer.parameters()]
    own, plain = (
        torch.autograd.grad((found * target).sum(), inputs)
        for found in (mixture, plain_mixture(layer, tokens, gates))
    )
    for ours, theirs in zip(own, plain, strict=True):
        assert ours.abs().max() > 0
        torch.testing.assert_close(ours, theirs)


def test_dropout_acts_in_training_only(
    layer: SparseMoE, x: Tensor, category: Tensor
) -> None:
    assert torch.equal(layer(x, category)[0], layer(x, category)[0])
    layer.train()
    torch.manual_seed(0)
    dropped, _ = layer(x, category)
    assert not torch.equal(dropped, layer(x, category)[0])
