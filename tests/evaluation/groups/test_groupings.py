"""Cases are grouped by all that is recorded, and what was decided is said."""

from __future__ import annotations

from typing import Any

import pytest
from evaluations import make_evaluated

from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.groups.groupings import (
    Grouping,
    everybody,
    groupings,
    not_grouped,
    parse_by,
)
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient

RACE = CardAttribute(name="race", values=("Asian", "Black", "White"))
SEX = CardAttribute(name="sex", values=("female", "male"))
AGE = CardAttribute(
    name="age", values=("below 60", "from 60"), edges=(60.0,), unit="years"
)


def patients(*own: Patient) -> list[ScoredCase]:
    return [ScoredCase(str(i), i, patient=each) for i, each in enumerate(own)]


def column(name: str, *cells: str, subjects: Any = None) -> list[ScoredCase]:
    return [
        ScoredCase(
            str(i), i, further={name: cell}, subject=subjects[i] if subjects else None
        )
        for i, cell in enumerate(cells)
    ]


def by_name(found: tuple[Grouping, ...]) -> dict[str, Grouping]:
    return {grouping.name: grouping for grouping in found}


def test_every_recorded_attribute_and_column_is_grouped_by() -> None:
    evaluated = make_evaluated(60)
    found = by_name(groupings(evaluated))
    assert list(found) == ["sex", "race", "age", "centre"]
    assert found["race"].values == ("Asian", "Black", "White")
    assert found["sex"].n_unknown == 20
    assert found["centre"].values == ("north", "south")
    assert len(found["centre"].places("south")) == 15
    assert everybody(evaluated).of_case == ("all",) * 60


def test_a_patient_with_an_unknown_attribute_has_no_group() -> None:
    cases = patients(
        Patient(race="Black", sex="F"), Patient(race="Black"), Patient(sex="M")
    )
    race, both = groupings(cases, by=["race"], crossed=[("race", "sex")])
    assert race.of_case == ("Black", "Black", None)
    assert both.of_case == ("Black, female", None, None)
    assert (both.name, both.attributes) == ("race x sex", ("race", "sex"))
    assert both.values == ("Black, female", "Black, male")


def test_the_cards_values_are_groups_though_nobody_belongs_to_them() -> None:
    (found,) = groupings(patients(Patient(race="black")), attributes=(RACE,))
    assert found.values == ("Asian", "Black", "White")
    assert found.of_case == ("Black",)
    facts = EvaluationFacts(title="a", source="model", attributes=(RACE,))
    evaluated = Evaluated(tuple(patients(Patient(race="Asian"))), facts)
    assert groupings(evaluated)[0].values == ("Asian", "Black", "White")


def test_a_value_that_the_card_does_not_know_is_a_group_and_said() -> None:
    cases = patients(*(Patient(race=r) for r in ("Black", "other", "other")))
    (found,) = groupings(cases, attributes=(RACE,))
    assert found.values == ("Asian", "Black", "White", "other")
    assert found.of_case == ("Black", "other", "other")
    (notice,) = found.notices
    assert "does not know 1 of the values, of 2 cases" in notice


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, "under 20"),
        (19.99, "under 20"),
        (20, "20-39"),
        (39.9, "20-39"),
        (40, "40-59"),
        (60, "60-79"),
        (79.999, "60-79"),
        (80, "80 and over"),
        (None, None),
    ],
)
def test_an_age_on_an_edge_belongs_to_the_band_above(
    age: float | None, expected: str | None
) -> None:
    cases = patients(Patient(age=age), Patient(age=5))
    (found,) = groupings(cases)
    assert found.of_case[0] == expected
    assert "bands of 20 years" in found.notices[0]
    assert "20-39" in found.notices[0]


def test_stated_bands_come_before_a_cards_and_both_before_the_usual_ones() -> None:
    cases = patients(*(Patient(age=a) for a in (59.99, 60, 69.99, 70, None)))
    of_card = groupings(cases, attributes=(AGE,))[0]
    assert of_card.of_case == ("below 60", *["from 60"] * 3, None)
    stated = groupings(cases, attributes=(AGE,), bands={"Age": (60, 70)})[0]
    assert stated.of_case == ("under 60", "60-69", "60-69", "70 and over", None)
    assert stated.notices == (
        "age in the bands that were stated: under 60; 60-69; 70 and over",
    )


def test_ages_that_are_bands_already_are_the_groups() -> None:
    bands = ("60-79", "under 60", "80 and over", "under 60", None)
    (found,) = groupings(patients(*(Patient(age=band) for band in bands)))
    assert found.values == ("under 60", "60-79", "80 and over")
    assert found.of_case == bands


