"""Groups of cases: the values of attributes, whether or not they drive the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import TrainingError

UNKNOWN = -1
"""Place of a value that is not known."""


@dataclass(frozen=True)
class Groups:
    """Which case belongs to which groups.

    Parameters
    ----------
    names : tuple of str
        ``"attribute=value"``; a case may belong to several, one an attribute.
    members : (N, G) bool tensor
        Whether case n belongs to group g.
    """

    names: tuple[str, ...]
    members: Tensor


def groups_of(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> Groups:
    """Return the groups that the attributes' values make, unknown ones left out."""
    names, columns = [], []
    for attribute in attributes:
        places = _places(patients, attribute)
        for place, value in enumerate(attribute.values):
            names.append(f"{attribute.name}={value}")
            columns.append(places == place)
    members = torch.stack(columns, 1) if columns else torch.zeros(len(patients), 0)
    return Groups(tuple(names), members.bool())


def crossed(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> tuple[tuple[str, ...], Tensor]:
    """Return groups of all attributes together, and each case's.

    Returns
    -------
    tuple of str
        Names of the groups that there are cases of, such as ``"sex=male, age=0-19"``.
    (N,) int64 tensor
        Which of them each case belongs to. An unknown value is a value of its own.
    """
    if not attributes:
        return ("all",), torch.zeros(len(patients), dtype=torch.int64)
    places = torch.stack([_places(patients, a) for a in attributes], 1)
    rows, group = places.unique(dim=0, return_inverse=True)
    names = tuple(
        ", ".join(
            f"{a.name}={'unknown' if place == UNKNOWN else a.values[place]}"
            for a, place in zip(attributes, row, strict=True)
        )
        for row in rows.tolist()
    )
    return names, group


def _places(patients: Sequence[Patient], attribute: CardAttribute) -> Tensor:
    values = (attribute.category(patient.value(attribute.name)) for patient in patients)
    return torch.tensor([UNKNOWN if v is None else v for v in values])


def attributes_named(
    names: Sequence[str],
    known: Sequence[CardAttribute],
    patients: Sequence[Patient] = (),
) -> tuple[CardAttribute, ...]:
    """Return attributes by name, those that no card knows with the cases' own values.

    Parameters
    ----------
    names : sequence of str
        Which.
    known : sequence of CardAttribute
        Those whose values and bands are stated.
    patients : sequence of Patient
        Where to look for the values of others.

    Raises
    ------
    TrainingError
        For an attribute that no case states, and for a number without bands.
    """
    stated = {attribute.name: attribute for attribute in known}
    return tuple(stated.get(name) or _from_cases(name, patients) for name in names)


def _from_cases(name: str, patients: Sequence[Patient]) -> CardAttribute:
    values = {value for p in patients if (value := p.value(name)) is not None}
    if not values:
        raise TrainingError(
            f"no case states its {name}: name an attribute that the cohort has"
        )
    if not all(isinstance(value, str) for value in values):
        raise TrainingError(
            f"{name} is a number, and bands for it are stated nowhere: groups need a "
            "card that has them"
        )
    spelt = {str(value).casefold(): str(value) for value in sorted(map(str, values))}
    return CardAttribute(name=name, values=tuple(spelt.values()))
