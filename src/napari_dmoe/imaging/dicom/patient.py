"""What a DICOM header says of the patient, and nothing that tells who that is.

Blank is normal: files that are shared have no sex and no age. Of the dates of birth
and study only the age is kept. What the header calls an ethnic group is proposed, in
its own words, and never taken for granted.

References
----------
.. [1] DICOM PS3.3, C.7.1.1 and C.7.2.2 (patient, patient study); PS3.15 E.1.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

from napari_dmoe.attributes import PatientError, is_unknown
from napari_dmoe.foreign import printable
from napari_dmoe.patient import PatientFacts, Proposal
from napari_dmoe.quantities import parse_age

SOURCE = "from the DICOM header"

PATIENT_TAGS = (
    *("PatientSex", "PatientAge", "PatientBirthDate", "EthnicGroup"),
    *("EthnicGroupCodeSequence", "StudyDate", "AcquisitionDate", "SeriesDate"),
)

_SEX = {"M": "male", "F": "female"}
_LONGEST = 40
_SMALL = 2
"""Years below which an age is told by days and not by birthdays."""
_RACES = {
    "Asian": ("asian", "a", "chinese", "japanese", "korean", "2028-9"),
    "Black": (
        *("black", "b", "african american", "black or african american"),
        *("black/african american", "african-american", "2054-5"),
    ),
    "White": ("white", "w", "caucasian", "c", "european", "2106-3"),
}
"""Words and codes (CDC race, as in DICOM CID 5010) that files use for a race."""


def facts_in(dataset: Any) -> PatientFacts:
    """Return what a header says of the patient.

    Parameters
    ----------
    dataset : pydicom.Dataset
        A header; only :data:`PATIENT_TAGS` are looked at.

    Returns
    -------
    PatientFacts
        `sex`, female or male; `age` in years, of PatientAge in any of its forms or,
        where that is blank, of the dates of birth and study; `race` as a proposal.
        What is blank, cannot be read or cannot be is left out.
    """
    values: dict[str, str | float] = {}
    proposals: dict[str, Proposal] = {}
    sex = _text(dataset, "PatientSex").upper()
    if sex in _SEX:
        values["sex"] = _SEX[sex]
    elif sex:
        other = "O (other)" if sex == "O" else sex
        proposals["sex"] = Proposal(printable(other, _LONGEST))
    age = _age(dataset)
    if age is not None:
        values["age"] = age
    race = _ethnic_group(dataset)
    if race is not None:
        proposals["race"] = race
    return PatientFacts(values, proposals, SOURCE)


def race_meant(said: str) -> str:
    """Return the race that a file's words may mean; empty where nobody can say.

    Examples
    --------
    >>> race_meant("CAUCASIAN"), race_meant("2054-5"), race_meant("3")
    ('White', 'Black', '')
    """
    plain = " ".join(said.casefold().replace("_", " ").split())
    return next((race for race, words in _RACES.items() if plain in words), "")


def _age(dataset: Any) -> float | None:
    """Return the age that is stated; else that of the dates, as for ``000Y``."""
    with suppress(PatientError):
        stated = parse_age(_text(dataset, "PatientAge"))
        if stated is not None:
            return stated
    born = _date(dataset, "PatientBirthDate")
    days = ("StudyDate", "SeriesDate", "AcquisitionDate")
    then = next((day for name in days if (day := _date(dataset, name))), None)
    return None if born is None or then is None else _years(born, then)


def _years(born: date, then: date) -> float | None:
    """Return the whole years between two days; of small children parts of one."""
    try:
        if (then - born).days < _SMALL * 365:
            return parse_age(round((then - born).days / 365.25, 2))
        had = (then.month, then.day) >= (born.month, born.day)
        return parse_age(then.year - born.year - (not had))
    except PatientError:  # born after the study, or too long ago
        return None


def _ethnic_group(dataset: Any) -> Proposal | None:
    """Return the words of the ethnic group, or of its code, and what they may mean."""
    try:
        codes = list(dataset.get("EthnicGroupCodeSequence") or ())
    # Values are made only when they are asked for, and may be anything.
    except Exception:  # noqa: BLE001
        codes = []
    told = [_text(dataset, "EthnicGroup")]
    told += [_text(c, name) for c in codes for name in ("CodeMeaning", "CodeValue")]
    words = next((each for each in told if not is_unknown(each)), "")
    meant = next((race for each in told if (race := race_meant(each))), "")
    return Proposal(printable(words, _LONGEST), meant) if words else None


def _date(dataset: Any, name: str) -> date | None:
    said = _text(dataset, name).replace(".", "").replace("-", "")
    try:
        return date(int(said[:4]), int(said[4:6]), int(said[6:8]))
    except ValueError:
        return None


def _text(dataset: Any, name: str) -> str:
    try:
        value = dataset.get(name)
    # Values are made only when they are asked for, and may be anything.
    except Exception:  # noqa: BLE001
        return ""
    return "" if value is None else str(value).strip()
