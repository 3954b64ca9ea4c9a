"""How many cases of each value a model was trained on, and the shares they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_dmoe.models.card import CardAttribute, ModelCard

Counts = dict[str, dict[str, int]]


def with_counts(
    card: ModelCard, cases_per_router: Sequence[int], *, is_fine_tuned: bool
) -> ModelCard:
    """Return a card that counts the cases of a training with those that it states.

    An attribute whose earlier cases nobody counted stays without; of one that was
    added to the model, the training's own are all there are. `is_fine_tuned` is
    whether the model was trained before, by whomever.
    """
    before = card.training.n_per_value or {}
    is_first = card.training.n_cases is None and not is_fine_tuned
    n_per_value: Counts = {}
    attributes = []
    for attribute, first in zip(card.attributes, card.first_routers, strict=True):
        n = cases_per_router[first : first + len(attribute.values)]
        own = dict(zip(attribute.values, n, strict=True))
        stated = before.get(attribute.name, {})
        counts = own if is_first and not stated else _added(attribute, own, stated)
        if counts:
            n_per_value[attribute.name] = counts
        is_whole = set(counts) >= set(attribute.values)
        attributes.append(_with_frequencies(attribute, counts if is_whole else {}))
    training = card.training.model_copy(update={"n_per_value": n_per_value or None})
    return card.model_copy(
        update={"training": training, "attributes": tuple(attributes)}
    )


def _added(
    attribute: CardAttribute, own: Mapping[str, int], stated: Mapping[str, int]
) -> dict[str, int]:
    """Add counts up; none where the earlier ones are not stated."""
    if not stated:
        return {}
    if any(stated.values()) or set(stated) >= set(attribute.values):
        both = {value: n + stated.get(value, 0) for value, n in own.items()}
        return {**stated, **both}
    # All that is stated is which values nobody had.
    return {value: 0 for value in stated if not own.get(value, 0)}


def _with_frequencies(
    attribute: CardAttribute, counts: Mapping[str, int]
) -> CardAttribute:
    """State the share of each value; one that no case states leaves them open."""
    if not counts:
        return attribute
    n = [counts.get(value, 0) for value in attribute.values]
    shares = tuple(count / sum(n) for count in n) if sum(n) else None
    return attribute.model_copy(update={"frequencies": shares})
