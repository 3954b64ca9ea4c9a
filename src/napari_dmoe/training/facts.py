"""What a trained model's card states of its training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.training.settings import TrainSettings

Counts = dict[str, dict[str, int]]


def with_facts(
    card: ModelCard,
    *,
    cases_per_router: Sequence[int],
    n_cases: int,
    dice: Mapping[str, float],
    settings: TrainSettings,
) -> ModelCard:
    """State in a card what a model was trained on, and what it reached.

    Parameters
    ----------
    card : ModelCard
        The card it started with. Cases that this states count too.
    cases_per_router : sequence of int
        Cases of this training, in router order.
    n_cases : int
        Cases of this training.
    dice : mapping of str to float
        Held-out Dice per class; what is no number is left out.
    settings : TrainSettings
        How it was trained.
    """
    before = card.training.n_per_value or {}
    is_new = card.training.n_cases is None
    n_per_value: Counts = {}
    attributes = []
    for attribute, first in zip(card.attributes, card.first_routers, strict=True):
        n = cases_per_router[first : first + len(attribute.values)]
        counts = dict(zip(attribute.values, n, strict=True))
        is_known = is_new or attribute.name in before
        for value, earlier in before.get(attribute.name, {}).items():
            counts[value] = counts.get(value, 0) + earlier
        if is_known:
            n_per_value[attribute.name] = counts
        attributes.append(_with_frequencies(attribute, counts if is_known else {}))
    facts = {
        "n_cases": n_cases + (card.training.n_cases or 0),
        "n_per_value": n_per_value or None,
        "dice": {k: round(v, 3) for k, v in dice.items() if not math.isnan(v)} or None,
        "settings": _stated(settings),
    }
    training = card.training.model_copy(update=facts)
    return card.model_copy(
        update={"training": training, "attributes": tuple(attributes)}
    )


def _with_frequencies(
    attribute: CardAttribute, counts: Mapping[str, int]
) -> CardAttribute:
    """State the share of each value; one that no case states leaves them open."""
    n = [counts.get(value, 0) for value in attribute.values]
    if not counts:
        return attribute
    shares = tuple(count / sum(n) for count in n) if sum(n) else None
    return attribute.model_copy(update={"frequencies": shares})


def _stated(settings: TrainSettings) -> dict[str, str | int | float | bool | None]:
    kind = settings.augmentation.kind if settings.augmentation else "none"
    left_out = {"device", "augmentation", "schema_version"}
    return {**settings.model_dump(exclude=left_out), "augmentation": kind}