def test_a_band_among_numbers_counts_only_where_it_fits_one_group() -> None:
    ages = (45, "60-79", "50-69", "85+", 61)
    (found,) = groupings(patients(*(Patient(age=age) for age in ages)))
    assert found.of_case == ("40-59", "60-79", None, "80 and over", "60-79")
    assert "in 1 cases what is known fits several bands" in found.notices[1]


def test_columns_are_taken_by_their_repeated_values_and_the_rest_is_named() -> None:
    cells = {
        "dx": lambda i: ("nv", "mel", "nv ", "NV")[i % 4],
        "grade": lambda i: str(i % 4),
        "psa": lambda i: f"{i / 3:.2f}",
        "file": lambda i: f"image-{i}",
        "study": lambda i: "one",
        "blank": lambda i: "n/a",
        "lesion": lambda i: f"L{i // 2}",
    }
    cases = [
        ScoredCase(
            str(i),
            i,
            subject=f"L{i // 2}",
            further={name: cell(i) for name, cell in cells.items()},
        )
        for i in range(60)
    ]
    found = by_name(groupings(cases))
    assert list(found) == ["dx", "grade"]
    assert found["dx"].values == ("mel", "nv")
    assert found["grade"].values == ("0", "1", "2", "3")
    why = not_grouped(cases)
    assert "it is a number" in why["psa"]
    assert "psa:10,20" in why["psa"]
    assert why["file"] == "it has 60 different values in 60 cases"
    assert why["study"].startswith("it has one value alone")
    assert why["blank"] == "it has no value"
    assert why["lesion"] == "it tells whose the images are"
    psa = groupings(cases, bands={"psa": (4, 10)}, by=["PSA"])[0]
    assert psa.values == ("under 4", "4 to under 10", "10 and over")
    assert psa.of_case[12] == "4 to under 10"
    thirds = groupings(cases, by=["psa"])[0]
    assert [len(thirds.places(value)) for value in thirds.values] == [20, 20, 20]
    assert "about a third" in thirds.notices[0]
    assert "psa" in by_name(groupings(cases, bands={"psa": (4, 10)}))


def test_numbers_that_patients_have_are_put_into_thirds() -> None:
    cases = patients(*(Patient(others={"bmi": 18.0 + i}) for i in range(30)))
    (found,) = groupings(cases)
    assert found.values == ("under 28", "28 to under 38", "38 and over")
    assert found.n_unknown == 0


def test_a_comma_in_a_value_does_not_part_a_crossed_group() -> None:
    cases = column("site", *["arm, left", "leg"] * 4)
    assert groupings(cases)[0].values == ("arm; left", "leg")


def test_crossing_names_all_combinations_even_empty_ones() -> None:
    cases = patients(Patient(race="Black", sex="F"))
    both = groupings(cases, attributes=(RACE, SEX), crossed=[["Race", "gender"]])[-1]
    assert len(both.values) == 6
    assert both.values[3] == "Black, male"
    with pytest.raises(MetricError, match="two attributes or more"):
        groupings(cases, crossed=[["sex", "gender"]])


def test_what_nobody_states_is_refused_without_a_value() -> None:
    cases = patients(Patient(race="a secret"))
    with pytest.raises(MetricError, match=r"no case states 'sex'.*\(race\)") as caught:
        groupings(cases, by=["sex"])
    assert "secret" not in str(caught.value)
    assert groupings([]) == ()


def test_groupings_do_not_depend_on_the_order_of_cases() -> None:
    evaluated = make_evaluated(60)
    backwards = Evaluated(evaluated.cases[::-1], evaluated.facts)
    for one, other in zip(groupings(evaluated), groupings(backwards), strict=True):
        assert one.values == other.values
        assert one.of_case == other.of_case[::-1]
        assert one.notices == other.notices


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sex", ("sex", None)),
        ("Gender", ("sex", None)),
        ("age:60,70", ("age", (60.0, 70.0))),
        ("psa: 4, 10.5", ("psa", (4.0, 10.5))),
        ("dx_type", ("dx_type", None)),
    ],
)
def test_a_command_line_names_what_to_group_by(
    text: str, expected: tuple[str, Any]
) -> None:
    assert parse_by(text) == expected


@pytest.mark.parametrize("text", ["", ":60", "age:", "age:x", "age:70,60", "age:1,1"])
def test_what_cannot_be_grouped_by_is_refused(text: str) -> None:
    with pytest.raises(MetricError, match=r"such as age:60,70|rising"):
        parse_by(text)


def test_bands_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(MetricError, match="must begin at rising numbers: found nan"):
        groupings(patients(Patient(age=5)), bands={"age": (float("nan"),)})
    with pytest.raises(MetricError, match="found none"):
        groupings(patients(Patient(age=5)), bands={"age": ()})
