"""Weighted sums of what the experts say, in three formulations of the same.

*Sorted*: each expert's rows side by side, so that an expert is two products; it learns.
*Paired*: each pair of experts' rows side by side, for very many tokens: every token is
moved once, and the sum of its two experts is part of the second product. *Dense*: every
expert answers every token, which no device waits for. :func:`formulation` chooses.

Nothing is added up in an order that varies: the same input gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from napari_dmoe.models.products import linear, spans

_MOST_PAIRED = 16
"""Experts of which the number of a pair is a byte, as sorting them fast asks for."""

_ROWS_OF_PAIR = 100
"""Tokens a pair of experts needs on average to be worth two products of its own."""

_HIDDEN_BYTES = 2**19
"""Of the hidden features in work at a time: they stay in a core's own cache."""

_STEP = 16
"""Parts are computed in multiples of so many rows, for few different shapes."""

relu_backward = torch.ops.aten.threshold_backward.grad_input


class Weights(NamedTuple):
    """Of all experts of a layer."""

    w_in: Tensor
    """(E, H, C)."""
    b_in: Tensor
    """(E, H)."""
    w_out: Tensor
    """(E, C, H)."""
    b_out: Tensor
    """(E, C)."""


def formulation(
    n_tokens: int, weights: Weights, *, top_k: int, device: torch.device, learns: bool
) -> Literal["sorted", "paired", "dense"]:
    """Choose how a number of tokens is mixed on a device.

    A GPU asks every expert about every token, since that costs less than to wait for
    counts. Pairs need enough rows each to be worth packing their weights.
    """
    if device.type != "cpu":
        return "dense"
    n_experts, hidden, _ = weights.w_in.shape
    n_pairs = n_experts * (n_experts - 1) // 2
    least = n_pairs * max(_ROWS_OF_PAIR, 2 * hidden)
    if learns or top_k != 2 or n_experts > _MOST_PAIRED or n_tokens < least:
        return "sorted"
    return "paired"


