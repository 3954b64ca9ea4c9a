"""How a case is routed in training whose value of what drives the model is not known.

``mix`` lets the mean of its values' routers choose, by the shares that a run mixes by;
``draw`` takes one value at each step, by the same shares.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.gating import LEFT_OUT


def is_open(category: Tensor, *, was_trained: bool) -> Tensor:
    """Return which routers (B, A) have to be settled, of which -1 are unknown.

    A new model leaves an attribute out while it knows another of the case; one that was
    trained before was never meant to run without an attribute.
    """
    is_unknown = category == LEFT_OUT
    return is_unknown if was_trained else is_unknown & is_unknown.all(1, keepdim=True)


def mixed_routers(
    category: Tensor, card: ModelCard, *, was_trained: bool = True
) -> Tensor:
    """Return routers (B, A) as a network takes them; shares (B, R) where some are open.

    Notes
    -----
    Every attribute that takes part has the same weight: it is that of the router of a
    known value, or is spread over those of an unknown one by ``card.shares``.
    """
    fills = is_open(category, was_trained=was_trained)
    if not fills.any():
        return category
    shares = torch.zeros(len(category), card.n_routers)
    takes_part = (category != LEFT_OUT) | fills
    part = 1 / takes_part.sum(1)
    for place, (attribute, first) in enumerate(
        zip(card.attributes, card.first_routers, strict=True)
    ):
        column, is_mixed = category[:, place], fills[:, place]
        is_known = column != LEFT_OUT
        shares[is_known, column[is_known]] += part[is_known]
        own = slice(first, first + len(attribute.values))
        mixture = torch.tensor(card.shares(attribute.name))
        shares[is_mixed, own] += part[is_mixed, None] * mixture
    return shares


def drawn_routers(
    category: Tensor,
    card: ModelCard,
    *,
    generator: torch.Generator,
    was_trained: bool = True,
) -> Tensor:
    """Return routers (B, A) with one drawn where it is open, by ``card.shares``."""
    fills = is_open(category, was_trained=was_trained)
    drawn = category.clone()
    for place, (attribute, first) in enumerate(
        zip(card.attributes, card.first_routers, strict=True)
    ):
        n = int(fills[:, place].sum())
        if n:
            shares = torch.tensor(card.shares(attribute.name))
            values = torch.multinomial(shares, n, True, generator=generator)
            drawn[fills[:, place], place] = first + values
    return drawn
