"""Who the image is of: the attributes that may drive a model, and "unknown".

A :class:`Patient` holds what somebody entered, in the field's own words. Which of it
drives a model, and which router a value chooses, is the model card's business
(:mod:`napari_dmoe.models.card`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from napari_dmoe.attributes import (
    ATTRIBUTES,
    FORM_ATTRIBUTES,
    Attribute,
    PatientError,
    attribute_called,
    is_missing,
    is_unknown,
    name_key,
)
from napari_dmoe.foreign import printable
from napari_dmoe.quantities import OLDEST_YEARS, age_or_band, number_in, parse_age
from napari_dmoe.validation import Stated

__all__ = [
    "ATTRIBUTES",
    "FORM_ATTRIBUTES",
    "OLDEST_YEARS",
    "Attribute",
    "Patient",
    "PatientError",
    "PatientFacts",
    "Proposal",
    "age_or_band",
    "attribute_called",
    "is_missing",
    "is_unknown",
    "one_value",
    "parse_age",
]


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
    others : mapping of str to str or float
        Further attributes that a card names: ``language``, ``body_site``, ``group``,
        ``bmi``. Numbers stay numbers. Each goes by its own name, however it is called
        (:func:`~napari_dmoe.attributes.attribute_called`): ``gender`` is the sex.

    Raises
    ------
    PatientError
        When an age cannot be read, a value is no text, or two names of one attribute
        contradict each other. The message does not repeat the value, because messages
        end up in logs.

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
    others: Mapping[str, str | float] = Field(default_factory=dict, title="Others")
    _words: Mapping[str, str] = PrivateAttr(default_factory=dict)
    """How it was said that attributes are unknown: a card may name a value ``none``."""

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """Name what is known, and no value: what is printed ends in logs."""
        return ((name, Hidden()) for name in self.known())

    @model_validator(mode="wrap")
    @classmethod
    def _keep_words(cls, stated: Any, handler: Any) -> Any:
        patient = handler(stated)
        if isinstance(stated, Mapping):
            others = stated.get("others")
            given = {**(others if isinstance(others, Mapping) else {}), **stated}
            patient._words = {
                attribute_called(called): value
                for called, value in given.items()
                if isinstance(value, str) and is_unknown(value)
            }
        return patient

    def __eq__(self, other: object) -> bool:
        """Say whether the same is known of both, however the rest was said."""
        return isinstance(other, Patient) and self.known() == other.known()

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.known().items())))

    @model_validator(mode="before")
    @classmethod
    def _own_fields(cls, stated: Any) -> Any:
        """Move to its field what is called by another name, such as ``gender``."""
        others = stated.get("others", {}) if isinstance(stated, Mapping) else None
        if not isinstance(others, Mapping):
            return stated
        strays = {k: v for k, v in stated.items() if k not in cls.model_fields}
        moved = {
            name: value
            for name, value in (*others.items(), *strays.items())
            if name not in FORM_ATTRIBUTES and _own_name(name) in FORM_ATTRIBUTES
        }
        own = {k: v for k, v in stated.items() if k in FORM_ATTRIBUTES}
        for name in strays.keys() - moved.keys():
            raise PatientError(
                f"{printable(name, 60)}: there is no such field: state it in 'others'"
            )
        rest = {name: value for name, value in others.items() if name not in moved}
        return {**_gathered({**own, **moved}), "others": rest}

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
            name: _other_value(name, stated)
            for name, stated in _gathered(value).items()
            if not is_unknown(stated)
        }

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Patient:
        """Build a patient from attribute names and values, whichever they are.

        Parameters
        ----------
        values : mapping of str to str, float or None
            For example a row of a cohort table; names outside :data:`FORM_ATTRIBUTES`
            go to ``others``. Names are understood as tables write them: ``SEX``,
            ``gender``, ``body site``.
        """
        named = _gathered(values)
        own = {name: value for name, value in named.items() if name in FORM_ATTRIBUTES}
        rest = {name: value for name, value in named.items() if name not in own}
        return cls(**own, others=rest)

    def value(
        self, attribute: str, *, among: Collection[str] = ()
    ) -> str | float | None:
        """Return one attribute's value by any of its names; None where unknown.

        A word such as ``none`` means unknown, but where it is `among` the values that
        a card names.
        """
        name = attribute_called(attribute)
        if among and name in self._words:
            word = " ".join(self._words[name].split())
            if word.casefold() in {each.casefold() for each in among}:
                return word
        if name in FORM_ATTRIBUTES:
            value: str | float | None = getattr(self, name)
            return value
        if name in self.others or not self.others:
            return self.others.get(name)
        alike = (v for n, v in self.others.items() if name_key(n) == name_key(name))
        return next(alike, None)

    def known(self) -> dict[str, str | float]:
        """Return the known attributes and their values, in the form's order."""
        values = {name: self.value(name) for name in (*FORM_ATTRIBUTES, *self.others)}
        return {name: value for name, value in values.items() if value is not None}

    def stated(self) -> dict[str, str | float]:
        """Return what builds this patient again: with words such as ``none``, too.

        They mean unknown, but for a card that has such a value.
        """
        return {**self._words, **self.known()}

    @property
    def further(self) -> tuple[str, ...]:
        """Names of what was stated beside the form's attributes, unknown or not."""
        names = dict.fromkeys((*self.others, *self._words))
        return tuple(name for name in names if name not in FORM_ATTRIBUTES)

    def with_value(self, attribute: str, value: object) -> Patient:
        """Return this patient with one attribute replaced; None makes it unknown."""
        return self._changed({attribute_called(attribute): value})

    def without(self, attributes: Collection[str]) -> Patient:
        """Return this patient with some attributes unknown."""
        return self._changed({attribute_called(name): None for name in attributes})

    def _changed(self, values: Mapping[str, object]) -> Patient:
        new = {name_key(name): value for name, value in values.items()}
        kept = {n: new.pop(name_key(n), v) for n, v in self.stated().items()}
        added = {n: v for n, v in values.items() if name_key(n) in new}
        return Patient.from_values({**kept, **added})


