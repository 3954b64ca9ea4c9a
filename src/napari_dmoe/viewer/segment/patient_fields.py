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
        counts = card.training.n_per_value or {}
        driving = [
            _driving(each, counts.get(each.name, {}), stated.get(each.name))
            for each in card.attributes
        ]
    names = {field.name for field in driving}
    others = [_recorded(name) for name in FORM_ATTRIBUTES if name not in names]
    return (*driving, *others)


def _driving(
    attribute: CardAttribute,
    counts: Mapping[str, int],
    stated: tuple[float, ...] | None,
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
        if_unknown=mixture(attribute, stated),
        unseen=unseen_values(attribute, counts),
        edges=attribute.edges or (),
        unit=attribute.unit,
    )


def _help(attribute: CardAttribute) -> str:
    if attribute.edges is None:
        return "As the model's card names it."
    unit = f" in {attribute.unit}" if attribute.unit else ""
    return f"A number{unit}, or a band of the model's card."


def unseen_values(
    attribute: CardAttribute, counts: Mapping[str, int]
) -> dict[str, str]:
    """Say which values a model has never seen: without a router, or without a case.

    The counts are training cases of each value, where the card states them.
    """
    known = ATTRIBUTES.get(attribute_called(attribute.name))
    usual = known.values if known is not None and attribute.edges is None else ()
    routed = {value.casefold() for value in attribute.values}
    unseen = {
        value: "this model has no router for it"
        for value in usual
        if value.casefold() not in routed
    }
    shares = attribute.frequencies or (1.0,) * len(attribute.values)
    for value, share in zip(attribute.values, shares, strict=True):
        if share == 0 or counts.get(value) == 0:
            unseen[value] = "no training case of this model had it"
    return unseen


def _recorded(name: str) -> PatientField:
    known: Attribute = ATTRIBUTES[name]
    said = name, known.label, known.help
    return PatientField(*said, known.kind, known.values, drives=False)


def mixture(attribute: CardAttribute, stated: tuple[float, ...] | None = None) -> str:
    """Say in words what is mixed where an attribute is unknown."""
    what = f"{attribute.label} unknown: mixes"
    if stated is None and not attribute.frequencies:
        values = ", ".join(attribute.values)
        return f"{what} {values} evenly, as no frequencies are stated."
    mixed = zip(attribute.values, stated or attribute.prior, strict=True)
    shares = ", ".join(f"{value} {_share(prior)}" for value, prior in mixed)
    return f"{what} {shares}{', as you stated' if stated else ''}."


def _share(prior: float) -> str:
    fraction = Fraction(prior).limit_denominator(_LARGEST_DENOMINATOR)
    if abs(fraction - prior) < 1e-9:
        return str(fraction)
    return f"{prior:.0%}"
