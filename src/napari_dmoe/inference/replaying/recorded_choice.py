"""The routers and interventions that a record names, ready to run again."""

from __future__ import annotations

import itertools

from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.running.controls import checked_control
from napari_dmoe.inference.running.drivers import (
    RouterChoice,
    combined,
    driver_record,
    with_facts_of,
)
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl


def recorded_choice(record: Provenance, loaded: LoadedModel) -> RouterChoice:
    """Return what a record's run chose: routers, their shares, muted experts.

    Raises
    ------
    ValueError
        When it names a block or an expert that the model does not have.
    """
    if record.drivers:
        # What was run stays as it was; what the card says of it may be newer.
        drivers = tuple(with_facts_of(loaded.card, each) for each in record.drivers)
        choice = combined(drivers, loaded.config.n_routers)
    else:
        category = (0,) if loaded.config.n_routers else None
        choice = RouterChoice((category,), ("",), (1.0,))
    if record.experts is None:
        return choice
    control = ExpertControl(frozenset(record.experts.mute), dict(record.experts.pin))
    return choice.with_experts(checked_control(loaded, control))


def company(
    record: Provenance, loaded: LoadedModel, own: RouterChoice
) -> tuple[list[RouterChoice], int]:
    """Return the runs that shared batches with a result, and its place among them."""
    if not record.swept:
        return [own], 0
    options = [
        [
            driver_record(loaded.card, attribute, first, place)
            for place in range(len(attribute.values))
        ]
        if attribute.name in record.swept
        else [driver]
        for attribute, first, driver in zip(
            loaded.card.attributes,
            loaded.card.first_routers,
            record.drivers,
            strict=True,
        )
    ]
    n = loaded.config.n_routers
    # The attribute that was named last runs fastest, as in the sweep.
    order = sorted(range(len(options)), key=lambda i: _rank(record, i))
    choices = []
    for drivers in itertools.product(*(options[i] for i in order)):
        by_place = dict(zip(order, drivers, strict=True))
        choices.append(combined(tuple(by_place[i] for i in range(len(options))), n))
    categories = [choice.categories for choice in choices]
    if own.categories not in categories:
        raise ValueError("the record's swept values are not those that it names as run")
    return choices, categories.index(own.categories)


def _rank(record: Provenance, place: int) -> int:
    name = record.drivers[place].attribute
    return record.swept.index(name) if name in record.swept else -1
