"""Recipes by name, from JSON, or for a card: where a new model's shape comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_dmoe.foreign import JSONError, printable, read_json
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.architectures import ARCHITECTURES, Config
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import CardError, card_of, read_card
from napari_dmoe.models.identification import check_card
from napari_dmoe.models.imagenet import imagenet_config
from napari_dmoe.models.refusals import CheckpointError
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.models.vit import PATCH, ViTConfig
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.training.starting.recipes import RECIPES, Recipe
from napari_dmoe.validation import said

UNET2D = "dmoe-unet2d"
"""A card of planes has to name it as its architecture; else a transformer is meant."""

_KEYS = ("architecture", "config", "card", "settings")


def read_recipe(
    source: str | None, *, card: str | Path | None = None, start: Path | None = None
) -> Recipe:
    """Return a recipe by name, or from a file, or for a card.

    In JSON it is an object with ``card`` (a card, or the name or path of one), and, all
    optional, ``architecture``, ``config`` (the network's shape) and ``settings``. For
    a `card` alone it is the published network with its attributes and classes, trained
    with the preset "adamw". `start` are ImageNet weights that the shape has to fit.

    Raises
    ------
    TrainingError
        When there is no such recipe, or it is not one.
    """
    if card is not None:
        return _of_card({"card": str(card)}, str(card), start=start)
    if source is not None and source in RECIPES:
        return RECIPES[source]
    path = Path(str(source))
    try:
        stated = read_json(path)
    except JSONError as error:
        raise TrainingError(f"{path.name} is no recipe: {error}") from error
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"there is no recipe {source!r}: use {', '.join(RECIPES)}, or the path "
            "of a JSON file"
        ) from error
    unknown = sorted(set(stated) - set(_KEYS)) if isinstance(stated, dict) else ["?"]
    if unknown or "card" not in stated:
        raise TrainingError(
            f"{path.name} is no recipe: expected an object with card, and perhaps "
            f"{', '.join(_KEYS[:2])} and settings"
        )
    return _of_card(stated, path.name, start=start)


def _of_card(stated: dict[str, Any], where: str, *, start: Path | None) -> Recipe:
    try:
        card = _card(stated["card"])
        is_unet = UNET2D in (stated.get("architecture"), card.architecture)
        config = _config(card, _object(stated, "config"), is_unet=is_unet, start=start)
        own = stated.get("settings")
        settings = (
            preset("adamw")
            if own is None
            else TrainSettings.model_validate(_object(stated, "settings"))
        )
        architecture = _architecture(stated.get("architecture"), card, config)
        check_card(card, ARCHITECTURES[architecture], config, "its network")
    except ValidationError as error:
        raise TrainingError(f"{where} is no recipe: {said(error)}") from error
    except (CardError, CheckpointError, TrainingError) as error:
        text = " ".join(str(error).split()).removeprefix(f"{where}: ")
        raise TrainingError(f"{where} is no recipe: {text}") from error
    return Recipe(architecture, config, card, settings)


def _card(stated: object) -> ModelCard:
    if isinstance(stated, dict):
        return card_of(stated, "its card")
    if not isinstance(stated, str):
        raise TrainingError("card must be a card, or the name or path of one")
    return read_card(stated)


def _object(stated: dict[str, Any], name: str) -> dict[str, Any]:
    found = stated.get(name, {})
    if not isinstance(found, dict):
        raise TrainingError(f"{name} must be an object of names and values")
    return found


def _architecture(stated: object, card: ModelCard, config: Config) -> str:
    """Return the kind of network that a shape is of, if nothing contradicts it."""
    if isinstance(config, UNetConfig):
        kind = f"dmoe-unet{config.dims}d"
    else:
        kind = "dmoe-vit" if config.stem is None else "dmoe-r50-vit"
    wanted = stated if stated is not None else card.architecture or kind
    if not isinstance(wanted, str) or wanted not in ARCHITECTURES:
        raise TrainingError(
            f"there is no architecture {printable(str(wanted))!r}: use "
            f"{', '.join(ARCHITECTURES)}"
        )
    if wanted != kind:
        raise TrainingError(
            f"architecture is {wanted}, but the shape is that of {kind}"
        )
    return kind


def _config(
    card: ModelCard, stated: dict[str, Any], *, is_unet: bool, start: Path | None
) -> Config:
    """Return the shape that a card asks for, as published where nothing is said."""
    known: dict[str, Any] = {
        "n_classes": len(card.classes),
        "n_routers": card.n_routers or 1,
    }
    if card.dims == 3:
        return UNetConfig.model_validate(known | stated)
    if is_unet:
        planes = {"dims": 2, "in_channels": 3}
        return UNetConfig.model_validate(known | planes | stated)
    if isinstance(card.preprocessing, Preprocessing):
        known["grid"] = card.preprocessing.side // PATCH
    if start is not None:
        return imagenet_config(start, **(known | stated))
    return ViTConfig.model_validate(known | stated)
