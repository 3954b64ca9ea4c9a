"""What DICOM headers say of patients: every form of it, and no name."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
from dicom_files import write_series  # noqa: E402
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402

from napari_dmoe.cohorts.facts import facts_of  # noqa: E402
from napari_dmoe.imaging.dicom.patient import SOURCE, facts_in  # noqa: E402
from napari_dmoe.imaging.files import read_image  # noqa: E402
from napari_dmoe.patient import Patient, PatientFacts, Proposal  # noqa: E402


def header(**stated: object) -> Dataset:
    dataset = Dataset()
    for name, value in stated.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize(
    ("said", "age"),
    [
        ("045Y", 45.0),
        ("018M", 1.5),
        ("012W", pytest.approx(0.23, abs=0.001)),
        ("003D", pytest.approx(0.008, abs=0.001)),
        ("000Y", None),
        ("45", 45.0),
        ("abc", None),
        ("", None),
        ("200Y", None),
        ("-5Y", None),
    ],
)
def test_an_age_in_each_form(said: str, age: float | None) -> None:
    assert facts_in(header(PatientAge=said)).values.get("age") == age


@pytest.mark.parametrize(
    ("said", "sex", "shown"),
    [
        ("M", "male", None),
        ("F", "female", None),
        ("", None, None),
        ("O", None, "O (other)"),
    ],
)
def test_a_sex_is_taken_where_it_is_one_of_two(
    said: str, sex: str | None, shown: str | None
) -> None:
    facts = facts_in(header(PatientSex=said))
    assert facts.values.get("sex") == sex
    proposal = facts.proposals.get("sex")
    assert (proposal and proposal.said) == shown
    assert proposal is None or not proposal.value


@pytest.mark.parametrize(
    ("born", "then", "age"),
    [
        ("19610502", "20260501", 64),
        ("19610502", "20260502", 65),
        ("20250601", "20261201", 1.5),
        ("20270101", "20261201", None),
        ("17000101", "20261201", None),
        ("", "20261201", None),
        ("19610502", "", None),
        ("1961", "20261201", None),
    ],
)
def test_of_two_dates_only_the_age_is_kept(
    born: str, then: str, age: float | None
) -> None:
    facts = facts_in(header(PatientBirthDate=born, StudyDate=then))
    assert facts.values == (
        {} if age is None else {"age": pytest.approx(age, abs=0.01)}
    )
    both = header(PatientBirthDate=born, StudyDate=then, PatientAge="030Y")
    assert facts_in(both).values == {"age": 30}


def test_dates_tell_the_age_that_zero_years_leave_open() -> None:
    newborn = header(
        PatientAge="000Y", PatientBirthDate="20260601", StudyDate="20261201"
    )
    assert facts_in(newborn).values == {"age": 0.5}


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("CAUCASIAN", "White"),
        ("w", "White"),
        ("African-American", "Black"),
        ("Asian", "Asian"),
        ("3", ""),
    ],
)
def test_an_ethnic_group_is_proposed_and_never_taken(said: str, value: str) -> None:
    facts = facts_in(header(EthnicGroup=said))
    assert "race" not in facts.values
    assert facts.proposals == {"race": Proposal(said, value)}


def test_a_code_of_an_ethnic_group_is_read() -> None:
    code = header(CodeValue="2054-5", CodingSchemeDesignator="CDCREC", CodeMeaning="")
    facts = facts_in(header(EthnicGroupCodeSequence=Sequence([code])))
    assert facts.proposals == {"race": Proposal("2054-5", "Black")}
    code.CodeMeaning = "Black or African American"
    facts = facts_in(header(EthnicGroup="B", EthnicGroupCodeSequence=Sequence([code])))
    assert facts.proposals == {"race": Proposal("B", "Black")}


def test_blank_is_normal() -> None:
    assert not facts_in(header(PatientSex="", PatientAge="", EthnicGroup=""))
    assert not facts_in(Dataset())


def test_what_somebody_stated_wins_and_unknown_is_a_statement() -> None:
    facts = PatientFacts({"sex": "male", "age": 45.0}, {}, SOURCE)
    patient, taken = facts.complete(Patient(sex="female"))
    assert patient == Patient(sex="female", age=45)
    assert taken == ("age",)
    patient, taken = facts.complete(Patient(sex="unknown"))
    assert patient == Patient(age=45)


def test_facts_print_no_value() -> None:
    facts = PatientFacts({"sex": "male"}, {"race": Proposal("CAUCASIAN", "White")})
    assert repr(facts) == "PatientFacts(sex, race)"


def test_what_breaks_the_standard_is_not_logged_with_its_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_series(
            tmp_path / "series",
            np.zeros((3, 8, 9), np.int16),
            SeriesInstanceUID="Invented^Jane",
            PatientAge="Jane's",
            PatientBirthDate="Jane",
        )
    caplog.clear()
    recwarn.clear()
    with caplog.at_level("DEBUG"):
        image = read_image(tmp_path / "series")
        facts_of(tmp_path / "series")
    assert np.asarray(image.data).shape == (3, 8, 9)
    assert "Jane" not in caplog.text
    assert not any("Jane" in str(each.message) for each in recwarn)
