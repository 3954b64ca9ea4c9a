"""What is wrong with a card that is being written, field by field, for one network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.architectures import ARCHITECTURES
from napari_dmoe.models.card import OF_PLANES, OF_VOLUMES, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.models.footprint import check_patch
from napari_dmoe.models.identification import check_card
from napari_dmoe.models.refusals import CheckpointError
from napari_dmoe.validation import said_by_place

Place = tuple[str, ...]
"""Names and numbers on the way to a field; empty for the card as a whole."""


def faults_of_card(
    fields: Mapping[str, Any], loaded: LoadedModel
) -> tuple[ModelCard | None, dict[Place, str]]:
    """Check what a card is to state, against its own rules and a network's weights.

    Parameters
    ----------
    fields : mapping
        The card as JSON holds it.
    loaded : LoadedModel
        The network that it is to describe.

    Returns
    -------
    ModelCard or None
        The card; None where its own rules are broken.
    dict of tuple of str to str
        A sentence for each place that is wrong; empty where the card can be used.
    """
    try:
        card = ModelCard.model_validate(fields)
    except ValidationError as error:
        return None, said_by_place(error, tags=(OF_PLANES, OF_VOLUMES))
    return card, _against(card, loaded)


def _against(card: ModelCard, loaded: LoadedModel) -> dict[Place, str]:
    """Return where a card does not describe a network."""
    config, faults = loaded.config, dict[Place, str]()
    if config.n_routers not in (0, card.n_routers or 1):
        faults["attributes",] = (
            f"the weights hold {_n(config.n_routers, 'router')}, and the values stated "
            f"here need {card.n_routers}: one router each, and those left over are "
            "stated as routers"
        )
    if len(card.classes) != config.n_classes:
        faults["classes",] = (
            f"the weights tell {_n(config.n_classes, 'class', 'classes')} apart, "
            f"background included, and {len(card.classes)} are stated here"
        )
    if faults:
        return faults
    try:
        check_card(card, ARCHITECTURES[loaded.architecture], config, "the file")
        check_patch(card, config, "the file")
    except CheckpointError as error:
        how = card.preprocessing
        field = "side" if isinstance(how, Preprocessing) else "patch"
        faults["preprocessing", field] = str(error)
    return faults


def _n(n: int, one: str, several: str = "") -> str:
    return f"{n} {one if n == 1 else several or f'{one}s'}"
