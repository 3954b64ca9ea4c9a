"""Which of a patient's attributes a model has heard of: by its card, or by name.

A person who names an attribute that nobody knows has misspelt it, and is told. A table
may have any column, so that of its rows only the rest is taken, and the column named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_dmoe.attributes import (
    ATTRIBUTES,
    attribute_called,
    misspelt,
    name_key,
    nearest_name,
)
from napari_dmoe.foreign import printable
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient, PatientError


def unheard_of(patient: Patient, drivers: Iterable[str]) -> tuple[str, ...]:
    """Return what of a patient is neither known by name nor drives a model.

    `drivers` are the names of the attributes on its card.
    """
    own = {name_key(attribute_called(name)) for name in drivers}
    return tuple(
        name
        for name in patient.further
        if name not in ATTRIBUTES and name_key(name) not in own
    )


def heard_of(patient: Patient, drivers: Iterable[str]) -> Patient:
    """Return a patient without what :func:`unheard_of` names."""
    left_out = unheard_of(patient, drivers)
    return patient.without(left_out) if left_out else patient


def as_known(patient: Patient, attributes: Sequence[CardAttribute]) -> Patient:
    """Return a patient without the values that attributes do not have."""
    for attribute in attributes:
        if not is_known_to(attribute, patient):
            patient = patient.with_value(attribute.name, None)
    return patient


def is_known_to(attribute: CardAttribute, patient: Patient) -> bool:
    """Say whether an attribute has a patient's value, or that is unknown."""
    try:
        attribute.category_of(patient)
    except PatientError:
        return False
    return True


def refuse_unheard_of(patient: Patient, drivers: Iterable[str]) -> None:
    """Refuse what a person states of an attribute that nobody knows.

    Raises
    ------
    PatientError
        When there is any: names the attribute that is spelt most like it.
    """
    own = list(drivers)
    for name in unheard_of(patient, own):
        raise PatientError(_said(name, nearest_name(name, own), own))


def refuse_misspelt(patient: Patient, drivers: Iterable[str]) -> None:
    """Refuse an attribute whose name is nearly that of one that is known.

    Raises
    ------
    PatientError
        As :func:`refuse_unheard_of`. Other names may be columns of a table.
    """
    own = list(drivers)
    for name in unheard_of(patient, own):
        if near := misspelt(name, own):
            raise PatientError(_said(name, near, own))


def _said(name: str, near: str, drivers: Iterable[str]) -> str:
    others = [each for each in ATTRIBUTES if each not in drivers]
    return (
        f"there is no attribute {printable(name, 60)!r}: the nearest is {near}. What "
        f"drives this model: {', '.join(drivers) or 'nothing'}; also known by name: "
        f"{', '.join(others)}"
    )
