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
    n_held_out: int = 0,
    settings: TrainSettings,
    is_fine_tuned: bool = False,
) -> ModelCard:
    """State in a card what a model was trained on, and what it reached.

    Cases that the card states already count too. `cases_per_router` and `n_cases` are
    this training's; held-out `dice`, of `n_held_out` cases, is left out where it is no
    number; `is_fine_tuned` is whether the model was trained before, by whomever.
    """
    before, n_before = card.training.n_per_value or {}, card.training.n_cases
    is_new = n_before is None and not is_fine_tuned
    is_unknown = n_before is None and is_fine_tuned
    is_known = is_new or bool(before)
    n_per_value: Counts = {}
    attributes = []
    for attribute, first in zip(card.attributes, card.first_routers, strict=True):
        n = cases_per_router[first : first + len(attribute.values)]
        counts = dict(zip(attribute.values, n, strict=True))
        # Of an attribute that is new to the model, these cases are all there are.
        for value, earlier in before.get(attribute.name, {}).items():
            counts[value] = counts.get(value, 0) + earlier
        if is_known:
            n_per_value[attribute.name] = counts
        attributes.append(_with_frequencies(attribute, counts if is_known else {}))
    facts = {
        "data": card.training.data if is_new else _and_then(card, n_cases),
        "n_cases": None if is_unknown else n_cases + (n_before or 0),
        "n_per_value": n_per_value or None,
        "dice": {k: round(v, 3) for k, v in dice.items() if not math.isnan(v)} or None,
        "n_held_out": n_held_out or None,
        "settings": _stated(settings),
    }
    training = card.training.model_copy(update=facts)
    return card.model_copy(
        update={"training": training, "attributes": tuple(attributes)}
    )


def _and_then(card: ModelCard, n_cases: int) -> str:
    """Say that a model was trained on, so that its card stays true."""
    before = card.training.data or "not stated"
    return f"{before}; then fine-tuned on {n_cases} further cases"


def _with_frequencies(
    attribute: CardAttribute, counts: Mapping[str, int]
) -> CardAttribute:
    """State the share of each value; one that no case states leaves them open."""
    if not counts:
        return attribute
    n = [counts.get(value, 0) for value in attribute.values]
    shares = tuple(count / sum(n) for count in n) if sum(n) else None
    return attribute.model_copy(update={"frequencies": shares})


def _stated(settings: TrainSettings) -> dict[str, str | int | float | bool | None]:
    kind = settings.augmentation.kind if settings.augmentation else "none"
    left_out = {"device", "augmentation", "schema_version"}
    return {**settings.model_dump(exclude=left_out), "augmentation": kind}
