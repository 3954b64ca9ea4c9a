"""Recipes by name, from JSON, or for a card: where a new model's shape comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.models.architectures import Config
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import CardError, read_card
from napari_dmoe.models.imagenet import imagenet_config
from napari_dmoe.models.unet3d import UNet3DConfig
from napari_dmoe.models.vit import PATCH, ViTConfig
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.settings import TrainSettings, preset
from napari_dmoe.training.starting.recipes import RECIPES, Recipe
from napari_dmoe.validation import SettingsError, said

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
        stated = json.loads(path.read_text("utf-8"))
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
        card = stated["card"]
        is_inline = isinstance(card, dict)
        card = ModelCard.model_validate(card) if is_inline else read_card(card)
        config = _config(card, stated.get("config", {}), start=start)
        own = stated.get("settings")
        settings = preset("adamw") if own is None else TrainSettings(**own)
    except ValidationError as error:
        raise TrainingError(f"{where} is no recipe: {said(error)}") from error
    except (CardError, SettingsError, TypeError) as error:
        text = " ".join(str(error).split())
        raise TrainingError(f"{where} is no recipe: {text}") from error
    is_hybrid = isinstance(config, ViTConfig) and config.stem is not None
    plane = "dmoe-r50-vit" if is_hybrid else "dmoe-vit"
    kind = "dmoe-unet3d" if card.dims == 3 else plane
    architecture = stated.get("architecture", card.architecture) or kind
    return Recipe(architecture, config, card, settings)


def _config(card: ModelCard, stated: dict[str, Any], *, start: Path | None) -> Config:
    """Return the shape that a card asks for, as published where nothing is said."""
    known: dict[str, Any] = {
        "n_classes": len(card.classes),
        "n_routers": card.n_routers or 1,
    }
    if card.dims == 3:
        return UNet3DConfig.model_validate(known | stated)
    if isinstance(card.preprocessing, Preprocessing):
        known["grid"] = card.preprocessing.side // PATCH
    if start is not None:
        return imagenet_config(start, **(known | stated))
    return ViTConfig.model_validate(known | stated)
