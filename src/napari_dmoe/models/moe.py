"""The dMoE layer: one router per attribute value, experts shared by all of them.

A patient's attribute value (the *category*) chooses the router, the router sends each
token to its best experts, and the layer returns the weighted sum of what they say,
together with the routing itself. The caller adds the output to the tokens.

Several attributes choose a router each; the mean of those routers then decides.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_dmoe.models.gating import LEFT_OUT, ExpertControl, Experts, Noise, Routing
from napari_dmoe.models.names import Joined


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
        Dropout after each expert, in training.

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
        with torch.autocast(x.device.type, enabled=False):
            logits, noise_std = self._router(x.float(), category)
            scores = logits
            if noise is not None:
                scores = logits + _standard_normal(logits, noise) * noise_std
            scores = self._controlled(scores, experts, block)
            weights, chosen = _top_gates(scores, self.top_k)
        tokens = x.flatten(0, 1)
        mixed = self._mix(tokens, weights.flatten(0, 1), chosen.flatten(0, 1))
        gates = torch.zeros_like(logits).scatter(-1, chosen, weights)
        return mixed.view_as(x), Routing(gates, logits, noise_std)

    def _router(self, x: Tensor, category: Tensor) -> tuple[Tensor, Tensor]:
        def linear(weight: Tensor, bias: Tensor) -> Tensor:
            per_sample = _chosen(weight.float(), category).transpose(1, 2)
            offset = _chosen(bias.float(), category).unsqueeze(1)
            return torch.baddbmm(offset, x, per_sample)

        logits = linear(self.router_weight, self.router_bias)
        return logits, F.softplus(linear(self.noise_weight, self.noise_bias))

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
        mask = torch.tensor(rows, device=scores.device).unsqueeze(1)
        # Finite, so that a silent expert still ranks above the one already chosen.
        return scores.masked_fill(mask, torch.finfo(scores.dtype).min)

    def _mix(self, tokens: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        # On a GPU every expert for every token costs less than waiting for counts.
        mixture = self._mix_sorted if tokens.device.type == "cpu" else self._mix_dense
        return mixture(tokens, weights.to(tokens.dtype), chosen)

    def _mix_sorted(self, tokens: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Sort the rows by expert, so that each expert is two matrix products."""
        order = chosen.flatten().argsort(stable=True)
        counts = chosen.flatten().bincount(minlength=self.n_experts).tolist()
        rows = tokens.index_select(0, order // chosen.shape[-1]).split(counts)
        # Taken apart once: a view of each expert has a gradient as large as all.
        experts = zip(
            self.expert_in_weight.unbind(),
            self.expert_in_bias.unbind(),
            self.expert_out_weight.unbind(),
            self.expert_out_bias.unbind(),
            strict=True,
        )
        answers = [_answer(r, *own) for r, own in zip(rows, experts, strict=True)]
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        answer: Tensor = self.dropout(torch.cat(answers)).index_select(0, back)
        answer = answer.view(*chosen.shape, answer.shape[-1])
        return (answer * weights.unsqueeze(-1)).sum(1)

    def _mix_dense(self, tokens: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Ask every expert about every token: no counts, no waiting for the device."""
        gates = torch.zeros(
            len(tokens), self.n_experts, device=tokens.device, dtype=tokens.dtype
        ).scatter(-1, chosen, weights)
        everyone = tokens.expand(self.n_experts, -1, -1)
        hidden = torch.baddbmm(
            self.expert_in_bias.unsqueeze(1),
            everyone,
            self.expert_in_weight.transpose(1, 2),
        ).relu()
        answer = torch.baddbmm(
            self.expert_out_bias.unsqueeze(1),
            hidden,
            self.expert_out_weight.transpose(1, 2),
        )
        return torch.einsum("ne,enc->nc", gates, self.dropout(answer))


def _answer(
    rows: Tensor,
    weight_in: Tensor,
    bias_in: Tensor,
    weight_out: Tensor,
    bias_out: Tensor,
) -> Tensor:
    """Return what one expert says of the rows (N, C) that were sent to it."""
    hidden = F.linear(rows, weight_in, bias_in).relu()
    return F.linear(hidden, weight_out, bias_out)


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
    if top_k != 2 or scores.shape[-1] < 2:
        best, chosen = scores.topk(min(top_k, scores.shape[-1]), dim=-1)
        return best.softmax(-1), chosen
    # Two maxima and a sigmoid are the softmax of the top 2, at a third of the time.
    first, first_index = scores.max(-1, keepdim=True)
    rest = scores.scatter(-1, first_index, float("-inf"))
    second, second_index = rest.max(-1, keepdim=True)
    weight = (first - second).sigmoid()
    chosen = torch.cat([first_index, second_index], -1)
    return torch.cat([weight, 1 - weight], -1), chosen


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
