"""Which patient group a case belongs to, and what a group is called.

Groups are the values of attributes, whether or not they drive a model. A group is
called ``"severity=healthy"``; one of several attributes ``"sex=male, age=0-19"``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.patient import Patient, attribute_called, is_unknown

if TYPE_CHECKING:
    from napari_dmoe.models.card import CardAttribute

Group = TypeVar("Group")

UNKNOWN = -1
"""Place of a value that is not known."""

EVERYBODY = "all"
"""Name of the group of all cases."""

SMALL_GROUP = 10
"""Groups with fewer counted cases are marked: their mean says little."""


@dataclass(frozen=True)
class Groups:
    """Which case belongs to which groups.

    Parameters
    ----------
    names : tuple of str
        A case may belong to several, one an attribute.
    members : (N, G) bool array
        Whether case n belongs to group g.
    """

    names: tuple[str, ...]
    members: NDArray[np.bool_]

    @property
    def n_unknown(self) -> dict[str, int]:
        """How many cases belong to no group of an attribute, by its name."""
        own: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            own.setdefault(name.partition("=")[0], []).append(place)
        belongs = {name: self.members[:, columns] for name, columns in own.items()}
        return {name: int((~each.any(1)).sum()) for name, each in belongs.items()}

    def of_case(self, place: int) -> tuple[str, ...]:
        """Return the names of the groups that one case belongs to."""
        return tuple(itertools.compress(self.names, self.members[place]))


def people(groups: Iterable[Group | None]) -> list[Group | None]:
    """Return each case's group; None where nobody is known to belong to it.

    ``""``, ``"unknown"``, ``"sex=unknown"``, NaN and pandas' NA are no groups of
    people: what they have in common is only that somebody left something out.

    Examples
    --------
    >>> people(["female", "unknown", "", float("nan"), "sex=male, age=unknown"])
    ['female', None, None, None, None]
    """
    # A cohort has few groups; only texts are known to be hashable.
    seen: dict[str, bool] = {}
    found: list[Group | None] = []
    for group in groups:
        if isinstance(group, str):
            if group not in seen:
                seen[group] = _is_nobody(group)
            found.append(None if seen[group] else group)
        else:
            found.append(None if _is_nobody(group) else group)
    return found


def _is_nobody(group: object) -> bool:
    if not isinstance(group, str):
        return is_unknown(group)
    parts = [part.rpartition("=")[2] for part in group.split(",")]
    return any(map(is_unknown, parts))


def groups_of(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> Groups:
    """Return the groups that the attributes' values make, unknown ones left out."""
    places = _places(patients, attributes)
    columns = [
        own == place
        for own, attribute in zip(places.T, attributes, strict=True)
        for place in range(len(attribute.values))
    ]
    members = np.array(columns, bool).reshape(len(columns), len(patients)).T
    return Groups(names_of_groups(attributes), members)


def crossed(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return groups of all attributes together, and each case's.

    Returns
    -------
    tuple of str
        Names of the groups that there are cases of. An unknown value is a value of its
        own.
    (N,) int64 array
        Which of them each case belongs to.
    """
    if not attributes:
        return (EVERYBODY,), np.zeros(len(patients), np.int64)
    rows, group = np.unique(_places(patients, attributes), axis=0, return_inverse=True)
    return tuple(_name(attributes, row) for row in rows), group.reshape(-1)


def names_of_groups(attributes: Sequence[CardAttribute]) -> tuple[str, ...]:
    """Return the names of the groups that attributes' values make, in order."""
    return tuple(name for a in attributes for name in names_of_crossed([a]))


def names_of_crossed(attributes: Sequence[CardAttribute]) -> tuple[str, ...]:
    """Return the names of all groups that attributes make together, in order.

    Examples
    --------
    >>> from napari_dmoe.models.card import CardAttribute
    >>> sex = CardAttribute(name="sex", values=("female", "male"))
    >>> names_of_crossed([sex])
    ('sex=female', 'sex=male')
    """
    places = itertools.product(*(range(len(a.values)) for a in attributes))
    return tuple(_name(attributes, row) for row in places)


def values_in(name: str) -> str:
    """Return the values in a group's name, where the attributes are said elsewhere.

    Examples
    --------
    >>> values_in("race=Black, sex=female"), values_in("all")
    ('Black, female', 'all')
    """
    parts = (part.partition("=") for part in name.split(", "))
    return ", ".join(value if equals else whole for whole, equals, value in parts)


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
    MetricError
        For an attribute that no case states, and for a number without bands.
    """
    stated = {attribute_called(attribute.name): attribute for attribute in known}
    return tuple(
        stated.get(attribute_called(name)) or _from_cases(name, patients)
        for name in names
    )


def _from_cases(name: str, patients: Sequence[Patient]) -> CardAttribute:
    values = {value for p in patients if (value := p.value(name)) is not None}
    if not values:
        raise MetricError(
            f"no case states its {name}: name an attribute that the cohort has"
        )
    if not all(isinstance(value, str) for value in values):
        raise MetricError(
            f"{name} is a number, and bands for it are stated nowhere: groups need a "
            "card that has them"
        )
    spelt = {str(value).casefold(): str(value) for value in sorted(map(str, values))}
    from napari_dmoe.models.card import CardAttribute  # it needs torch

    return CardAttribute(name=name, values=tuple(spelt.values()))


def _places(
    patients: Sequence[Patient], attributes: Sequence[CardAttribute]
) -> NDArray[np.int64]:
    """Return the place of each patient's value among each attribute's, (N, A)."""
    places = [[a.category_of(p) for a in attributes] for p in patients]
    filled = [[UNKNOWN if v is None else v for v in row] for row in places]
    return np.array(filled, np.int64).reshape(len(patients), len(attributes))


def _name(attributes: Sequence[CardAttribute], row: Sequence[int]) -> str:
    """Return a group's name from the place of its value of each attribute."""
    return ", ".join(
        f"{a.name}={'unknown' if place == UNKNOWN else a.values[place]}"
        for a, place in zip(attributes, row, strict=True)
    )
