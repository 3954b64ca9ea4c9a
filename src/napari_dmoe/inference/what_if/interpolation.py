"""Between the trained values of an ordered driver, such as age or severity.

A router halfway between those of two neighbouring values was never trained. What it
says shows how the model passes from one value to the next, and the record says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.provenance import DriverRecord
from napari_dmoe.inference.results.routing import ALL_ROUTING, KeptRouting
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import (
    Priors,
    RouterChoice,
    choose_routers,
    combined,
    with_facts_of,
)
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook, numbered, silent

ORDERED = ("age", "severity")
"""Attributes whose values have an order, whether or not a card states edges."""


def is_ordered(attribute: CardAttribute) -> bool:
    """Say whether an attribute's values follow one another, so that a slider fits."""
    return attribute.edges is not None or attribute.name in ORDERED


def interpolate(
    loaded: LoadedModel,
    image: SpatialImage | NDArray[Any],
    *,
    attribute: str,
    positions: Sequence[float],
    patient: Patient | None = None,
    settings: InferenceSettings | None = None,
    progress: ProgressHook | None = None,
    priors: Priors | None = None,
    routing: KeptRouting = ALL_ROUTING,
) -> tuple[Segmentation, ...]:
    """Segment an image at places between the values of an ordered driver.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    image : SpatialImage or array
        The image.
    attribute : str
        A driver whose values have an order.
    positions : sequence of float
        Places in [0, V - 1] among its V values; 1.5 lies halfway between value 1 and
        value 2, and whole numbers are the trained values themselves.
    patient, settings, progress, priors, routing
        As :func:`sweep` takes them.

    Returns
    -------
    tuple of Segmentation
        One for each position. Those between values are not ``provenance.is_plain``.

    Raises
    ------
    ValueError
        When the attribute drives nothing or has no order, or a position lies outside.

    Notes
    -----
    The router's parameters are ``(1 - t) W_i + t W_(i+1)``. As routers are linear, so
    are its logits; its noise scale is the softplus of the mean.
    """
    settings = settings or InferenceSettings()
    image = SpatialImage.of(image)
    known = {each.name: each for each in loaded.card.attributes}
    if attribute not in known or not is_ordered(known[attribute]):
        raise ValueError(
            f"there is nothing between the values of {attribute}: it must drive the "
            "model and have an order, as age and severity have"
        )
    choices = [
        _choice(loaded, known[attribute], position, patient, settings, priors)
        for position in positions
    ]
    values = [_value(choice, attribute) for choice in choices]
    words, hook = numbered("step", len(choices), values), progress or silent
    # One by one, so that each can be replayed without the others.
    which = loaded, image, choices, settings, hook
    runs = segment_variants(*which, at_once=1, words=words, keep=routing)
    return tuple(runs)


def _value(choice: RouterChoice, attribute: str) -> str:
    found = (d.value for d in choice.drivers if d.attribute == attribute)
    return next(found, None) or ""


def _choice(
    loaded: LoadedModel,
    attribute: CardAttribute,
    position: float,
    patient: Patient | None,
    settings: InferenceSettings,
    priors: Priors | None,
) -> RouterChoice:
    last = len(attribute.values) - 1
    if not 0 <= position <= last:
        raise ValueError(
            f"positions among the values of {attribute.name} lie in 0..{last}: found "
            f"{position:g}"
        )
    place = math.floor(position)
    fixed = {attribute.name: place}
    choice = choose_routers(loaded, patient or Patient(), settings, priors, fixed=fixed)
    if place == position:  # a trained value, so that it is what segment() returns
        return choice
    t = position - place
    drivers = tuple(
        _between(loaded.card, driver, attribute, place, t)
        if driver.attribute == attribute.name
        else driver
        for driver in choice.drivers
    )
    between = combined(drivers, loaded.config.n_routers)
    return replace(between, unused=choice.unused)


def _between(
    card: ModelCard,
    driver: DriverRecord,
    attribute: CardAttribute,
    place: int,
    t: float,
) -> DriverRecord:
    (router,) = driver.routers
    neighbours = attribute.values[place : place + 2]
    between = DriverRecord(
        attribute=attribute.name,
        value=f"{neighbours[0]} to {neighbours[1]}, t = {t:.2f}",
        values=neighbours,
        routers=(router, router + 1),
        weights=(1 - t, t),
        between=t,
    )
    return with_facts_of(card, between)
