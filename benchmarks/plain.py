"""The dMoE layer as its formulas read: one boolean mask an expert, nothing clever.

Tests hold the fast formulation against this one, and benchmarks time it against it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.models.moe import SparseMoE


def plain_gates(
    layer: SparseMoE, x: Tensor, category: Tensor, *, epsilon: Tensor | None = None
) -> Tensor:
    """Return the gates of each token, sample by sample.

    Parameters
    ----------
    layer : SparseMoE
        Holds the parameters.
    x : (B, T, C) tensor
        Tokens.
    category : (B,) or (B, A) int64 tensor
        Router of each sample, or of each of its attributes; -1 leaves one out.
    epsilon : (B, T, E) tensor, optional
        Standard normal draws of the gating noise; without them there is none.

    Returns
    -------
    (B, T, E) tensor
        Gates in [0, 1], which sum to 1 over experts; ``top_k`` of them are not 0.

    Notes
    -----
    With logits ``H = x W + b`` and noise scale ``s = softplus(x N + c)``, the gates are
    ``softmax(top_k(H + epsilon * s))``, all other entries being set to -inf.
    """
    gates = []
    for sample, tokens in enumerate(x):
        routers = category[sample].view(-1)
        routers = routers[routers >= 0]
        scores = F.linear(
            tokens,
            layer.router_weight[routers].mean(0),
            layer.router_bias[routers].mean(0),
        )
        if epsilon is not None:
            spread = F.linear(
                tokens,
                layer.noise_weight[routers].mean(0),
                layer.noise_bias[routers].mean(0),
            )
            scores = scores + epsilon[sample] * F.softplus(spread)
        best = scores.topk(min(layer.top_k, layer.n_experts)).indices
        kept = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True)
        gates.append(scores.masked_fill(~kept, float("-inf")).softmax(-1))
    return torch.stack(gates)


def plain_mixture(layer: SparseMoE, x: Tensor, gates: Tensor) -> Tensor:
    """Return ``sum_e gates[..., e] * expert_e(x)``, expert by expert, without dropout.

    Parameters
    ----------
    layer : SparseMoE
        Holds the parameters.
    x : (B, T, C) tensor
        Tokens.
    gates : (B, T, E) tensor
        Weight of each expert for each token.

    Returns
    -------
    (B, T, C) tensor
        The mixture.
    """
    mixture = torch.zeros_like(x)
    for expert in range(layer.n_experts):
        mask = gates[..., expert] > 0
        hidden = F.linear(
            x[mask], layer.expert_in_weight[expert], layer.expert_in_bias[expert]
        ).relu()
        answer = F.linear(
            hidden, layer.expert_out_weight[expert], layer.expert_out_bias[expert]
        )
        mixture[mask] += gates[..., expert][mask].unsqueeze(-1) * answer
    return mixture
