"""The two best experts of each token and their weights, without sorting.

Scores lie as planes, one an expert, so that every step is a comparison of whole planes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MOST_EXPERTS = 255
"""Of which the index is a byte."""


def two_best(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the softmax weights and the indices of the two best experts.

    Parameters
    ----------
    scores : (B, E, T) tensor
        Of 2 to `MOST_EXPERTS` experts. Of equal ones the first are chosen.

    Returns
    -------
    (B, T, 2) tensor
        Weights, the best expert's first; they have a gradient.
    (B, T, 2) int64 tensor
        Two different experts.
    """
    weights, chosen = _TwoBest.apply(scores)  # type: ignore[no-untyped-call]
    return weights, chosen


class _TwoBest(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> tuple[Tensor, Tensor]:
        planes = scores.unbind(1)
        best = torch.maximum(planes[0], planes[1])
        second = torch.minimum(planes[0], planes[1])
        for plane in planes[2:]:
            second = torch.maximum(second, torch.minimum(best, plane))
            best = torch.maximum(best, plane)
        indices = _indices(scores, best, second)
        first_weight = (best - second).sigmoid()
        weights = torch.stack([first_weight, 1 - first_weight], -1)
        chosen = torch.stack(indices, -1).long()
        ctx.mark_non_differentiable(chosen)
        ctx.save_for_backward(weights, chosen.to(torch.uint8))
        ctx.shape = scores.shape
        return weights, chosen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> Tensor:
        """Return the gradient of the scores: nothing but for the two best."""
        weights, chosen = ctx.saved_tensors
        to_first = (grad[..., 0] - grad[..., 1]) * weights[..., 0] * weights[..., 1]
        both = torch.stack([to_first, -to_first], 1)
        return grad.new_zeros(ctx.shape).scatter_(1, chosen.mT.long(), both)


def _indices(scores: Tensor, best: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first plane that is best, and the first other one that is second."""
    # Counted down from the first plane, so that the first match is the largest: whole
    # planes of bytes are compared where an argmax reads number by number.
    n_experts = scores.shape[1]
    down = torch.arange(n_experts, 0, -1, dtype=torch.uint8, device=scores.device)
    down = down.view(-1, 1)
    first = (scores == best.unsqueeze(1)).mul(down)
    of_first = first.amax(1)
    is_other = first != of_first.unsqueeze(1)
    other = (scores == second.unsqueeze(1)).logical_and_(is_other).mul(down)
    # What is no number matches nothing, and goes to the last expert.
    return n_experts - of_first.clamp_min(1), n_experts - other.amax(1).clamp_min(1)