@dataclass(frozen=True)
class Proposal:
    """What a file says of an attribute that is not taken without being asked."""

    said: str
    """The file's own words, in one line."""
    value: str = ""
    """What it may mean; empty where nobody can say."""


@dataclass(frozen=True)
class PatientFacts:
    """What a file says of the patient, beside its image."""

    values: Mapping[str, str | float] = field(default_factory=dict)
    """Attributes that are taken, by their names."""
    proposals: Mapping[str, Proposal] = field(default_factory=dict)
    """Attributes that a person may take."""
    source: str = ""
    """Where they come from, such as ``from the DICOM header``."""

    def __repr__(self) -> str:
        """Name what is known, and no value: what is printed ends in logs."""
        return f"PatientFacts({', '.join((*self.values, *self.proposals))})"

    def __bool__(self) -> bool:
        return bool(self.values or self.proposals)

    def complete(self, patient: Patient) -> tuple[Patient, tuple[str, ...]]:
        """Return a patient with what is not stated of it, and the names of that.

        What somebody stated wins, also where it is that something is unknown.
        """
        stated = patient.stated()
        taken = {n: v for n, v in self.values.items() if n not in stated}
        for name, value in taken.items():
            patient = patient.with_value(name, value)
        return patient, tuple(taken)


def _own_name(called: object) -> str:
    if not isinstance(called, str):
        raise PatientError(
            f"an attribute's name is text: found a {type(called).__name__}"
        )
    return attribute_called(called)


def _gathered(values: Mapping[str, object]) -> dict[str, object]:
    """Return values by the attributes' own names, where two names may be of one."""
    found: dict[str, tuple[str, str, object]] = {}
    for called, value in values.items():
        name = _own_name(called)
        key = name_key(name)
        own, first, before = found.get(key, (name, called, None))
        if is_unknown(before):
            found[key] = own, called, value
        elif not is_unknown(value) and not _is_same(name, before, value):
            raise PatientError(
                f"{first} and {called} contradict each other: say once what the "
                f"patient's {name.replace('_', ' ')} is"
            )
    return {name: value for name, _, value in found.values()}


def _other_value(name: str, value: object) -> object:
    """Return a value of an attribute without a field of its own, as it is kept."""
    known = ATTRIBUTES.get(name)
    if isinstance(value, str):
        return known.spell(value) if known else value
    is_number = isinstance(value, Real | Decimal) and not isinstance(value, bool)
    if is_number and known is None and math.isfinite(float(value)):  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    kind = type(value).__name__
    raise PatientError(
        f"{name} is given by name, as text: found a {kind}"
        if known
        else f"{name} is text or a finite number: found a {kind}"
    )


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
    return _is_same(attribute_called(attribute), first, second)


def _is_same(name: str, first: object, second: object) -> bool:
    values = [Patient.from_values({name: each}).value(name) for each in (first, second)]
    return len({_plain(value) for value in values}) == 1


def _plain(value: str | float | None) -> str | float:
    """Return a value such that equal ones are equal, however they are spelt."""
    text = " ".join(str(value).casefold().split())
    try:
        number = number_in(text)
    except PatientError:
        return text
    return text if number is None else number
