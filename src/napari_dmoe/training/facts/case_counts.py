"""How many cases of each value a model was trained on, and the shares they make."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
        stated = card.counts(attribute.name)
        counts = own if is_first and not stated else _added(attribute, own, stated)
        if set(counts) >= set(attribute.values):
            attribute = _with_frequencies(attribute, counts)
        elif any(own[value] for value in _without_share(attribute)):
            # It has cases now, and nobody knows of how many others.
            counts |= {v: 0 for v in _without_share(attribute) if not own[v]}
            attribute = attribute.model_copy(update={"frequencies": None})
        attributes.append(attribute)
        # What is stated of values that are none of the attribute's stays.
        others = before.get(attribute.name, {}) if counts else {}
        others = {v: k for v, k in others.items() if attribute.own_name(v) is None}
        if counts:
            n_per_value[attribute.name] = others | counts
    training = card.training.model_copy(update={"n_per_value": n_per_value or None})
    return card.model_copy(
        update={"training": training, "attributes": tuple(attributes)}
    )


def learnt_from(
    card: ModelCard,
    cases_per_router: Sequence[int],
    learnt: Collection[int],
    *,
    is_fine_tuned: bool,
) -> tuple[int, ...]:
    """Return how many cases each value's router has to its name after a training.

    None where the router is not among those that `learnt` and nothing trained it
    before: its cases taught the rest of the network, and it is as it began.
    """
    is_first = card.training.n_cases is None and not is_fine_tuned
    n = list(cases_per_router)
    for attribute, first in zip(card.attributes, card.first_routers, strict=True):
        nobody_counted = is_first and not card.counts(attribute.name)
        never = attribute.values if nobody_counted else card.untrained(attribute.name)
        for router, value in enumerate(attribute.values, first):
            if value in never and router not in learnt:
                n[router] = 0
    return tuple(n)


def routers_left(
    card: ModelCard, cases: Sequence[int], counted: Sequence[int]
) -> list[str]:
    """Say which routers have cases that :func:`learnt_from` does not count."""
    told = []
    for attribute, first in zip(card.attributes, card.first_routers, strict=True):
        values = [
            value
            for router, value in enumerate(attribute.values, first)
            if cases[router] and not counted[router]
        ]
        if values:
            label, which = attribute.label.lower(), ", ".join(values)
            its = (
                "their routers stay as they"
                if len(values) > 1
                else "its router stays as it"
            )
            told.append(
                f"{label} {which}: {its} began, as routers of it are not trained here "
                "and never were"
            )
    return told


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
    n = [counts.get(value, 0) for value in attribute.values]
    shares = tuple(count / sum(n) for count in n) if sum(n) else None
    return attribute.model_copy(update={"frequencies": shares})


def _without_share(attribute: CardAttribute) -> list[str]:
    """Return the values whose stated share is 0."""
    if attribute.frequencies is None:
        return []
    shares = zip(attribute.values, attribute.frequencies, strict=True)
    return [value for value, share in shares if share == 0]
