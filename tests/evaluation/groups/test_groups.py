"""Who belongs to which patient group, and what a group is called, is said once."""

from __future__ import annotations

import pytest

from napari_dmoe.evaluation.groups.membership import (
    attributes_named,
    crossed,
    groups_of,
    names_of_crossed,
    names_of_groups,
    values_in,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient

RACE = CardAttribute(name="race", values=("Asian", "Black", "White"))
SEX = CardAttribute(name="sex", values=("female", "male"))
SEVERITY = CardAttribute(name="severity", values=("healthy", "suspect", "glaucoma"))
AGE = CardAttribute(
    name="age", values=("below 60", "from 60"), edges=(60.0,), unit="years"
)


def people(*rows: tuple[str | None, str | None]) -> list[Patient]:
    return [Patient(sex=sex, severity=severity) for sex, severity in rows]


def test_groups_are_the_values_of_each_attribute_or_of_all_together() -> None:
    patients = people(("F", "healthy"), ("M", None), (None, "suspect"))
    groups = groups_of(patients, (SEX, SEVERITY))
    assert groups.names[:3] == ("sex=female", "sex=male", "severity=healthy")
    assert groups.members.sum(0).tolist() == [1, 1, 1, 1, 0]
    names, group = crossed(patients, (SEX, SEVERITY))
    assert groups.of_case(1) == ("sex=male",)
    assert [names[i] for i in group] == [
        "sex=female, severity=healthy",
        "sex=male, severity=unknown",
        "sex=unknown, severity=suspect",
    ]
    assert crossed(patients, ()) == (("all",), pytest.approx([0, 0, 0]))


def test_groups_may_be_of_attributes_that_no_card_knows() -> None:
    patients = [Patient(race="b", age=40), Patient(race="A"), Patient(race="a")]
    (race,) = attributes_named(["race"], (SEVERITY,), patients)
    assert [value.casefold() for value in race.values] == ["a", "b"]
    with pytest.raises(MetricError, match="no case states its language"):
        attributes_named(["language"], (), patients)
    with pytest.raises(MetricError, match="age is a number"):
        attributes_named(["age"], (), patients)


def test_no_patients_and_no_attributes_make_empty_groups() -> None:
    assert groups_of([], (SEX,)).members.shape == (0, 2)
    assert groups_of(people(("F", None)), ()).members.shape == (1, 0)
    assert groups_of(people(("F", None)), ()).names == ()


def test_all_groups_have_names_and_values_in_order() -> None:
    assert names_of_groups((SEX, AGE)) == (
        "sex=female",
        "sex=male",
        "age=below 60",
        "age=from 60",
    )
    both = names_of_crossed((RACE, SEX))
    assert both[:2] == ("race=Asian, sex=female", "race=Asian, sex=male")
    assert [values_in(name) for name in (both[3], "all")] == ["Black, male", "all"]
