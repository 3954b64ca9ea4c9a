"""The dMoE layer: one router per attribute value, experts shared by all of them.

A patient's attribute value (the *category*) chooses the router, the router sends each
token to its best experts, and the layer returns the weighted sum of what they say,
together with the routing itself. The caller adds the output to the tokens.

Several attributes choose a router each; the mean of those routers then decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models.gating import LEFT_OUT, ExpertControl, Experts, Noise, Routing
from napari_dmoe.models.mixing import Weights, mix
from napari_dmoe.models.names import Joined
from napari_dmoe.models.two_best import MOST_EXPERTS, two_best


class Routed(NamedTuple):
    """What the routers of a dMoE layer decide."""

    weights: Tensor
    """(B, T, K): of the experts that are asked; they sum to 1."""
    chosen: Tensor
    """(B, T, K) int64: which these are."""
    logits: Tensor
    """(B, E, T): the routers' own, before noise and before any expert is muted."""
    noise_std: Tensor
    """(B, E, T): how far the gating noise of training goes."""


class SparseMoE(nn.Module):
    """Sparse mixture of experts with one router per attribute value.

    A layer for any network that has tokens, or positions that can be taken for them: it
    returns what is to be added to them. Nothing else of this package is needed, and the
    rest of the network stays as it is.

    Parameters
    ----------
    width : int
        Number of features of a token.
    n_routers : int
        Number of attribute values that have a router.
    n_experts : int
        Number of experts, shared by all routers.
    hidden : int, optional
        Width of an expert's hidden layer; ``4 * width`` by default.
    top_k : int
        Experts per token.
    dropout : float
        Dropout after each expert, in training; at least 0 and below 1.

    Raises
    ------
    ValueError
        For a dropout out of these bounds.

    Notes
    -----
    For a token ``x`` of a patient whose attribute has the value ``a``, the router's
    logits are ``H = x W_a + b_a``. The ``top_k`` largest are kept, the others are set
    to minus infinity, and a softmax makes the gates ``G`` of them. The layer returns
    the sum of ``G_e * E_e(x)`` over the experts, each of which is a linear layer to
    ``hidden`` features, a ReLU and a linear layer back. With `noise`, as the published
    training has it, ``H + eps * softplus(x N_a + c_a)`` stands for ``H``, with ``eps``
    from the standard normal distribution.

    Feature maps (B, C, H, W) become tokens by ``x.flatten(2).transpose(1, 2)``. A value
    that is not known is no index: run the layer for every value and average what the
    network says, or give shares of the routers. Categories are not checked here, where
    that would wait for a GPU; see :func:`napari_dmoe.models.gating.checked_category`.

    References
    ----------
    .. [1] Oh et al., "Distribution-aware Fairness Learning in Medical Image
       Segmentation From A Control-Theoretic Perspective", ICML 2025,
       arXiv:2502.00619.

    Examples
    --------
    Two patients, the first with the attribute's value 0, the second with value 2:

    >>> import torch
    >>> layer = SparseMoE(16, n_routers=3).eval()
    >>> tokens = torch.rand(2, 49, 16)
    >>> mixture, routing = layer(tokens, torch.tensor([0, 2]))
    >>> (tokens + mixture).shape
    torch.Size([2, 49, 16])
    >>> int((routing.gates > 0).sum(-1).max())
    2

    ``examples/own_network.py`` puts it into a MONAI UNet, trains that, and audits it.
    """

    def __init__(
        self,
        width: int,
        *,
        n_routers: int,
        n_experts: int = 8,
        hidden: int | None = None,
        top_k: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1: found {dropout}")
        hidden = 4 * width if hidden is None else hidden
        self.n_routers, self.n_experts, self.top_k = n_routers, n_experts, top_k
        self.router_weight = nn.Parameter(torch.empty(n_routers, n_experts, width))
        self.router_bias = nn.Parameter(torch.empty(n_routers, n_experts))
        self.noise_weight = nn.Parameter(torch.empty(n_routers, n_experts, width))
        self.noise_bias = nn.Parameter(torch.empty(n_routers, n_experts))
        self.expert_in_weight = nn.Parameter(torch.empty(n_experts, hidden, width))
        self.expert_in_bias = nn.Parameter(torch.empty(n_experts, hidden))
        self.expert_out_weight = nn.Parameter(torch.empty(n_experts, width, hidden))
        self.expert_out_bias = nn.Parameter(torch.empty(n_experts, width))
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every linear layer as ``torch.nn.Linear`` does, from the global seed."""
        for name, parameter in self.named_parameters():
            of_out = name.startswith("expert_out")
            weight = self.expert_out_weight if of_out else self.expert_in_weight
            fan_in = weight.shape[-1]
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5)

    def forward(
        self,
        x: Tensor,
        category: Tensor,
        *,
        noise: Noise | None = None,
        experts: Experts | None = None,
        block: int = 0,
    ) -> tuple[Tensor, Routing]:
        """Route each token and mix what its experts answer.

        Parameters
        ----------
        x : (B, T, C) tensor
            Tokens.
        category : (B,) or (B, A) int64 tensor, or (B, n_routers) float32 tensor
            The router of each sample, in [0, n_routers), or of each of its A
            attributes, where -1 leaves one out; or the share of each router in the
            mean that decides. The network checks it with
            :func:`napari_dmoe.models.gating.checked_category`.
        noise : torch.Generator or B of them, optional
            Source of the published gating noise; None routes without noise.
        experts : ExpertControl or B of them, optional
            Experts to mute or pin.
        block : int
            Which block this call is, counted from 0; `experts` refers to it.

        Returns
        -------
        (B, T, C) tensor
            The mixture, to be added to `x`.
        Routing
            Gates, logits and noise scale of this call.

        Notes
        -----
        Routers are linear, so the mean of the logits of several is the logits of the
        router with their mean weights; its noise scale follows likewise. For one
        attribute this is the published layer, bit for bit.
        """
        routed = self.route(x, category, noise=noise, experts=experts, block=block)
        weights, chosen, logits, noise_std = routed
        gates = gates_of(weights, chosen, self.n_experts)
        mixed = self._mix(x.flatten(0, 1), weights.flatten(0, 1), chosen.flatten(0, 1))
        return mixed.view_as(x), Routing(gates, logits.mT, noise_std.mT)

    def route(
        self,
        x: Tensor,
        category: Tensor,
        *,
        noise: Noise | None = None,
        experts: Experts | None = None,
        block: int = 0,
    ) -> Routed:
        """Return what the routers decide of tokens (B, T, C), and ask no expert.

        The arguments are those of :meth:`forward`.
        """
        with torch.autocast(x.device.type, enabled=False):
            precise = x.to(torch.promote_types(x.dtype, torch.float32))
            logits, noise_std = self._router(precise, category)
            scores = logits
            if noise is not None:
                epsilon = _standard_normal(logits.mT, noise).mT.contiguous()
                scores = torch.addcmul(logits, epsilon, noise_std)
            scores = self._controlled(scores, experts, block)
            return Routed(*_top_gates(scores, self.top_k), logits, noise_std)

    def _router(self, x: Tensor, category: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and noise scales as planes (B, E, T), by one product."""

        def chosen(*parts: Tensor) -> Tensor:
            return _chosen(torch.cat([part.to(x) for part in parts], 1), category)

        weight = chosen(self.router_weight, self.noise_weight)
        bias = chosen(self.router_bias, self.noise_bias).unsqueeze(2)
        planes = torch.baddbmm(bias, weight, x.mT)
        logits, spread = planes.unflatten(1, (2, self.n_experts)).unbind(1)
        return logits, F.softplus(spread)

    def _controlled(
        self, scores: Tensor, experts: Experts | None, block: int
    ) -> Tensor:
        if experts is None:
            return scores
        each = (experts,) if isinstance(experts, ExpertControl) else experts
        if len(each) not in (1, len(scores)):
            raise ValueError(
                f"experts needs one control, or one a sample: found {len(each)} "
                f"for {len(scores)} samples"
            )
        silent = [
            frozenset[int]() if one is None else one.silent(block, self.n_experts)
            for one in each
        ]
        if not any(silent):
            return scores
        rows = [[expert in row for expert in range(self.n_experts)] for row in silent]
        mask = torch.tensor(rows, device=scores.device).unsqueeze(2)
        # Finite, so that a silent expert still ranks above the one already chosen.
        return scores.masked_fill(mask, torch.finfo(scores.dtype).min)

    def _mix(self, tokens: Tensor, gates: Tensor, chosen: Tensor) -> Tensor:
        """Return the mixture (N, C) for tokens (N, C); see :func:`mixing.mix`."""
        dropout = self.dropout.p if self.training else 0.0
        asked = gates.to(tokens.dtype), chosen, self.weights
        return mix(tokens, *asked, dropout=dropout)

    @property
    def weights(self) -> Weights:
        """Weights of the experts."""
        return Weights(
            self.expert_in_weight,
            self.expert_in_bias,
            self.expert_out_weight,
            self.expert_out_bias,
        )


def gates_of(weights: Tensor, chosen: Tensor, n_experts: int) -> Tensor:
    """Return the gates (..., E) of chosen experts (..., K) with their weights."""
    gates = weights.new_zeros(*weights.shape[:-1], n_experts)
    return gates.scatter(-1, chosen, weights)


def _chosen(parameter: Tensor, category: Tensor) -> Tensor:
    """Return each sample's row of a routers' parameter; of several rows the mean."""
    if category.is_floating_point():
        mean: Tensor = torch.tensordot(category.to(parameter), parameter, 1)
        return mean
    if category.ndim == 1:
        return parameter[category]
    takes_part = (category != LEFT_OUT).to(parameter)
    share = takes_part / takes_part.sum(1, keepdim=True)
    rows = parameter[category.clamp_min(0)]
    return (rows * share.view(*share.shape, *[1] * (rows.ndim - 2))).sum(1)


def _top_gates(scores: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Return softmax weights and indices of the best experts, both (B, T, top_k)."""
    n_experts = scores.shape[1]
    if top_k == 2 and 2 <= n_experts <= MOST_EXPERTS:
        return two_best(scores)
    best, chosen = scores.mT.topk(min(top_k, n_experts), dim=-1)
    return best.softmax(-1), chosen


def _standard_normal(like: Tensor, noise: Noise) -> Tensor:
    if isinstance(noise, torch.Generator):
        return _draw(tuple(like.shape), noise).to(like.device)
    if len(noise) != len(like):
        raise ValueError(
            f"noise needs one generator, or one a sample: found {len(noise)} "
            f"for {len(like)} samples"
        )
    draws = [_draw(tuple(like.shape[1:]), generator) for generator in noise]
    return torch.stack(draws).to(like.device)


def _draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def moe_names(
    ours: str, published: str, *, n_routers: int, n_experts: int
) -> Iterator[Joined]:
    """Yield how the layer's tensors are made of the published ones.

    `ours` and `published` are its prefixes in both state dicts, with their dots.
    """
    for part in ("weight", "bias"):
        for name, theirs in (("router", "topkroute_linear"), ("noise", "noise_linear")):
            routers = (
                f"{published}router.{a}.{theirs}.{part}" for a in range(n_routers)
            )
            yield Joined(f"{ours}{name}_{part}", tuple(routers), "stack")
        for name, index in (("in", 0), ("out", 2)):
            experts = (
                f"{published}experts.{e}.net.{index}.{part}" for e in range(n_experts)
            )
            yield Joined(f"{ours}expert_{name}_{part}", tuple(experts), "stack")
