"""From a patient to the routers that a run uses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from napari_dmoe.foreign import printable
from napari_dmoe.inference.results.provenance import DriverRecord
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.gating import ExpertControl
from napari_dmoe.models.naming import refuse_misspelt, unheard_of
from napari_dmoe.patient import Patient, PatientError

_SHOWN = 8
"""Attributes that a notice names."""

Category = tuple[int, ...] | tuple[float, ...] | None
"""What the network is told of one combination of values."""


@dataclass(frozen=True)
class RouterChoice:
    """Which routers a run uses, and what intervenes in them."""

    categories: tuple[Category, ...] = field(repr=False)
    """What to run one after another: a router of each attribute; or, as floats, the
    share of every router in a mean of them; None is the network without its MoE."""
    values: tuple[str, ...] = field(repr=False)
    """Names of these combinations, such as ``"female, 40-59"``; one empty name where
    nothing drives the model."""
    weights: tuple[float, ...]
    """Shares of the combinations in the mixture; they sum to 1."""
    drivers: tuple[DriverRecord, ...] = ()
    """The same for each attribute, for the provenance."""
    experts: tuple[ExpertControl | None, ...] = ()
    """Intervention on each combination; empty where there is none."""
    samples: tuple[int, ...] = ()
    """Number of each combination's first noise sample; empty = all 0."""
    unused: tuple[str, ...] = ()
    """What of the patient's attributes nobody has heard of."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What must be said before these are run; see `DriverRecord.notices`."""
        return tuple(said for driver in self.drivers for said in driver.notices)

    @property
    def unused_notices(self) -> tuple[str, ...]:
        """What the record of a run says of attributes that nothing was made of."""
        if not self.unused:
            return ()
        listed = ", ".join(printable(name, 40) for name in self.unused[:_SHOWN])
        n_more = len(self.unused) - _SHOWN
        more = f" and {n_more} more" if n_more > 0 else ""
        return (f"not used, as the model's card does not name them: {listed}{more}",)

    def with_experts(self, experts: ExpertControl | None) -> RouterChoice:
        """Return the same with an intervention on every combination."""
        each = () if experts is None else (experts,) * len(self.categories)
        return replace(self, experts=each)

    def with_sample(self, number: int) -> RouterChoice:
        """Return the same with another first noise sample."""
        return replace(self, samples=(number,) * len(self.categories))


_Row = tuple[Category, ExpertControl | None, int]


def joined(choices: Sequence[RouterChoice]) -> tuple[RouterChoice, list[list[int]]]:
    """Return one choice that holds the combinations of several, each of them once.

    The lists say, for each choice, where its combinations stand in it.
    """
    rows: list[_Row] = []
    places = []
    for choice in choices:
        experts = choice.experts or (None,) * len(choice.categories)
        samples = choice.samples or (0,) * len(choice.categories)
        own = list(zip(choice.categories, experts, samples, strict=True))
        rows += [row for row in own if row not in rows]
        places.append([rows.index(row) for row in own])
    categories, experts, samples = zip(*rows, strict=True)
    n = len(rows)
    values, weights = ("",) * n, (1 / n,) * n
    joint = RouterChoice(categories, values, weights, experts=experts, samples=samples)
    return joint, places


Priors = Mapping[str, Sequence[float]]
"""Share of each value of an attribute where it is unknown, by the attribute's name."""


def choose_routers(
    loaded: LoadedModel,
    patient: Patient,
    settings: InferenceSettings,
    priors: Priors | None = None,
    *,
    fixed: Mapping[str, int] | None = None,
) -> RouterChoice:
    """Choose the routers for a patient: known values are fixed, unknown ones mixed.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    patient : Patient
        Whose image it is.
    settings : InferenceSettings
        Whether unknown values are mixed or refused.
    priors : mapping of str to sequence of float, optional
        Shares of the values of unknown attributes, instead of the card's; scaled to
        sum to 1.
    fixed : mapping of str to int, optional
        Places of values that count instead of the patient's, by attribute.

    Raises
    ------
    ValueError
        When shares do not fit their attribute, or it is no driver.
    PatientError
        When the model does not know a driver's value, or one is unknown and
        ``unknown="refuse"``; and when an attribute's name is misspelt.

    Notes
    -----
    Several unknown attributes are mixed in all combinations, each with the product of
    its values' shares: cards state no joint frequencies.
    """
    card = loaded.card
    names = [attribute.name for attribute in card.attributes]
    refuse_misspelt(patient, names)
    unused = unheard_of(patient, names)
    if loaded.config.n_routers == 0:
        return RouterChoice((None,), ("",), (1.0,), unused=unused)
    if not card.attributes:
        return RouterChoice(((0,),), ("",), (1.0,), unused=unused)
    given = checked_priors(loaded, priors or {})
    places = [
        fixed[attribute.name]
        if fixed and attribute.name in fixed
        else _place(attribute, patient, settings)
        for attribute in card.attributes
    ]
    drivers = tuple(
        driver_record(card, attribute, first, place, given.get(attribute.name))
        for attribute, first, place in zip(
            card.attributes, card.first_routers, places, strict=True
        )
    )
    return replace(combined(drivers, loaded.config.n_routers), unused=unused)


