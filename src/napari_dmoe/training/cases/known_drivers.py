"""What is known of what drives a model, in the cases that it is to be trained on.

A case of which one driver is known can be trained on; one of which none is cannot, but
can still be measured. What was left out is told, and no attribute stays unknown unsaid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.cohorts.datasets import patients_of
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.patient import Patient, PatientError
from napari_dmoe.training.cases.annotation import TrainingError


def refuse_unknown_attributes(cases: Sequence[Case], card: ModelCard) -> None:
    """Refuse to train on cases that never say one of a card's attributes.

    No image is read for that where a table tells it. Its routers would stay as they
    are, while the model's card says that they drive it.

    Raises
    ------
    TrainingError
        When there is such an attribute: names each, and what a table needs.
    """
    patients = patients_of(cases)
    absent = [a for a in card.attributes if not any(_knows(p, a) for p in patients)]
    if not absent:
        return
    names = " and ".join(a.label.lower() for a in absent)
    is_one = len(absent) == 1
    be, drive, columns = (
        ("is", "drives", "a column") if is_one else ("are", "drive", "columns")
    )
    needed = "; ".join(f"{a.name}, such as {a.values[0]}" for a in absent)
    raise TrainingError(
        f"{names} {be} not known in any of the {len(patients):,} cases to train on, "
        f"but {drive} the model: give the table {columns} ({needed}), or train a model "
        "that something else drives"
    )


@dataclass(frozen=True)
class Trainable:
    """The cases that can be trained on.

    Parameters
    ----------
    cases : sequence of Case
        Those of which a driver is known; all of them, and the same, where none lacks.
    places : sequence of int
        Where they stand among all.
    notices : list of str
        What is to be told of the others, and of what is not known of these.
    """

    cases: Sequence[Case]
    places: Sequence[int]
    notices: list[str] = field(default_factory=list)


def trainable(cases: Sequence[Case], card: ModelCard) -> Trainable:
    """Return the cases of which a driver is known; all where nothing drives the model.

    Raises
    ------
    TrainingError
        When no case has a known driver.
    """
    attributes, patients = card.attributes, patients_of(cases)
    if not attributes or not patients:
        return Trainable(cases, range(len(cases)))
    places = [
        place
        for place, patient in enumerate(patients)
        if any(_knows(patient, attribute) for attribute in attributes)
    ]
    drivers = " and ".join(a.label.lower() for a in attributes)
    if not places:
        be, drive = ("is", "drives") if len(attributes) == 1 else ("are", "drive")
        whose = f"case {cases[0].id}" if len(cases) == 1 else "all cases"
        raise TrainingError(
            f"{whose}: {drivers} {be} not known, but {drive} the model: fill it in, or "
            "train on other cases"
        )
    n_without = len(patients) - len(places)
    if not n_without:
        return Trainable(cases, places, _unknown_in_some(patients, card))
    neither = f"neither {' nor '.join(a.label.lower() for a in attributes)} is known"
    why = neither if len(attributes) > 1 else f"{drivers} is not known"
    be = "is" if n_without == 1 else "are"
    told = f"{n_without:,} of {len(patients):,} cases {be} left out of the training"
    kept = [patients[place] for place in places]
    notices = [f"{told}: {why} of them", *_unknown_in_some(kept, card)]
    return Trainable(Selection(cases, places), places, notices)


def _unknown_in_some(patients: Sequence[Patient], card: ModelCard) -> list[str]:
    told = []
    for attribute in card.attributes:
        n = sum(not _knows(patient, attribute) for patient in patients)
        if n:
            told.append(
                f"{attribute.label.lower()} is not known in {n:,} of "
                f"{len(patients):,} cases that are trained on: they choose none of its "
                "routers"
            )
    return told


def values_without_cases(
    patients: Sequence[Patient], card: ModelCard
) -> tuple[str, ...]:
    """Say of which values there is no case, so that their routers learn nothing."""
    told = []
    for attribute in card.attributes:
        known = [attribute.category_of(patient) for patient in patients]
        there = {place for place in known if place is not None}
        missing = [v for i, v in enumerate(attribute.values) if i not in there]
        if missing and there:
            stay = "its router stays as it"
            if len(missing) > 1:
                stay = "their routers stay as they"
            told.append(
                f"no training case has {attribute.label.lower()} "
                f"{', '.join(missing)}: {stay} began"
            )
    return tuple(told)


def _knows(patient: Patient, attribute: CardAttribute) -> bool:
    try:
        return attribute.category_of(patient) is not None
    except PatientError:  # a value that the card does not know is refused elsewhere
        return True
