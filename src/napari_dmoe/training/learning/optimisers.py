"""The optimiser, and its learning rate at each step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from napari_dmoe.training.settings import TrainSettings

POLY_POWER = 0.9
"""As published."""


def optimiser_of(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimiser of what a network trains."""
    named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            [parameter for _, parameter in named],
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    return torch.optim.AdamW(_parameter_groups(named, settings))


def _parameter_groups(
    named: list[tuple[str, nn.Parameter]], settings: TrainSettings
) -> list[dict[str, Any]]:
    """Keep weight decay off biases, norms and positions, which it only harms."""
    decayed = [
        p for n, p in named if p.ndim > 1 and "bias" not in n and "position" not in n
    ]
    kept = {id(p) for p in decayed}
    rest = [p for _, p in named if id(p) not in kept]
    rate = settings.learning_rate
    return [
        {"params": decayed, "lr": rate, "weight_decay": settings.weight_decay},
        {"params": rest, "lr": rate, "weight_decay": 0.0},
    ]


def rate_at(step: int, steps: int, settings: TrainSettings) -> float:
    """Return the learning rate of a step, counted from 0.

    Notes
    -----
    After a linear rise over the warm-up, ``(1 - step/steps) ** 0.9`` or half a cosine.
    """
    rising = round(settings.warm_up * steps)
    if settings.schedule == "cosine":
        rising = max(1, rising)
    if step < rising:
        return settings.learning_rate * ((step + 1) / rising)
    share = (step - rising) / max(1, steps - rising)
    if settings.schedule == "poly":
        return settings.learning_rate * float((1 - share) ** POLY_POWER)
    return settings.learning_rate * (0.5 + 0.5 * math.cos(math.pi * share))
