"""The optimiser, and its learning rate at each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from napari_dmoe.training.settings import TrainSettings

POLY_POWER = 0.9
"""As published."""

_FUSED = ("cpu", "cuda")
"""Devices where the whole step is one operation."""


def optimiser_of(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimiser of what a network trains.

    Each number is read and written once, where torch has a step in one piece for the
    device: of 130 million, the usual dozen passes take as long as the network does.
    """
    named = {n: p for n, p in network.named_parameters() if p.requires_grad}
    is_fused = all(p.device.type in _FUSED for p in named.values())
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            named.values(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=is_fused,
        )
    # Weight decay is kept off biases, norms and positions, which it only harms.
    decayed = [
        name
        for name, parameter in named.items()
        if parameter.ndim > 1 and "bias" not in name and "position" not in name
    ]
    rest = [name for name in named if name not in decayed]
    return torch.optim.AdamW(
        [
            {"params": [named[name] for name in names], "weight_decay": decay}
            for names, decay in ((decayed, settings.weight_decay), (rest, 0.0))
        ],
        lr=settings.learning_rate,
        fused=is_fused,
    )


def n_slots(settings: TrainSettings) -> int:
    """Return how many numbers the optimiser keeps for each that is trained."""
    if settings.optimiser == "sgd":
        return int(settings.momentum > 0)
    return 2


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
