"""Which cases an epoch shows, in which order."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TILT = 4.0
"""How fast the worst group's share grows: by exp(4 x what its Dice lacks)."""


class Sampler:
    """Draws the order of an epoch of `n` cases, by default all, of groups (N,).

    Notes
    -----
    By the rule "uniform" every case comes once; by "group" every group as often, with
    replacement; by "worst-group" groups with a lower held-out Dice come more often. The
    worst-group rule is group DRO by sampling: after each measurement the share q of
    every group is multiplied by exp(TILT x (best Dice - its Dice)) and normed.

    References
    ----------
    .. [1] Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts",
       ICLR 2020, arXiv:1911.08731.
    """

    def __init__(self, group: Tensor, rule: str, n: int | None = None) -> None:
        self.group, self.rule = group, rule
        self.n = len(group) if n is None else n
        self.sizes = group.bincount().double()
        self.shares = torch.full_like(self.sizes, 1 / len(self.sizes))

    def order(self, generator: torch.Generator) -> Tensor:
        """Return the places of the cases of one epoch."""
        if self.rule == "uniform":
            n = len(self.group)
            rounds = range(math.ceil(self.n / n))
            orders = [torch.randperm(n, generator=generator) for _ in rounds]
            return torch.cat(orders)[: self.n]
        weights = (self.shares / self.sizes)[self.group]
        return torch.multinomial(weights, self.n, replacement=True, generator=generator)

    def learn(self, dice: Tensor) -> None:
        """Take the held-out Dice of each group (G,) into account; NaN = not measured.

        A group that was not measured counts as the mean of those that were.
        """
        if self.rule != "worst-group" or dice.isnan().all():
            return
        filled = dice.double().nan_to_num(float(dice.nanmean()))
        shares = self.shares * torch.exp(TILT * (filled.max() - filled))
        self.shares = shares / shares.sum()
