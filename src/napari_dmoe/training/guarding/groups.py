"""Which groups of people a guard is looked at by, and whom nobody knows enough of."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Sequence

from napari_dmoe.evaluation.groups.membership import (
    attributes_named,
    groups_of,
    names_of_crossed,
    names_of_groups,
)
from napari_dmoe.foreign import is_seen
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.naming import as_known, is_known_to
from napari_dmoe.patient import ATTRIBUTES, Patient, attribute_called

_MANY, _FEW_EACH = 10, 5
"""Values that are not usual, from which on so many cases each have to share one, in the
mean: else they are notes, or whom somebody saw."""

_NO_VALUE = re.compile(r"\d{3}|.{61}")
"""In numbers, dates and addresses of people, and in sentences."""


def attributes_to_compare(
    patients: Sequence[Patient],
    card: ModelCard,
    subjects: Sequence[str | None] | None = None,
) -> tuple[CardAttribute, ...]:
    """Return the attributes whose groups are compared.

    Those of the card, and every attribute that is known by name
    (:data:`napari_dmoe.patient.ATTRIBUTES`) and that `patients` state: a group may get
    worse that does not drive the model. No other column makes groups: it may be a note,
    or name a person; nor does what may be one in a column of such a name: a value that
    is not usual and that only one of the `subjects` has, or that holds a number of
    three digits, and all such values where they are about as many as people. A number
    makes groups where the card has bands for it.
    """
    own = {attribute_called(attribute.name) for attribute in card.attributes}
    whose = [None] * len(patients) if subjects is None else subjects
    others = []
    for name in ATTRIBUTES:
        values = _values_of_groups(name, patients, whose)
        if name not in own and values:
            (found,) = attributes_named(
                [name], (), [p for p in patients if p.value(name) in values]
            )
            others.append(found)
    return (*card.attributes, *others)


def _values_of_groups(
    name: str, patients: Sequence[Patient], subjects: Sequence[str | None]
) -> set[str]:
    """Return the values that make groups: usual ones, and those that people share."""
    if ATTRIBUTES[name].kind == "number":
        return set()
    stated: dict[str, str] = {}
    whose: dict[str, list[Hashable]] = {}
    for place, (patient, subject) in enumerate(zip(patients, subjects, strict=True)):
        value = patient.value(name)
        if isinstance(value, str):
            stated[value] = value.casefold()
            who = place if subject is None else subject
            whose.setdefault(stated[value], []).append(who)
    usual = {value.casefold() for value in ATTRIBUTES[name].values}
    others = {
        value: own
        for value, own in whose.items()
        if value not in usual and len(set(own)) > 1 and _is_word(value)
    }
    if len(others) > max(_MANY, sum(map(len, others.values())) / _FEW_EACH):
        others = {}
    return {value for value, plain in stated.items() if plain in {*usual, *others}}


def _is_word(value: str) -> bool:
    """Say whether a value can name a group, on a card and in a terminal."""
    return not _NO_VALUE.search(value) and all(map(is_seen, value))


def groups_there(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> tuple[str, ...]:
    """Return the groups that have a case, values that no attribute has left out."""
    found = groups_of([as_known(p, attributes) for p in patients], attributes)
    return tuple(
        n for n, m in zip(found.names, found.members.T, strict=True) if m.any()
    )


def notices_of(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute], card: ModelCard
) -> tuple[str, ...]:
    """Say whom of a guard nobody knows enough of to belong to a group."""
    said = []
    drivers = {attribute.name for attribute in card.attributes}
    own = set(map(attribute_called, drivers))
    for attribute in attributes:
        label = attribute.label.lower()
        n_unknown = sum(attribute.value_of(p) is None for p in patients)
        n_strange = sum(not is_known_to(attribute, p) for p in patients)
        if n_unknown:
            said.append(f"{label} unknown (n {n_unknown}): these are in no group of it")
        if n_strange and attribute.name in drivers:
            said.append(
                f"{label} is no value that the model knows (n {n_strange}): these were "
                "segmented as unknown, and are in no group of it"
            )
        elif n_strange:
            said.append(
                f"{label} is a value that nobody else has, or that may be a note or a "
                f"name (n {n_strange}): these are in no group of it"
            )
    return (*said, *_without_groups(patients, {a.name for a in attributes}, own))


def _without_groups(
    patients: Sequence[Patient], made: Collection[str], drivers: Collection[str]
) -> list[str]:
    """Say which attributes patients state that make no groups, and why not."""
    said = []
    for name, attribute in ATTRIBUTES.items():
        label, stated = attribute.label.lower(), {p.value(name) for p in patients}
        if not stated - {None} or name in {*made, *drivers}:
            continue
        if attribute.kind == "number":
            said.append(f"{label} makes no groups: the card states no bands for it")
        elif not stated & set(attribute.values):
            said.append(
                f"{label} makes no groups: its values are of single people, or may be "
                "notes"
            )
    return said


def groups_trained_on(
    trained: Sequence[Patient], attributes: Sequence[CardAttribute], card: ModelCard
) -> tuple[str, ...]:
    """Return the groups that a guard needs: of these cases, and of those before.

    Of the card those whose cases are counted, or all where nobody counted them.
    """
    there = set(groups_there(trained, attributes))
    for attribute in card.attributes:
        none_had = card.untrained(attribute.name)
        names = zip(attribute.values, names_of_crossed([attribute]), strict=True)
        there |= {name for value, name in names if value not in none_had}
    return tuple(name for name in names_of_groups(attributes) if name in there)