def checked_priors(
    loaded: LoadedModel, priors: Priors
) -> Mapping[str, tuple[float, ...]]:
    """Return shares of attributes' values, scaled to sum to 1.

    Raises
    ------
    ValueError
        For an attribute that drives nothing, another number of shares than values,
        shares below 0 or not finite, and shares that are all 0.
    """
    known = {attribute.name: attribute for attribute in loaded.card.attributes}
    scaled = {}
    for name, shares in priors.items():
        if name not in known:
            raise ValueError(
                f"{name} does not drive this model, so it has no prior: "
                f"{', '.join(known) or 'nothing'} does"
            )
        n = len(known[name].values)
        floats = tuple(float(share) for share in shares)
        is_right = len(floats) == n and all(0 <= share < math.inf for share in floats)
        if not is_right or sum(floats) <= 0:
            raise ValueError(
                f"the prior of {name} needs {n} shares ("
                f"{', '.join(known[name].values)}), none below 0 and one above it: "
                f"found {', '.join(f'{share:g}' for share in floats) or 'none'}"
            )
        scaled[name] = tuple(share / sum(floats) for share in floats)
    return scaled


def combined(drivers: tuple[DriverRecord, ...], n_routers: int) -> RouterChoice:
    """Return all combinations of the drivers' values, each with its share.

    `n_routers` counts the routers of the model, over all attributes.

    Notes
    -----
    A router between two trained ones is their mean, weighted by `DriverRecord.weights`.
    Routers are linear, so its logits are the mean of theirs. Where one attribute has
    such a router, all combinations are given as shares of every router.
    """
    combinations = list(itertools.product(*map(_options, drivers)))
    categories: list[Category] = []
    for options in combinations:
        routers = [option.routers for option in options]
        if all(driver.between is None for driver in drivers):
            categories.append(tuple(next(iter(each)) for each in routers))
        else:
            shares = [0.0] * n_routers
            for router, share in itertools.chain(*(each.items() for each in routers)):
                shares[router] += share / len(routers)
            categories.append(tuple(shares))
    return RouterChoice(
        categories=tuple(categories),
        values=tuple(", ".join(o.name for o in options) for options in combinations),
        weights=tuple(math.prod(o.weight for o in options) for options in combinations),
        drivers=drivers,
    )


@dataclass(frozen=True)
class _Option:
    """One thing to run of an attribute: its name, its share, and routers' shares."""

    name: str
    weight: float
    routers: Mapping[int, float]


def _options(driver: DriverRecord) -> list[_Option]:
    if driver.between is not None:
        routers = dict(zip(driver.routers, driver.weights, strict=True))
        return [_Option(driver.value or "", 1.0, routers)]
    return [
        _Option(name, weight, {router: 1.0})
        for name, router, weight in zip(
            driver.values, driver.routers, driver.weights, strict=True
        )
    ]


def _place(
    attribute: CardAttribute, patient: Patient, settings: InferenceSettings
) -> int | None:
    place = attribute.category_of(patient)
    if place is None and settings.unknown == "refuse":
        raise PatientError(
            f"the patient's {attribute.label.lower()} is unknown, and it drives this "
            f"model: give one of {', '.join(attribute.values)}"
        )
    return place


def driver_record(
    card: ModelCard,
    attribute: CardAttribute,
    first_router: int,
    place: int | None,
    given: tuple[float, ...] | None = None,
) -> DriverRecord:
    """Return what a run does with one attribute of a card.

    `place` is that of the value among the attribute's; None mixes all of them by the
    shares that are `given`, or else those that have a share by the card.
    """
    shares = given or card.shares(attribute.name)
    origin: Literal["card", "uniform", "given"] | None = None
    if place is not None:
        shares = tuple(float(i == place) for i in range(len(attribute.values)))
    elif given:
        origin = "given"
    else:
        origin = "uniform" if attribute.frequencies is None else "card"
    # What a person gives is kept as it was given, with its zeros.
    places = [i for i, share in enumerate(shares) if share > 0 or origin == "given"]
    values = tuple(attribute.values[i] for i in places)
    others = () if place is not None else attribute.values
    driver = DriverRecord(
        attribute=attribute.name,
        value=None if place is None else attribute.values[place],
        values=values,
        routers=tuple(first_router + i for i in places),
        weights=tuple(shares[i] for i in places),
        prior=origin,
        left_out=tuple(value for value in others if value not in values),
    )
    return with_facts_of(card, driver)


def with_facts_of(card: ModelCard, driver: DriverRecord) -> DriverRecord:
    """Return a driver with what the card says of the values that have a share."""
    run = zip(driver.values, driver.weights, strict=False)
    there = {value for value, weight in run if weight > 0}
    untrained = (v for v in card.untrained(driver.attribute) if v in there)
    return driver.model_copy(update={"untrained": tuple(untrained)})
