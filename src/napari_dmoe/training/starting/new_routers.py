"""Routers for a new value of an attribute, or for a second attribute."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from napari_dmoe.attributes import attribute_called
from napari_dmoe.cohorts.case import Case
from napari_dmoe.evaluation.groups.membership import groups_of
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.training.cases.annotation import EVERYTHING, Annotation, TrainingError
from napari_dmoe.training.cases.pool import read_pool
from napari_dmoe.training.learning.selection import is_router
from napari_dmoe.training.loop.evaluation import evaluate
from napari_dmoe.training.starting.modes import rebuilt


def add_value(
    loaded: LoadedModel, attribute: str, value: str, *, like: str | None = None
) -> LoadedModel:
    """Return a model that knows one more value of an attribute that drives it.

    Parameters
    ----------
    loaded : LoadedModel
        The model. It is not changed.
    attribute : str
        Name of the attribute.
    value : str
        Name of the new value.
    like : str, optional
        The value whose router the new one begins as; the mean of all that were trained
        by default. See :func:`nearest_value`.

    Returns
    -------
    LoadedModel
        Its card has the value, last in order, and says that no case had it. All other
        routers are the same, bit for bit; :func:`router_of` tells which one is new.

    Raises
    ------
    TrainingError
        When the attribute does not drive the model, has bands of numbers, or has the
        value already.
    """
    place = _place(loaded, attribute)
    stated = loaded.card.attributes[place]
    if stated.edges is not None:
        raise TrainingError(
            f"{attribute} is a number in bands: a new band would change another one. "
            "Train a model with other bands instead"
        )
    if stated.own_name(value) is not None:
        raise TrainingError(f"the model knows {attribute} {value!r} already")
    first, n = loaded.card.first_routers[place], len(stated.values)
    known = range(first, first + n)
    never = loaded.card.untrained(stated.name)
    trained = [first + i for i, v in enumerate(stated.values) if v not in never]
    origin = trained or list(known)
    if like is not None:
        origin = [first + _index(stated, like)]
    frequencies = stated.frequencies and (*stated.frequencies, 0.0)
    wider = CardAttribute(
        name=stated.name,
        values=(*stated.values, value),
        unit=stated.unit,
        n_routers=max(stated.routers, n + 1),
        frequencies=frequencies,
    )
    is_spare = stated.routers > n

    def routers(rows: Tensor) -> Tensor:
        new = rows[origin].mean(0, keepdim=True)
        return torch.cat([rows[: first + n], new, rows[first + n + is_spare :]])

    wide = _with_routers(loaded, routers, place=place, attribute=wider)
    counts = {**loaded.card.counts(attribute), value: 0}
    return replace(wide, card=_with_counts(wide.card, attribute, counts))


def router_of(loaded: LoadedModel, attribute: str, value: str) -> int:
    """Return the router of a value."""
    place = _place(loaded, attribute)
    stated = loaded.card.attributes[place]
    return loaded.card.first_routers[place] + _index(stated, value)


def add_attribute(loaded: LoadedModel, attribute: CardAttribute) -> LoadedModel:
    """Return a model that one more attribute drives.

    Parameters
    ----------
    loaded : LoadedModel
        The model. It is not changed.
    attribute : CardAttribute
        The attribute, with its values.

    Returns
    -------
    LoadedModel
        Until it is trained, it gives the masks that it gave before, whatever the new
        attribute's value is, and where it is unknown. Its card says that no case had
        any of the values.

    Raises
    ------
    TrainingError
        When the attribute drives the model already, or the model has no driver.

    Notes
    -----
    The routers of A attributes are averaged. With m the mean of all routers, those of
    the new attribute begin as m, and the others become ``r + (r - m) / A``, where A
    attributes drove the model before: their mean with m is then the mean that it was.
    """
    names = [attribute_called(known.name) for known in loaded.card.attributes]
    if attribute_called(attribute.name) in names:
        raise TrainingError(f"{attribute.name} drives the model already")
    if not names:
        raise TrainingError("nothing drives the model: it has no routers to begin with")
    n_before = len(names)

    def routers(rows: Tensor) -> Tensor:
        mean = rows.mean(0, keepdim=True)
        new = mean.expand(attribute.routers, *rows.shape[1:])
        return torch.cat([rows + (rows - mean) / n_before, new])

    wide = _with_routers(loaded, routers, place=n_before, attribute=attribute)
    nobody = dict.fromkeys(attribute.values, 0)
    return replace(wide, card=_with_counts(wide.card, attribute.name, nobody))


def _with_counts(card: ModelCard, name: str, counts: dict[str, int]) -> ModelCard:
    """State how many training cases had each value of an attribute."""
    stated = (card.training.n_per_value or {}).items()
    called = attribute_called(name)
    others = {k: n for k, n in stated if attribute_called(k) != called}
    all_counts = {**others, name: counts}
    training = card.training.model_copy(update={"n_per_value": all_counts})
    return card.model_copy(update={"training": training})


def nearest_value(
    loaded: LoadedModel,
    attribute: str,
    cases: Sequence[Case],
    *,
    annotation: Annotation = EVERYTHING,
) -> str:
    """Return the trained value under which a model segments some cases best.

    Parameters
    ----------
    loaded : LoadedModel
        The model.
    attribute : str
        Name of an attribute that drives it.
    cases : sequence of Case
        Labelled cases, of a value that the model does not know.
    annotation : Annotation
        How their labels are to be read.
    """
    place = _place(loaded, attribute)
    stated, first = loaded.card.attributes[place], loaded.card.first_routers[place]
    disguised = [
        replace(c, patient=c.patient.with_value(attribute, stated.values[0]))
        for c in cases
    ]
    n_channels = loaded.config.in_channels
    pool = read_pool(
        disguised, loaded.card, n_channels=n_channels, annotation=annotation
    )
    never = loaded.card.untrained(stated.name)
    usable = [v for v in stated.values if v not in never] or list(stated.values)
    best, nearest = -math.inf, usable[0]
    for index, value in enumerate(stated.values):
        if value not in usable:
            continue
        pool.category[:, place] = first + index
        found = evaluate(
            loaded.module,
            pool,
            classes=loaded.card.classes,
            groups=groups_of(pool.patients, ()),
            has_moe=True,
            batch=4,
            device="cpu",
            card=loaded.card,
        )
        if found.worst > best:  # never where it is no number
            best, nearest = found.worst, value
    return nearest


def _place(loaded: LoadedModel, attribute: str) -> int:
    names = [known.name for known in loaded.card.attributes]
    if attribute not in names:
        raise TrainingError(
            f"{attribute!r} does not drive the model: {', '.join(names) or 'nothing'} "
            "does"
        )
    return names.index(attribute)


def _index(attribute: CardAttribute, value: str) -> int:
    names = [known.casefold() for known in attribute.values]
    if value.casefold() not in names:
        raise TrainingError(
            f"the model knows no {attribute.name} {value!r}: it knows "
            f"{', '.join(attribute.values)}"
        )
    return names.index(value.casefold())


def _with_routers(
    loaded: LoadedModel,
    routers: Callable[[Tensor], Tensor],
    *,
    place: int,
    attribute: CardAttribute,
) -> LoadedModel:
    """Return a model with other routers, and an attribute put in its place."""
    state = {
        name: routers(tensor) if is_router(name) else tensor
        for name, tensor in loaded.module.state_dict().items()
    }
    attributes = list(loaded.card.attributes)
    attributes[place : place + 1] = [attribute]
    card = loaded.card.model_copy(update={"attributes": tuple(attributes)})
    config = loaded.config.model_copy(update={"n_routers": card.n_routers})
    return rebuilt(loaded, config=config, card=card, state=state)
