"""What attributes are called, how unknown is said, and how numbers are read."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dmoe.attributes import (
    ATTRIBUTES,
    attribute_called,
    is_unknown,
    misspelt,
    nearest_name,
)
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.patient import Patient, PatientError, one_value
from napari_dmoe.quantities import band_in_words

AGE = CardAttribute(
    name="age",
    values=("0-19", "20-39", "40-59", "60-79", "80 and over"),
    edges=(20, 40, 60, 80),
    unit="years",
)
MONTHS = CardAttribute(
    name="age", values=("infant", "child", "adult"), edges=(24, 216), unit="months"
)
BMI = CardAttribute(
    name="bmi", values=("lean", "usual", "25-29", "obese"), edges=(18.5, 25, 30),
    unit="kg/m2",
)  # fmt: skip


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("SEX", "sex"), ("Gender", "sex"), (" patient_sex ", "sex"), ("Sex", "sex"),
        ("PatientSex", "sex"), ("RACE", "race"), ("Severity", "severity"),
        ("bodysite", "body_site"), ("body site", "body_site"),
        ("Body-Site", "body_site"), ("localization", "body_site"),
        ("anatom_site_general", "body_site"), ("age_approx", "age"),
        ("Age (years)", "age"), ("Language", "language"),
        ("BMI", "bmi"), ("Skin  type", "skin_type"), ("=group", "=group"),
        ("ethnicity", "ethnicity"), ("stage", "stage"), ("dx", "dx"), ("--", "_"),
    ],
)  # fmt: skip
def test_attributes_are_known_by_their_names(called: str, name: str) -> None:
    assert attribute_called(called) == name


def test_every_attribute_is_called_by_its_own_name() -> None:
    assert [attribute_called(name) for name in ATTRIBUTES] == list(ATTRIBUTES)
    assert all(attribute_called(a.label) == a.name for a in ATTRIBUTES.values())


def test_the_nearest_name_is_found_and_a_misspelling_known() -> None:
    assert nearest_name("langwage") == misspelt("langwage") == "language"
    assert misspelt("gendre") == "sex"
    assert misspelt("bmj", ["bmi"]) == ""
    assert misspelt("smokr", ["smoker"]) == "smoker"
    assert [misspelt(name) for name in ("dx", "dx_type", "stage", "image")] == [""] * 4


@pytest.mark.parametrize(
    "word",
    [
        "null", "NULL", "NA", "n/a", "N/A", "N.A.", "n.a.", "-", "--", "–", "None",
        "nan", "NaN", "not available", "Not Known", "unk", "UNK", "missing", "?", ".",
        "<NA>", "NaT", "not  reported", "unspecified", "Unknown.",
    ],
)  # fmt: skip
def test_words_for_unknown_are_unknown_everywhere(word: str) -> None:
    assert is_unknown(word)
    values = dict.fromkeys(("sex", "age", "race", "severity", "language", "bmi"), word)
    assert Patient.from_values(values) == Patient()


@pytest.mark.parametrize("word", ["other", "no", "0", "N", "A", "north", "+", "-1"])
def test_other_short_words_are_values(word: str) -> None:
    assert not is_unknown(word)
    assert Patient(severity=word).severity == word


def test_what_is_missing_for_pandas_is_unknown() -> None:
    pandas = pytest.importorskip("pandas")
    values = {"sex": pandas.NA, "age": pandas.NaT, "bmi": float("nan")}
    assert Patient.from_values(values) == Patient()


def test_a_card_s_own_value_goes_before_a_word_for_unknown() -> None:
    severity = CardAttribute(name="severity", values=("none", "mild", "other"))
    assert severity.category("none") == 0
    assert severity.category("other") == 2
    assert severity.category("unknown") is None


def test_a_patient_s_word_is_the_card_s_value_where_it_has_one() -> None:
    named = CardAttribute(name="severity", values=("None", "mild"))
    other = CardAttribute(name="severity", values=("low", "high"))
    site = CardAttribute(name="smoker", values=("-", "+"))
    for patient in (
        Patient(severity="none", others={"smoker": "-"}),
        Patient.from_values({"Severity": " NONE ", "Smoker": "-"}),
        Patient(severity="none").with_value("smoker", "-").with_value("age", 3),
        Patient(severity="none", others={"smoker": "-", "dx": "x"}).without(["dx"]),
    ):
        assert patient.severity is None
        assert patient.value("severity") is None
        assert named.category_of(patient) == 0
        assert other.category_of(patient) is None
        assert site.category_of(patient) == 0
    assert Patient(severity="none") == Patient() == Patient(severity="NA")
    assert hash(Patient(severity="none")) == hash(Patient())
    assert named.category_of(Patient()) is None
    assert (
        named.category_of(Patient(severity="none").with_value("severity", "")) is None
    )
    assert "none" not in repr(Patient(severity="none"))


def test_what_was_stated_builds_the_same_patient_again() -> None:
    patient = Patient(severity="none", age=3, others={"smoker": "-", "bmi": 31})
    assert patient.stated() == {
        "severity": "none", "smoker": "-", "age": 3, "bmi": 31,
    }  # fmt: skip
    again = Patient.from_values(patient.stated())
    assert again.stated() == patient.stated()
    severity = CardAttribute(name="severity", values=("none", "mild"))
    assert severity.value_of(again) == "none"
    assert severity.value_of(Patient(severity="unknown")) is None


def test_other_names_are_arguments_or_refused() -> None:
    assert Patient(gender="F", Age=3).known() == {"sex": "female", "age": 3}
    with pytest.raises(PatientError, match="sex and SEX contradict"):
        Patient(sex="M", SEX="F")
    with pytest.raises(PatientError, match=r"language: there is no .* in 'others'"):
        Patient(language="SECRET")


def test_names_that_differ_in_marks_alone_are_of_one_attribute() -> None:
    for others in ({"skintype": "I", "skin_type": "II"}, {"BMI": 3, "b.m.i": 4}):
        with pytest.raises(PatientError, match="contradict each other"):
            Patient(others=others)
    alike = Patient(others={"skintype": "I", "Skin Type": "i"})
    assert alike.known() == {"skintype": "I"}
    assert alike.with_value("skin_type", "II").known() == {"skintype": "II"}
    assert alike.without(["Skin-Type"]).known() == {}


def test_names_are_understood_in_python() -> None:
    expected = Patient(sex="female", age=55, others={"body_site": "back"})
    named = {"Gender": "F", "age_approx": "55.0", "localization": "Back"}
    assert Patient.from_values(named) == expected
    others = {"gender": "F", "body-site": "back", "Age Approx": 55}
    assert Patient(others=others) == expected
    assert expected.value("gender") == "female"
    assert expected.value("Body Site") == "back"
    assert Patient(others={"BMI": 31}).value("bmi") == 31
    assert Patient(others={"skin_type": "II"}).value("SkinType") == "II"
    assert expected.with_value("gender", "m") == expected.with_value("sex", "male")


def test_two_names_of_one_attribute_agree_or_are_refused() -> None:
    assert Patient.from_values({"sex": "F", "gender": "Female"}).sex == "female"
    assert Patient.from_values({"sex": "", "gender": "m"}).sex == "male"
    assert Patient.from_values({"sex": "f", "gender": "NA"}).sex == "female"
    assert Patient.from_values({"age": "55", "Age": 55.0}).age == 55
    for values in ({"sex": "F", "Gender": "SECRET"}, {"Sex": "F", "SEX": "SECRET"}):
        with pytest.raises(PatientError, match=r"contradict each other") as caught:
            Patient.from_values(values)
        assert "SECRET" not in str(caught.value)
        assert all(name in str(caught.value) for name in values)
    with pytest.raises(PatientError, match="sex and gender contradict"):
        Patient(sex="M", others={"gender": "F"})
    assert one_value("bmi", "31", "31.0")
    assert not one_value("Gender", "F", "m")


def test_a_card_may_call_an_attribute_by_another_name_and_spell_values_so() -> None:
    card = ModelCard(
        name="own", title="Own", classes=("background", "lesion"),
        attributes=(CardAttribute(name="gender", values=("F", "M")),),
    )  # fmt: skip
    assert card.categories(Patient(sex="male")) == (1,)
    assert card.categories(Patient(others={"Gender": "f"})) == (0,)
    with pytest.raises(ValueError, match="attributes must differ"):
        ModelCard(
            name="own", title="Own", classes=("background", "lesion"),
            attributes=(
                CardAttribute(name="gender", values=("F", "M")),
                CardAttribute(name="sex", values=("F", "M")),
            ),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "band"),
    [
        ("89+", 4), ("85+", 4), (">89", 4), ("> 89", 4), ("90 or over", 4),
        ("80 and over", 4), ("≥ 90", 4), (">=80", 4), ("over 89", 4), ("90 Plus", 4),
        ("90 y+", 4), ("85+ y", 4), ("89+ years", 4),
        ("older than 79", 4), ("at least 85 years", 4), ("from 80", 4),
        ("<20", 0), ("under 20", 0), ("< 20 y", 0), ("up to 19", 0), ("<=19", 0),
        ("younger than 2", 0), ("<24 months", 0), ("0-239 months", 0),
        ("60-79", 3), ("60–79", 3), ("60 to 79 y", 3),
    ],
)  # fmt: skip
def test_an_age_that_is_only_a_band_is_in_the_card_s(written: str, band: int) -> None:
    assert AGE.category(Patient(age=written).age) == band


@pytest.mark.parametrize(
    "written",
    ["50+", "79+", ">78", "under 21", "<=20", "20+", "below 60", "<100"],
)
def test_a_band_that_lies_in_several_of_the_card_s_is_refused(written: str) -> None:
    with pytest.raises(PatientError, match="fits several values of this model") as said:
        AGE.category(Patient(age=written).age)
    assert written not in str(said.value)


@pytest.mark.parametrize("written", ["60-80", "25-29", "60-78", "0-20", "80-89"])
def test_a_range_of_ages_is_a_band_of_the_card_or_none(written: str) -> None:
    with pytest.raises(PatientError, match="does not know that age: it knows 0-19"):
        AGE.category(Patient(age=written).age)


@pytest.mark.parametrize("written", ["+89", "89++", "79-60", "131+", "90+ apples"])
def test_bands_that_are_none_are_refused(written: str) -> None:
    with pytest.raises(PatientError):
        AGE.category(Patient(age=written).age)


def test_a_card_s_unit_counts() -> None:
    places = [MONTHS.category(Patient(age=age).age) for age in (1, 1.99, 2, 5, 17, 18)]
    assert places == [0, 0, 1, 1, 1, 2]
    written = ("23 months", "024M", "5 y", "<2", "18+", "2-17 y", "24-215 months")
    assert [MONTHS.category(Patient(age=age).age) for age in written] == [
        0, 1, 1, 0, 2, 1, 1,
    ]  # fmt: skip
    weeks = CardAttribute(
        name="Age", values=("early", "late"), edges=(37,), unit="Weeks"
    )
    days = CardAttribute(name="age", values=("new", "old"), edges=(28,), unit="days")
    assert [weeks.category(Patient(age=f"{n} w").age) for n in (36, 37)] == [0, 1]
    assert [days.category(Patient(age=f"{n}d").age) for n in (27, 28)] == [0, 1]


@pytest.mark.parametrize("months", range(1, 240))
def test_months_come_back_as_they_were_written(months: int) -> None:
    at = CardAttribute(name="age", values=("a", "b"), edges=(months,), unit="months")
    assert at.category(Patient(age=f"{months} months").age) == 1
    assert at.category(Patient(age=f"{months - 1} months").age) == 0


def test_a_unit_that_no_age_has_is_refused() -> None:
    with pytest.raises(ValueError, match="age: 'kg' is no unit of an age: use years"):
        CardAttribute(name="age", values=("a", "b"), edges=(3,), unit="kg")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (31, 3), (31.0, 3), ("31", 3), ("31,5", 3), ("31 kg/m2", 3), ("31 kg/m²", 3),
        ("31kg/m^2", 3), (18.5, 1), ("18.49", 0), (25, 2), (30, 3), ("obese", 3),
        ("25-29", 2), ("<18", 0), ("<18.5", 0), (">30", 3), ("35+", 3), (">= 30", 3),
        ("18.5-24.9", 1), ("31.", 3), (" Obese ", 3), (Decimal("31"), 3),
        ("NA", None), ("", None), (float("nan"), None),
    ],
)  # fmt: skip
def test_numbers_other_than_ages_are_sorted(value: object, place: int | None) -> None:
    for patient in (
        Patient(others={"bmi": value}),
        Patient.from_values({"BMI": value}),
    ):
        assert BMI.category(patient.value("bmi")) == place


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("31 lb", "another unit than the model's: this one is told in kg/m2"),
        ("1,234", "can be read in two ways"),
        ("29+", "fits several values"),
        ("abc", "does not know that bmi: it knows lean, usual, 25-29, obese"),
    ],
)
def test_numbers_that_cannot_be_sorted_are_refused(value: str, said: str) -> None:
    with pytest.raises(PatientError, match=said) as caught:
        BMI.category(Patient(others={"bmi": value}).value("bmi"))
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", [True, float("inf"), [31], b"31"])
def test_what_is_neither_text_nor_a_number_is_refused(value: object) -> None:
    with pytest.raises(PatientError, match="others: bmi is text or a finite number"):
        Patient(others={"bmi": value})


def test_numbers_may_be_names_of_groups() -> None:
    group = CardAttribute(name="group", values=("0", "1"))
    assert [group.category(value) for value in ("0", 0, 1.0, "1")] == [0, 0, 1, 1]
    assert Patient(others={"psa": 7.4}).known() == {"psa": 7.4}


@pytest.mark.parametrize("edges", [(24, 100), (20, 40, 60), (0.5, 2, 17.5)])
@pytest.mark.parametrize("unit", [None, "years", "months", "weeks"])
def test_a_band_in_words_is_that_band(edges: tuple[float, ...], unit: str) -> None:
    values = tuple(f"band {place}" for place in range(len(edges) + 1))
    age = CardAttribute(name="age", values=values, edges=edges, unit=unit)
    written = [band_in_words(edges, place, unit) for place in range(len(values))]
    read = [age.category(Patient(age=text).age) for text in written]
    assert read == list(range(len(values)))


@given(st.one_of(st.text(), st.from_regex(r"[<>=+-]?\d{1,4}[.,]?\d*[+a-z -]{0,4}\d*")))
def test_any_text_is_a_number_a_band_unknown_or_refused(text: str) -> None:
    for attribute in (AGE, MONTHS, BMI):
        try:
            patient = Patient.from_values({attribute.name: text})
            place = attribute.category_of(patient)
        except PatientError:
            continue
        assert place is None or 0 <= place < len(attribute.values)
        if place is not None:
            assert Patient.from_values(patient.known()) == patient
