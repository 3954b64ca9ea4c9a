from __future__ import annotations

import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.patient import (
    ATTRIBUTES,
    FORM_ATTRIBUTES,
    Patient,
    PatientError,
    is_unknown,
    parse_age,
)


@pytest.mark.parametrize(
    ("written", "years"),
    [
        ("045Y", 45), ("018M", 1.5), ("012W", 84 / 365.25), ("003D", 3 / 365.25),
        ("45", 45), ("63 y", 63), ("63y.", 63), (" 63 Years ", 63), ("6 months", 0.5),
        ("1 week", 7 / 365.25), ("10 days", 10 / 365.25), ("62.5", 62.5), ("0", 0),
        ("62,5", 62.5), ("62,50 y", 62.5),
        (63, 63), (62.5, 62.5), (0, 0), (130, 130), (1e-7, 1e-7), (np.float32(7), 7),
        (np.int64(9), 9),
    ],
)  # fmt: skip
def test_ages_are_read_in_years(written: object, years: float) -> None:
    assert parse_age(written) == pytest.approx(years)
    assert Patient(age=written).age == pytest.approx(years)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "  ",
        "000Y",
        "unknown",
        "N/A",
        "nan",
        "?",
        float("nan"),
        np.float32("nan"),
    ],
)
def test_ages_nobody_knows_are_none(written: object) -> None:
    assert parse_age(written) is None
    assert Patient(age=written).age is None


UNREADABLE = ["abc", "-5Y", "45X", "Y", "4 5", "1e2", "45 years old", True, [45], b"45"]
UNREADABLE += ["1,050 days", "4,5,6", ",5", "5,"]


@pytest.mark.parametrize("written", UNREADABLE)
def test_ages_that_cannot_be_read_are_refused(written: object) -> None:
    with pytest.raises(
        PatientError, match="age cannot be read: expected years such as"
    ):
        parse_age(written)


@pytest.mark.parametrize(
    "written", ["200Y", "131", 131, -1, -0.5, float("inf"), "9" * 500]
)
def test_ages_nobody_reaches_are_refused(written: object) -> None:
    with pytest.raises(PatientError, match="must lie between 0 and 130 years"):
        parse_age(written)


@given(st.floats(0, 130))
def test_every_possible_age_in_years_is_kept(years: float) -> None:
    assert Patient(age=years).age == years


@given(st.integers(0, 130))
def test_dicom_years_are_years_and_zero_is_unknown(years: int) -> None:
    assert parse_age(f"{years:03d}Y") == (years or None)


@given(st.text())
def test_any_text_is_an_age_unknown_or_a_patient_error(text: str) -> None:
    try:
        years = parse_age(text)
    except PatientError:
        return
    assert years is None or 0 <= years <= 130


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("F", "female"), ("f", "female"), ("Female", "female"), (" woman ", "female"),
        ("M", "male"), ("MALE", "male"), ("man", "male"),
        ("O", "O"), ("other", "other"), ("  non   binary ", "non binary"),
        ("", None), ("  ", None), (None, None), ("unknown", None), ("NA", None),
    ],
)  # fmt: skip
def test_sex_is_spelled_the_usual_way(written: str | None, usual: str | None) -> None:
    assert Patient(sex=written).sex == usual


@pytest.mark.parametrize("field", ["sex", "race", "severity"])
@pytest.mark.parametrize("word", ["", " ", "Unknown", "none", "NaN", "n/a", "?"])
def test_unknown_words_mean_unknown(field: str, word: str) -> None:
    assert Patient(**{field: word}) == Patient()
    assert is_unknown(word)


def test_race_and_others_are_spelled_as_cards_do() -> None:
    patient = Patient(
        race="black", others={"language": "SPANISH", "body_site": "Upper  Extremity"}
    )
    assert patient.race == "Black"
    assert patient.others == {"language": "Spanish", "body_site": "upper extremity"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"sex": 1}, "sex"),
        ({"race": ["SECRET"]}, "race"),
        ({"severity": 3.5}, "severity"),
        ({"age": "SECRET"}, "age"),
        ({"age": 1234567}, "age"),
        ({"others": {"language": 1234567}}, "others"),
        ({"others": {"sex": "SECRET"}}, "sex has a field of its own"),
        ({"others": {"age": "SECRET"}}, "age has a field of its own"),
        ({"others": "SECRET"}, "others"),
        ({"name": "SECRET"}, "name"),
    ],
)
def test_errors_name_the_field_and_never_repeat_the_value(
    values: dict, field: str
) -> None:
    with pytest.raises(PatientError, match=field) as caught:
        Patient(**values)
    shown = "".join(traceback.format_exception(caught.value))
    message = str(caught.value)
    assert "\n" not in message
    for text in (message, shown):
        assert "SECRET" not in text
        assert "1234567" not in text


def test_every_value_may_be_unknown_and_none_has_a_default() -> None:
    assert Patient().known() == {}
    assert [Patient().value(name) for name in ATTRIBUTES] == [None] * len(ATTRIBUTES)


def test_known_lists_the_forms_attributes_first() -> None:
    patient = Patient(
        others={"group": "1"}, severity="T2", age="63 y", sex="F", race="White"
    )
    assert list(patient.known()) == [*FORM_ATTRIBUTES, "group"]
    assert patient.known()["age"] == 63
    assert patient.value("group") == "1"


def test_from_values_sorts_a_table_row_into_fields_and_others() -> None:
    row = {"sex": "m", "age": "41", "race": "", "body_site": "Back", "language": None}
    patient = Patient.from_values(row)
    assert patient == Patient(sex="male", age=41, others={"body_site": "back"})


def test_with_value_replaces_one_value_of_a_new_patient() -> None:
    patient = Patient(sex="F", age=50, others={"group": "1"})
    assert patient.with_value("age", None).known() == {"sex": "female", "group": "1"}
    assert patient.with_value("group", "2").others == {"group": "2"}
    assert patient.with_value("language", "english").others["language"] == "English"
    assert patient.known() == {"sex": "female", "age": 50, "group": "1"}


def test_a_patient_does_not_change() -> None:
    given_others = {"group": "1"}
    patient = Patient(sex="F", others=given_others)
    with pytest.raises(PatientError, match="cannot be changed"):
        patient.sex = "male"
    given_others["group"] = "2"
    assert patient.others["group"] == "1"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sex": st.sampled_from(["female", "male", None]),
            "age": st.floats(0, 130) | st.none(),
            "severity": st.text(max_size=5),
            "group": st.text(max_size=5),
        },
    )
)
def test_known_values_build_the_same_patient_again(values: dict) -> None:
    patient = Patient.from_values(values)
    assert Patient.from_values(patient.known()) == patient
    assert Patient.model_validate_json(patient.model_dump_json()) == patient
    assert not any(is_unknown(value) for value in patient.known().values())
