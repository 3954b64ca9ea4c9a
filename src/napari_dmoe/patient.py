"""Who the image is of: the attributes that may drive a model, and "unknown".

A :class:`Patient` holds what somebody entered, in the field's own words. Which of it
drives a model, and which router a value chooses, is the model card's business
(:mod:`napari_dmoe.models.card`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)

from napari_dmoe.validation import Stated

OLDEST_YEARS = 130.0
"""Ages above this are taken for typing errors (the oldest verified person was 122)."""


class PatientError(ValueError):
    """A patient's attribute cannot be understood, or is not one that a model knows."""


class Attribute(BaseModel):
    """One attribute that a model may be driven by.

    Parameters
    ----------
    name : str
        Key in cards, cohort tables and command-line options.
    label : str
        Name shown to a person.
    kind : {"category", "number"}
        Whether values are names or numbers that a card sorts into bins.
    values : tuple of str
        Usual values, offered where a card states none of its own. Not exhaustive.
    aliases : mapping of str to str
        Lower-case spellings and what they stand for.
    unit : str or None
        Unit of a number.
    help : str
        One sentence for tooltips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    kind: Literal["category", "number"] = "category"
    values: tuple[str, ...] = ()
    aliases: Mapping[str, str] = Field(default_factory=dict)
    unit: str | None = None
    help: str = ""

    def spell(self, text: str) -> str:
        """Return the usual spelling of a value; unusual values come back stripped."""
        cleaned = " ".join(text.split())
        usual = {value.lower(): value for value in self.values} | dict(self.aliases)
        return usual.get(cleaned.lower(), cleaned)


ATTRIBUTES: Mapping[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute(
            name="sex",
            label="Sex",
            values=("female", "male"),
            aliases={"f": "female", "m": "male", "woman": "female", "man": "male"},
            help="Administrative sex, as clinical files record it.",
        ),
        Attribute(
            name="race",
            label="Race",
            values=("Asian", "Black", "White"),
            help="Self-reported race, in the categories that the training data used.",
        ),
        Attribute(
            name="age",
            label="Age",
            kind="number",
            unit="years",
            help="Age in years: 63, 63 y, 18 months or a DICOM age such as 063Y; or a "
            "band that the model's card names.",
        ),
        Attribute(
            name="severity",
            label="Severity",
            help="Stage or severity, by the names that the model's card uses.",
        ),
        Attribute(
            name="language",
            label="Language",
            values=("English", "Spanish", "other"),
            help="Preferred language, as recorded with the image.",
        ),
        Attribute(
            name="body_site",
            label="Body site",
            values=(
                "scalp",
                "face",
                "back",
                "trunk",
                "chest",
                "upper extremity",
                "abdomen",
                "lower extremity",
                "neck",
                "foot",
            ),
            help="Where on the body the image was taken.",
        ),
    )
}
"""Every attribute known by name; a card may name others, such as ``group``."""

FORM_ATTRIBUTES = ("sex", "race", "age", "severity")
"""The attributes that every patient form shows."""

_UNKNOWN_WORDS = frozenset({"", "unknown", "none", "nan", "n/a", "na", "?"})
_AGE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)\.?")
_BAND = re.compile(r"(below|from) \d+|\d+-\d+|\d+ and over")
_YEARS_PER = {
    **dict.fromkeys(("", "y", "yr", "yrs", "year", "years"), 1.0),
    **dict.fromkeys(("m", "mo", "month", "months"), 1 / 12),
    **dict.fromkeys(("w", "week", "weeks"), 7 / 365.25),
    **dict.fromkeys(("d", "day", "days"), 1 / 365.25),
}


def is_missing(value: object) -> bool:
    """Say whether a table has no value there: None, NaN, pandas' NA, numpy's masked."""
    if value is None or type(value).__name__ == "MaskedConstant":
        return True
    try:
        return bool(value != value)
    except (TypeError, ArithmeticError):  # NA is neither like itself nor unlike it
        return True
    except ValueError:  # an array is no single value
        return False


def is_unknown(value: object) -> bool:
    """Say whether a value means "not known": None, NaN, blank, ``unknown``, ``n/a``."""
    if is_missing(value):
        return True
    return isinstance(value, str) and value.strip().lower() in _UNKNOWN_WORDS


def parse_age(value: object) -> float | None:
    """Read an age in years.

    Parameters
    ----------
    value : int, float, str or None
        Years as a number, or text with a unit: ``"63"``, ``"63 y"``, ``"18 months"``,
        ``"003W"``, ``"045Y"`` (a DICOM age string).

    Returns
    -------
    float or None
        Age in years; None for an unknown age, and for DICOM's ``"000Y"``, which
        scanners write both for newborns and for "not entered".

    Raises
    ------
    PatientError
        For text without a number, an unknown unit, or an age outside 0-130 years.
    """
    if is_unknown(value):
        return None
    if isinstance(value, Real) and not isinstance(value, bool):
        years = float(value)
    else:
        text = str(value).strip().lower()
        if text == "000y":
            return None
        years = _years_in(text)
    if not 0 <= years <= OLDEST_YEARS:
        raise PatientError(f"the age must lie between 0 and {OLDEST_YEARS:.0f} years")
    return years


def age_or_band(value: object) -> float | str | None:
    """Read an age, or the band that it lies in where only that is known.

    Parameters
    ----------
    value : int, float, str or None
        What :func:`parse_age` reads, or a band as cards name it: ``"60-79"``,
        ``"below 60"``, ``"from 60"``, ``"80 and over"``.

    Returns
    -------
    float, str or None
        Years, the band in lower case, or None for an unknown age.

    Raises
    ------
    PatientError
        When it is neither.
    """
    if isinstance(value, str):
        band = " ".join(value.lower().replace("–", "-").split())
        if _BAND.fullmatch(band):
            return band
    return parse_age(value)


def _years_in(text: str) -> float:
    found = _AGE.fullmatch(text)
    if found is None or found["unit"] not in _YEARS_PER:
        raise PatientError(
            "the age cannot be read: expected years such as 63 or 63 y, or a number "
            "with months, weeks or days such as 18 months"
        )
    return float(found["number"]) * _YEARS_PER[found["unit"]]


def _known_text(value: object) -> str | None:
    if is_unknown(value):
        return None
    if not isinstance(value, str):
        raise PatientError(
            f"an attribute is given by name, as text: found a {type(value).__name__}"
        )
    return value


class Hidden:
    """Stands for a value that is not printed."""

    def __repr__(self) -> str:
        return "..."


KnownText = Annotated[str | None, BeforeValidator(_known_text)]


class Patient(Stated):
    """What is known of the patient whose image is segmented.

    Every value may be None, which means *unknown* and is never replaced by a default.

    Parameters
    ----------
    sex, race, severity : str or None
        Values by name. Usual abbreviations are understood (``"F"``, ``"m"``); whether
        a model knows the value is checked against its card when it is used.
    age : float, str or None
        Age in years, text that :func:`parse_age` reads, or an age band such as
        ``"60-79"`` that the model's card names.
    others : mapping of str to str
        Further attributes that a card names: ``language``, ``body_site``, ``group``.

    Raises
    ------
    PatientError
        When an age cannot be read or a value is no text. The message does not repeat
        the value, because messages end up in logs.

    Examples
    --------
    >>> Patient(sex="F", age="63 y").known()
    {'sex': 'female', 'age': 63.0}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    refusal, is_private = PatientError, True

    sex: KnownText = Field(default=None, title="Sex")
    race: KnownText = Field(default=None, title="Race")
    age: Annotated[float | str | None, BeforeValidator(age_or_band)] = Field(
        default=None, title="Age"
    )
    severity: KnownText = Field(default=None, title="Severity")
    others: Mapping[str, str] = Field(default_factory=dict, title="Others")

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """Name what is known, and no value: what is printed ends in logs."""
        return ((name, Hidden()) for name in self.known())

    @field_validator("sex", "race", "severity", mode="after")
    @classmethod
    def _usual_spelling(cls, value: str | None, info: object) -> str | None:
        name = getattr(info, "field_name", "")
        return None if value is None else ATTRIBUTES[name].spell(value)

    @field_validator("others", mode="before")
    @classmethod
    def _drop_unknown(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        doubled = sorted(set(value) & set(FORM_ATTRIBUTES))
        if doubled:
            raise PatientError(f"{doubled[0]} has a field of its own, not in 'others'")
        return {
            name: ATTRIBUTES[name].spell(text)
            if name in ATTRIBUTES and isinstance(text, str)
            else text
            for name, text in value.items()
            if not is_unknown(text)
        }

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Patient:
        """Build a patient from attribute names and values, whichever they are.

        Parameters
        ----------
        values : mapping of str to str, float or None
            For example a row of a cohort table; names outside :data:`FORM_ATTRIBUTES`
            go to ``others``.
        """
        own = {name: value for name, value in values.items() if name in FORM_ATTRIBUTES}
        rest = {name: value for name, value in values.items() if name not in own}
        return cls(**own, others=rest)

    def value(self, attribute: str) -> str | float | None:
        """Return one attribute's value by name; None where it is unknown."""
        if attribute in FORM_ATTRIBUTES:
            value: str | float | None = getattr(self, attribute)
            return value
        return self.others.get(attribute)

    def known(self) -> dict[str, str | float]:
        """Return the known attributes and their values, in the form's order."""
        values = {name: self.value(name) for name in (*FORM_ATTRIBUTES, *self.others)}
        return {name: value for name, value in values.items() if value is not None}

    def with_value(self, attribute: str, value: object) -> Patient:
        """Return this patient with one attribute replaced; None makes it unknown."""
        return Patient.from_values({**self.known(), attribute: value})


def one_value(attribute: str, first: str, second: str) -> bool:
    """Say whether two texts give an attribute the same value, however they spell it.

    Parameters
    ----------
    attribute : str
        Its name.
    first, second : str
        Values as they are entered.

    Raises
    ------
    PatientError
        When one of them cannot be read.

    Examples
    --------
    >>> one_value("sex", "F", "female"), one_value("sex", "F", "unknown")
    (True, False)
    """
    values = [
        Patient.from_values({attribute: text}).value(attribute)
        for text in (first, second)
    ]
    return len({" ".join(str(value).casefold().split()) for value in values}) == 1
