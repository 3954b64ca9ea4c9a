"""What is known of what drives a model, in the cases that it is to be trained on.

A case of which nothing is known teaches all but the routers of values: it is routed as
:mod:`napari_dmoe.training.cases.unknown_drivers` says, unless such cases are to be left
out. Either is told, and no attribute stays unknown unsaid.
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
    """Refuse to train a new model on cases that never say one of its attributes.

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


def trainable(
    cases: Sequence[Case],
    card: ModelCard,
    *,
    unknown: str = "mix",
    is_first: bool = False,
) -> Trainable:
    """Return the cases that are trained on; all where nothing drives the model.

    `unknown` is what becomes of those of which no driver is known: ``"mix"`` and
    ``"draw"`` train on them, ``"leave-out"`` does not; `is_first` is whether the model
    is new, and leaves out what it does not know of a case beside what it knows.

    Raises
    ------
    TrainingError
        When no case would be left.
    """
    attributes, patients = card.attributes, patients_of(cases)
    if not attributes or not patients:
        return Trainable(cases, range(len(cases)))
    if unknown != "leave-out":
        open_ones = _unknown_in_some(patients, card, unknown, is_first)
        return Trainable(cases, range(len(cases)), open_ones)
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
            f"{whose}: {drivers} {be} not known, but {drive} the model, and such cases "
            "are to be left out: fill it in, or let unknown drivers be mixed"
        )
    n_without = len(patients) - len(places)
    kept = [patients[place] for place in places]
    of_kept = _unknown_in_some(kept, card, unknown, is_first)
    if not n_without:
        return Trainable(cases, places, of_kept)
    neither = f"neither {' nor '.join(a.label.lower() for a in attributes)} is known"
    why = neither if len(attributes) > 1 else f"{drivers} is not known"
    be = "is" if n_without == 1 else "are"
    told = f"{n_without:,} of {len(patients):,} cases {be} left out of the training"
    notices = [f"{told}: {why} of them", *of_kept]
    return Trainable(Selection(cases, places), places, notices)


_ROUTED = {
    "mix": "the routers of its values are mixed there, by their shares",
    "draw": "one of its values is drawn there at each step, by their shares",
    "leave-out": "the routers of its values are mixed there, by their shares",
}


def _unknown_in_some(
    patients: Sequence[Patient], card: ModelCard, unknown: str, is_first: bool
) -> list[str]:
    """Say which attributes are not known of how many cases, and what is done there."""
    told, how = [], _ROUTED[unknown]
    if is_first and len(card.attributes) > 1:
        beside = "none of its routers is chosen there beside what is known"
        how = beside if unknown == "leave-out" else f"{beside}, else {how}"
    for attribute, n in zip(card.attributes, n_unknown(patients, card), strict=True):
        label, of = attribute.label.lower(), f"{len(patients):,}"
        if n == len(patients):
            cases = f"any of the {of} cases" if n > 1 else "the case"
            told.append(
                f"{label} is not known in {cases} trained on: nothing is learnt of its "
                f"values, and {how}"
            )
        elif n:
            told.append(
                f"{label} is not known in {n:,} of {of} cases that are trained on: "
                f"{how}"
            )
    return told


def n_unknown(patients: Sequence[Patient], card: ModelCard) -> list[int]:
    """Return of how many patients each of a card's attributes is not known."""
    return [sum(not _knows(p, a) for p in patients) for a in card.attributes]


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
