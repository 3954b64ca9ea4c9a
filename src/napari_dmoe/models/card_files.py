"""Model cards by name, in files, and for weights that came without one."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from napari_dmoe.foreign import JSONError, parse_json, read_json
from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.models.card import OF_PLANES, OF_VOLUMES, CardAttribute, ModelCard
from napari_dmoe.validation import said

SCHEMA_VERSION = 1

CARD_SUFFIX = ".card.json"
"""End of the name of a card that lies beside its checkpoint."""

_CARDS = resources.files("napari_dmoe.models") / "cards"


class CardError(ValueError):
    """A model card cannot be found or read."""


def generic_card(
    *,
    architecture: str,
    n_classes: int,
    n_routers: int,
    preprocessing: Preprocessing | VolumePreprocessing,
) -> ModelCard:
    """Return the card of weights that came without one.

    Its driver is called ``group`` and has the values ``"0"`` to ``"n-1"``, because
    weights do not say what their routers stand for. A single router chooses nothing,
    so it has no driver.
    """
    values = tuple(str(i) for i in range(n_routers))
    group = CardAttribute(name="group", values=values) if n_routers > 1 else None
    return ModelCard(
        name="generic",
        title="Checkpoint without a card",
        architecture=architecture,
        dims=2 if isinstance(preprocessing, Preprocessing) else 3,
        attributes=(group,) if group else (),
        classes=("background", *(f"class {i}" for i in range(1, n_classes))),
        preprocessing=preprocessing,
    )


def card_names() -> tuple[str, ...]:
    """Return the names of the cards that the package holds, sorted."""
    names = [entry.name for entry in _CARDS.iterdir()]
    return tuple(sorted(n.removesuffix(".json") for n in names if n.endswith(".json")))


def read_card(source: str | Path | ModelCard) -> ModelCard:
    """Find and read a card.

    Parameters
    ----------
    source : str, Path or ModelCard
        Name of a card in the package, path to a JSON file, or a card.

    Raises
    ------
    CardError
        When there is no such card, or it is not one.
    """
    if isinstance(source, ModelCard):
        return source
    if str(source) in card_names():
        return parse_card((_CARDS / f"{source}.json").read_text("utf-8"), str(source))
    path = Path(source)
    try:
        fields = read_json(path)
    except JSONError as error:
        raise CardError(f"{path.name} is no card: {error}") from error
    except (OSError, ValueError) as error:
        raise CardError(
            f"there is no card {str(source)!r}: name one of {', '.join(card_names())}, "
            "or give the path of a JSON file"
        ) from error
    return card_of(fields, path.name)


def card_beside(path: str | Path) -> Path:
    """Return where the card of a checkpoint lies that is no part of its file.

    Examples
    --------
    >>> card_beside("mine.pth").name
    'mine.card.json'
    """
    path = Path(path)
    return path.with_name(f"{path.stem}{CARD_SUFFIX}")


def write_card(path: str | Path, card: ModelCard) -> None:
    """Write a card as JSON, whole or not at all.

    Raises
    ------
    CardError
        When the file cannot be written.
    """
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    try:
        write_text(Path(path), text + "\n")
    except OSError as error:
        raise CardError(
            f"{Path(path).name} cannot be saved: {error.strerror or 'it is refused'}"
        ) from error


def parse_card(text: str, where: str) -> ModelCard:
    """Read a card from JSON; `where` names its source in errors.

    Raises
    ------
    CardError
        When the text is no JSON, is of a newer version, or breaks a rule of cards.
    """
    try:
        fields = parse_json(text)
    except JSONError as error:
        raise CardError(f"{where} is no card: {error}") from error
    return card_of(fields, where)


def card_of(fields: object, where: str) -> ModelCard:
    """Return the card that parsed JSON states; `where` names its source in errors.

    Raises
    ------
    CardError
        When it is of a newer version, or breaks a rule of cards.
    """
    version = fields.get("schema_version", 1) if isinstance(fields, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise CardError(
            f"{where} has card version {version}, and this program reads up to "
            f"{SCHEMA_VERSION}: update napari-dmoe"
        )
    try:
        return ModelCard.model_validate(fields)
    except ValidationError as error:
        fault = said(error, whole="the card", tags=(OF_PLANES, OF_VOLUMES))
        raise CardError(f"{where} is no valid card: {fault}") from error
