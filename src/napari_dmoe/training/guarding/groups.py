"""Which groups of people a guard is looked at by, and whom nobody knows enough of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from napari_dmoe.evaluation.groups import (
    attributes_named,
    groups_of,
    names_of_crossed,
    names_of_groups,
)
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.patient import ATTRIBUTES, Patient, PatientError, attribute_called


def attributes_to_compare(
    patients: Sequence[Patient], card: ModelCard
) -> tuple[CardAttribute, ...]:
    """Return the attributes whose groups are compared.

    Those of the card, and every attribute that is known by name
    (:data:`napari_dmoe.patient.ATTRIBUTES`) and that `patients` state: a group may get
    worse that does not drive the model. No other column makes groups: it may be a note,
    or name a person. A number makes groups where the card has bands for it.
    """
    own = {attribute_called(attribute.name) for attribute in card.attributes}
    others = []
    for name in ATTRIBUTES:
        values = _shared_values(name, patients)
        if name not in own and values:
            (found,) = attributes_named(
                [name], (), [p for p in patients if p.value(name) in values]
            )
            others.append(found)
    return (*card.attributes, *others)


def _shared_values(name: str, patients: Sequence[Patient]) -> set[str]:
    """Return the values that make groups: usual ones, and those that cases share."""
    stated = [value for p in patients if isinstance(value := p.value(name), str)]
    if ATTRIBUTES[name].kind == "number":
        return set()
    counts, usual = Counter(stated), set(ATTRIBUTES[name].values)
    return {value for value, n in counts.items() if n > 1 or value in usual}


def as_known(patient: Patient, attributes: Sequence[CardAttribute]) -> Patient:
    """Return a patient without the values that attributes do not have."""
    for attribute in attributes:
        if not _knows(attribute, patient):
            patient = patient.with_value(attribute.name, None)
    return patient


def _knows(attribute: CardAttribute, patient: Patient) -> bool:
    try:
        attribute.category_of(patient)
    except PatientError:
        return False
    return True


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
        n_strange = sum(not _knows(attribute, p) for p in patients)
        if n_unknown:
            said.append(f"{label} unknown (n {n_unknown}): these are in no group of it")
        if n_strange and attribute.name in drivers:
            said.append(
                f"{label} is no value that the model knows (n {n_strange}): these were "
                "segmented as unknown, and are in no group of it"
            )
        elif n_strange:
            said.append(
                f"{label} is a value that no other case has (n {n_strange}): these are "
                "in no group of it"
            )
    numbers = [
        a.label.lower()
        for name, a in ATTRIBUTES.items()
        if a.kind == "number"
        and name not in own
        and any(p.value(name) is not None for p in patients)
    ]
    said += [f"{n} makes no groups: the card states no bands for it" for n in numbers]
    return tuple(said)


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
