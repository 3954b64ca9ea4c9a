"""From a patient to the routers that a run uses."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from napari_dmoe.inference.provenance import DriverRecord
from napari_dmoe.inference.settings import InferenceSettings
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient, PatientError


@dataclass(frozen=True)
class RouterChoice:
    """Which routers a run uses.

    Parameters
    ----------
    categories : tuple of (tuple of int or None)
        What to run one after another: a router of each attribute; None is the network
        without its MoE.
    values : tuple of str
        Names of these combinations, such as ``"female, 40-59"``; one empty name where
        nothing drives the model.
    weights : tuple of float
        Shares of the combinations in the mixture; they sum to 1.
    drivers : tuple of DriverRecord
        The same for each attribute, for the provenance.
    """

    categories: tuple[tuple[int, ...] | None, ...]
    values: tuple[str, ...]
    weights: tuple[float, ...]
    drivers: tuple[DriverRecord, ...] = ()


def choose_routers(
    loaded: LoadedModel, patient: Patient, settings: InferenceSettings
) -> RouterChoice:
    """Choose the routers for a patient: known values are fixed, unknown ones mixed.

    Raises
    ------
    PatientError
        When the model does not know a driver's value, or one is unknown and
        ``unknown="refuse"``.

    Notes
    -----
    Several unknown attributes are mixed in all combinations, each with the product of
    its values' shares: cards state no joint frequencies.
    """
    card = loaded.card
    if loaded.config.n_routers == 0:
        return RouterChoice((None,), ("",), (1.0,))
    if not card.attributes:
        return RouterChoice(((0,),), ("",), (1.0,))
    drivers = tuple(
        _driver(attribute, patient, first, settings)
        for attribute, first in zip(card.attributes, card.first_routers, strict=True)
    )
    named = itertools.product(*(driver.values for driver in drivers))
    return RouterChoice(
        categories=tuple(itertools.product(*(driver.routers for driver in drivers))),
        values=tuple(", ".join(names) for names in named),
        weights=tuple(
            math.prod(shares)
            for shares in itertools.product(*(driver.weights for driver in drivers))
        ),
        drivers=drivers,
    )


def _driver(
    attribute: CardAttribute,
    patient: Patient,
    first_router: int,
    settings: InferenceSettings,
) -> DriverRecord:
    place = attribute.category(patient.value(attribute.name))
    if place is None and settings.unknown == "refuse":
        raise PatientError(
            f"the patient's {attribute.label.lower()} is unknown, and it drives this "
            f"model: give one of {', '.join(attribute.values)}"
        )
    places = tuple(range(len(attribute.values))) if place is None else (place,)
    return DriverRecord(
        attribute=attribute.name,
        value=None if place is None else attribute.values[place],
        values=tuple(attribute.values[i] for i in places),
        routers=tuple(first_router + i for i in places),
        weights=attribute.prior if place is None else (1.0,),
    )
