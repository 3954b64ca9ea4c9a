"""Which inputs a patient form shows for a model's card. Knows no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from napari_dmoe.patient import (
    ATTRIBUTES,
    FORM_ATTRIBUTES,
    Attribute,
    Patient,
    attribute_called,
)
from napari_dmoe.quantities import age_or_band, age_span, band_in_words, number_or_band

if TYPE_CHECKING:
    from napari_dmoe.models.card import CardAttribute, ModelCard

_LARGEST_DENOMINATOR = 12


@dataclass(frozen=True)
class PatientField:
    """One input of a patient form."""

    name: str
    label: str
    help: str
    """Key, name and explanation of the attribute."""
    kind: Literal["category", "number"]
    values: tuple[str, ...]
    """Values to choose from: names, or the bands of a number. Empty for free text."""
    drives: bool
    if_unknown: str = ""
    """What the model does while the value is unknown; empty where nothing."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Values that the model has never seen, and why they cannot be chosen."""
    edges: tuple[float, ...] = ()
    unit: str | None = None
    """Where one band ends and the next begins, and in which unit."""

    def value_of(self, patient: Patient) -> str | float | None:
        """Return a patient's value; None where it is unknown."""
        return patient.value(self.name, among=self.values if self.drives else ())

    def read(self, text: str) -> str | float | None:
        """Return the number that a person typed, or the band, however it is called.

        Raises
        ------
        PatientError
            When it is neither.
        """
        bands = {band.casefold(): band for band in self.values}
        band = bands.get(text.casefold())
        if attribute_called(self.name) != "age":
            return band or number_or_band(text, self.unit)
        if band is None or not self.edges or age_span(band) is not None:
            return band or age_or_band(text)
        # A patient's age is a number or a band of numbers, so a name is put in those.
        return band_in_words(self.edges, self.values.index(band), self.unit)


def patient_fields(
    card: ModelCard | None, priors: Mapping[str, tuple[float, ...]] | None = None
) -> tuple[PatientField, ...]:
    """Return the inputs for a card: what drives the model first, then the others.

    Sex, race, age and severity are always among them. Priors are the shares that a
    person stated for the values of unknown drivers.
    """
    stated, driving = priors or {}, []
    if card is not None:
        driving = [
            _driving(card, each, stated.get(each.name)) for each in card.attributes
        ]
    names = {attribute_called(field.name) for field in driving}
    others = [_recorded(name) for name in FORM_ATTRIBUTES if name not in names]
    return (*driving, *others)


def _driving(
    card: ModelCard, attribute: CardAttribute, stated: tuple[float, ...] | None
) -> PatientField:
    known = ATTRIBUTES.get(attribute_called(attribute.name))
    is_number = attribute.edges is not None
    return PatientField(
        name=attribute.name,
        label=attribute.label,
        help=known.help if known else _help(attribute),
        kind="number" if is_number else "category",
        values=attribute.values,
        drives=True,
        if_unknown=mixture(card, attribute, stated),
        unseen=unseen_values(card, attribute),
        edges=attribute.edges or (),
        unit=attribute.unit,
    )


def _help(attribute: CardAttribute) -> str:
    if attribute.edges is None:
        return "As the model's card names it."
    unit = f" in {attribute.unit}" if attribute.unit else ""
    return f"A number{unit}, or a band of the model's card."


def unseen_values(card: ModelCard, attribute: CardAttribute) -> dict[str, str]:
    """Say which values a model has never seen: without a router, or without a case."""
    known = ATTRIBUTES.get(attribute_called(attribute.name))
    usual = known.values if known is not None and attribute.edges is None else ()
    routed = {value.casefold() for value in attribute.values}
    unseen = {
        value: "this model has no router for it"
        for value in usual
        if value.casefold() not in routed
    }
    untrained = card.untrained(attribute.name)
    return unseen | dict.fromkeys(untrained, "no training case of this model had it")


def _recorded(name: str) -> PatientField:
    known: Attribute = ATTRIBUTES[name]
    said = name, known.label, known.help
    return PatientField(*said, known.kind, known.values, drives=False)


def mixture(
    card: ModelCard, attribute: CardAttribute, stated: tuple[float, ...] | None = None
) -> str:
    """Say in words what is mixed where an attribute is unknown, and what is not."""
    what = f"{attribute.label} unknown: mixes"
    shares = stated or card.shares(attribute.name)
    mixed = {v: s for v, s in zip(attribute.values, shares, strict=True) if s > 0}
    left_out = ", ".join(value for value in attribute.values if value not in mixed)
    if stated is None and not attribute.frequencies:
        said = f"{what} {', '.join(mixed)} evenly, as no frequencies are stated."
    else:
        listed = ", ".join(f"{value} {_share(share)}" for value, share in mixed.items())
        said = f"{what} {listed}{', as you stated' if stated else ''}."
    if len(mixed) == 1 and stated is None:
        said = f"{attribute.label} unknown: {next(iter(mixed))} is used alone."
    if left_out and stated is None:
        said += f" Left out, as no training case had it: {left_out}."
    return said


def _share(prior: float) -> str:
    fraction = Fraction(prior).limit_denominator(_LARGEST_DENOMINATOR)
    if abs(fraction - prior) < 1e-9:
        return str(fraction)
    return f"{prior:.0%}"