def mix(
    tokens: Tensor,
    gates: Tensor,
    chosen: Tensor,
    weights: Weights,
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Return what the experts say of each token, summed with its gates.

    Parameters
    ----------
    tokens : (N, C) tensor
        Features.
    gates : (N, K) tensor
        Weight of each chosen expert.
    chosen : (N, K) int64 tensor
        K different experts of each token.
    weights : Weights
        Of the experts.
    dropout : float
        Chance of each feature of an expert's answer to be left out, in [0, 1); the
        others grow to make up for it.

    Returns
    -------
    (N, C) tensor
        The mixture.
    """
    if not len(tokens):
        return torch.zeros_like(tokens)
    learns = torch.is_grad_enabled() and any(
        t.requires_grad for t in (tokens, gates, *weights)
    )
    how = formulation(
        len(tokens),
        weights,
        top_k=chosen.shape[1],
        device=tokens.device,
        learns=learns or dropout > 0,
    )
    if how == "dense":
        return mix_dense(tokens, gates, chosen, weights, dropout=dropout)
    exact = weights.w_in.dtype  # also under autocast, which gains nothing on a CPU
    given = tokens.to(exact), gates.to(exact), chosen, weights
    with torch.autocast("cpu", enabled=False):
        if how == "paired":
            return mix_paired(*given).to(tokens.dtype)
        return mix_sorted(*given, dropout=dropout).to(tokens.dtype)


def mix_dense(
    tokens: Tensor,
    gates: Tensor,
    chosen: Tensor,
    weights: Weights,
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Ask every expert about every token: no counts, no waiting for the device."""
    w_in, b_in, w_out, b_out = weights
    share = tokens.new_zeros(len(tokens), len(w_in)).scatter(-1, chosen, gates)
    everyone = tokens.expand(len(w_in), -1, -1)
    hidden = torch.baddbmm(b_in.unsqueeze(1), everyone, w_in.transpose(1, 2)).relu()
    answer = torch.baddbmm(b_out.unsqueeze(1), hidden, w_out.transpose(1, 2))
    return torch.einsum("ne,enc->nc", share, F.dropout(answer, dropout))


def mix_sorted(
    tokens: Tensor,
    gates: Tensor,
    chosen: Tensor,
    weights: Weights,
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Sort the rows by expert, so that each expert is two products."""
    kept, share = None, 1.0
    if dropout:
        kept, share = _kept((chosen.numel(), tokens.shape[1]), dropout)
    mixture: Tensor = _Sorted.apply(  # type: ignore[no-untyped-call]
        tokens, gates, chosen, *weights, kept, share
    )
    return mixture


class _Sorted(torch.autograd.Function):
    """The sorted formulation, with a gradient that takes the same parts."""

    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        gates: Tensor,
        chosen: Tensor,
        w_in: Tensor,
        b_in: Tensor,
        w_out: Tensor,
        b_out: Tensor,
        kept: Tensor | None,
        share: float,
    ) -> Tensor:
        experts = chosen.flatten()
        if len(w_in) <= 256:
            experts = experts.to(torch.uint8)  # which is sorted in a third of the time
        order, back = _order(experts)
        counts = experts.bincount(minlength=len(w_in)).tolist()
        source = spared(order.div(chosen.shape[1], rounding_mode="floor"))
        answers = tokens.new_empty(len(source), tokens.shape[1])
        learns = any(ctx.needs_input_grad)
        kept_hidden = tokens.new_empty(len(source) * learns, w_in.shape[1])
        for e, begin, end, stop in expert_spans(counts, w_in):
            rows = F.embedding(source[begin:stop], tokens)
            # What is written beyond the end is written again by the next part.
            out = kept_hidden[begin:stop] if learns else None
            hidden = linear(rows, w_in[e], b_in[e], relu=True, out=out)
            linear(hidden, w_out[e], b_out[e], out=answers[begin:stop])
            if kept is not None:
                answers[begin:end].mul_(kept[begin:end])
        back = back.view_as(chosen)
        places = source, order, back
        ctx.save_for_backward(
            tokens, gates, *places, w_in, w_out, b_out, kept, kept_hidden
        )
        ctx.counts, ctx.share = counts, share
        return _summed(answers, back, gates / share)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what :meth:`forward` takes."""
        tokens, gates, source, order, back, *rest = ctx.saved_tensors
        w_in, w_out, b_out, kept, kept_hidden = rest
        grad = grad.contiguous()
        scale = F.embedding(order, gates.view(-1, 1)).div_(ctx.share)
        of_rows = tokens.new_empty(len(order), tokens.shape[1])
        of_gates = torch.empty_like(scale)
        of_in, of_out = torch.zeros_like(w_in), torch.zeros_like(w_out)
        of_in_bias, of_out_bias = (torch.zeros_like(w[..., 0]) for w in (w_in, w_out))
        no_bias = w_in.new_zeros(w_in.shape[1])
        for e, begin, end, stop in expert_spans(ctx.counts, w_in):
            size, hidden = end - begin, kept_hidden[begin:stop]
            rows = F.embedding(source[begin:end], tokens)
            of_answers = F.embedding(source[begin:stop], grad)
            own = of_answers[:size]
            if kept is not None:
                own.mul_(kept[begin:end])
            of_hidden = linear(of_answers, w_out[e].t(), no_bias)
            said = (of_hidden[:size] * hidden[:size]).sum(1, keepdim=True)
            torch.addmm(said, own, b_out[e].unsqueeze(1), out=of_gates[begin:end])
            relu_backward(of_hidden, hidden, 0, grad_input=of_hidden)
            own.mul_(scale[begin:end])
            of_hidden = of_hidden[:size].mul_(scale[begin:end])
            of_in[e].addmm_(of_hidden.t(), rows)
            of_in_bias[e].add_(of_hidden.sum(0))
            of_out[e].addmm_(own.t(), hidden[:size])
            of_out_bias[e].add_(own.sum(0))
            torch.mm(of_hidden, w_in[e], out=of_rows[begin:end])
        of_gates = F.embedding(back.flatten(), of_gates.div_(ctx.share))
        of_tokens = _summed(of_rows, back, None)
        of_weights = of_in, of_in_bias, of_out, of_out_bias
        return of_tokens, of_gates.view_as(gates), None, *of_weights, None, None


def mix_paired(
    tokens: Tensor, gates: Tensor, chosen: Tensor, weights: Weights
) -> Tensor:
    """Sort the rows by pair of experts; without dropout, and without a gradient."""
    w_in, b_in, w_out, b_out = weights
    n_experts = len(w_in)
    first, second = chosen.unbind(1)
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    pair = (low * n_experts + high).to(torch.uint8)
    order, back = _order(pair)
    counts = pair.bincount(minlength=n_experts**2).tolist()
    is_swapped = (first > second).unsqueeze(1)
    gates = F.embedding(order, torch.where(is_swapped, gates.flip(1), gates))
    rows = F.embedding(spared(order), tokens)
    packed, no_bias = -1, torch.zeros_like(b_out[0])
    for number, begin, end, stop in expert_spans(counts, w_in, together=2):
        if number != packed:
            both = list(divmod(number, n_experts))
            into = w_in[both].flatten(0, 1), b_in[both].flatten()
            out_of, bias, packed = torch.cat([*w_out[both]], 1), b_out[both], number
        hidden = linear(rows[begin:stop], *into, relu=True)[: end - begin]
        weight = gates[begin:end]
        hidden.view(len(hidden), 2, -1).mul_(weight.unsqueeze(2))
        answer = linear(hidden, out_of, no_bias)
        torch.addmm(answer, weight, bias, out=rows[begin:end])
    return F.embedding(back, rows)


def expert_spans(
    counts: list[int], w_in: Tensor, *, together: int = 1
) -> Iterator[tuple[int, int, int, int]]:
    """Yield parts of sorted rows whose hidden features fit into a core's own cache.

    Nothing is gained by that where an expert's weights are larger than they: each part
    would read them anew.
    """
    _, hidden, width = w_in.shape
    most = _HIDDEN_BYTES // (w_in.element_size() * together * hidden)
    most = max(most, 2 * width)
    return spans(counts, most=max(most // _STEP * _STEP, _STEP), step=_STEP)


def spared(places: Tensor) -> Tensor:
    """Return places with as many more as the last part may be rounded up by."""
    return F.pad(places, (0, _STEP))


def _summed(rows: Tensor, places: Tensor, share: Tensor | None) -> Tensor:
    """Return for each row of places (N, K) the weighted sum of those rows."""
    return F.embedding_bag(places, rows, mode="sum", per_sample_weights=share)


def _order(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return places in the order of their keys, and the way back, both int32."""
    order = keys.argsort(stable=True)
    positions = torch.arange(len(order), dtype=torch.int32)
    return order.int(), torch.empty_like(positions).scatter_(0, order, positions)


def _kept(shape: tuple[int, int], chance: float) -> tuple[Tensor, float]:
    """Draw what dropout keeps, from the global seed, and return how much that is.

    Sixteen random bits each: a chance is met to 1 in 65,536, at a third of the time.
    """
    threshold = round(chance * 2**16)
    n = shape[0] * shape[1]
    drawn = torch.empty(-(-n // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[:n].view(shape)
    return bits >= threshold - 2**15, 1 - threshold / 2**16
