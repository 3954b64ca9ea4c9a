"""Which attributes of a patient are known by name, how names and values are spelt.

Tables, options and programs call one attribute by many names: ``SEX``, ``gender``,
``body site``. What they mean stands here, and nowhere else. An attribute that is not
known by name may still be one that a model's card names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
    also_called : tuple of str
        Other names that tables and people give it; case, spaces, hyphens and
        underscores do not count.
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
    also_called: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    aliases: Mapping[str, str] = Field(default_factory=dict)
    unit: str | None = None
    help: str = ""

    def spell(self, text: str) -> str:
        """Return the usual spelling of a value; unusual values come back stripped."""
        cleaned = " ".join(text.split())
        usual = {value.lower(): value for value in self.values} | dict(self.aliases)
        plain = " ".join(re.split(r"[\s_-]+", cleaned.lower()))
        return usual.get(cleaned.lower()) or usual.get(plain) or cleaned


ATTRIBUTES: Mapping[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute(
            name="sex",
            label="Sex",
            also_called=("gender", "patient sex", "biological sex", "sex at birth"),
            values=("female", "male"),
            aliases={"f": "female", "m": "male", "woman": "female", "man": "male"},
            help="Administrative sex, as clinical files record it.",
        ),
        Attribute(
            name="race",
            label="Race",
            also_called=("patient race", "self-reported race"),
            values=("Asian", "Black", "White"),
            help="Self-reported race, in the categories that the training data used.",
        ),
        Attribute(
            name="age",
            label="Age",
            kind="number",
            also_called=(
                "age approx",
                "approx age",
                "approximate age",
                "age years",
                "age in years",
                "age yrs",
                "patient age",
            ),
            unit="years",
            help="Age in years: 63, 63 y, 18 months or a DICOM age such as 063Y; or a "
            "band that the model's card names.",
        ),
        Attribute(
            name="severity",
            label="Severity",
            also_called=("disease severity", "severity level", "severity grade"),
            help="Stage or severity, by the names that the model's card uses.",
        ),
        Attribute(
            name="language",
            label="Language",
            also_called=("preferred language", "primary language", "patient language"),
            values=("English", "Spanish", "other"),
            help="Preferred language, as recorded with the image.",
        ),
        Attribute(
            name="body_site",
            label="Body site",
            also_called=(
                "localization",
                "localisation",
                "anatom site general",
                "anatom site",
                "anatomic site",
                "anatomical site",
                "anatomic location",
                "anatomical location",
                "body part",
                "body location",
                "body region",
            ),
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

_UNKNOWN_WORDS = frozenset(
    (
        *("", "unknown", "not known", "unk", "missing", "blank", "no data"),
        *("n/a", "na", "n.a", "not available", "not applicable"),
        *("not stated", "not recorded", "not reported", "not specified"),
        *("unspecified", "undefined", "none", "null", "nil", "nan", "nat"),
        *("<na>", "#n/a", "?", "??", ".", "..", "...", "-", "--", "---"),
    )
)
"""Lower-case words for "not known", of people, spreadsheets, pandas and registries."""

_ALIKE = 0.8
"""Likeness above which a name is taken for another one that was misspelt."""


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
    if not isinstance(value, str):
        return False
    plain = " ".join(value.replace("–", "-").replace("—", "-").lower().split())
    return plain in _UNKNOWN_WORDS or plain.rstrip(".") in _UNKNOWN_WORDS


@lru_cache(maxsize=4096)
def name_key(text: str) -> str:
    """Return what names have in common that are one but for case, spaces and marks."""
    return re.sub(r"[\W_]+", "", text.casefold()) or text.casefold().strip()


_CALLED = {
    name_key(called): attribute.name
    for attribute in ATTRIBUTES.values()
    for called in (attribute.name, *attribute.also_called)
}


@lru_cache(maxsize=4096)
def attribute_called(text: str) -> str:
    """Return the attribute's own name, whatever it is called.

    Parameters
    ----------
    text : str
        A column's heading, an option's name, a key.

    Returns
    -------
    str
        A key of :data:`ATTRIBUTES`; of others the name in lower case, with one
        underscore for spaces and hyphens.

    Examples
    --------
    >>> attribute_called("Gender"), attribute_called("anatom_site_general")
    ('sex', 'body_site')
    >>> attribute_called("BMI"), attribute_called("Skin-Type")
    ('bmi', 'skin_type')
    """
    known = _CALLED.get(name_key(text))
    return known or re.sub(r"[\s_-]+", "_", text.strip().casefold()) or text


def nearest_name(text: str, names: Iterable[str] = (), *, alike: float = 0.0) -> str:
    """Return which of the attributes' names is spelt most like another one.

    Parameters
    ----------
    text : str
        A name that no attribute has.
    names : iterable of str
        Attributes beside those known by name: a card's.
    alike : float
        Likeness in [0, 1] that it must have; :func:`is_misspelt` has its own.

    Returns
    -------
    str
        The attribute's own name; empty where none is so alike.
    """
    called = {**_CALLED, **{name_key(name): name for name in names}}
    key = name_key(text)
    likeness = {each: SequenceMatcher(None, key, each).ratio() for each in called}
    best = max(likeness, key=lambda each: likeness[each])
    return called[best] if likeness[best] >= alike else ""


def misspelt(text: str, names: Iterable[str] = ()) -> str:
    """Return the attribute that a name seems to mean, though it is not spelt so."""
    return nearest_name(text, names, alike=_ALIKE)
