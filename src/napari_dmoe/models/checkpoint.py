"""Checkpoints: from a file to a network with its card.

The way back is :mod:`napari_dmoe.models.saving`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import nn

from napari_dmoe.imaging.memory import refuse_beyond_memory
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.models.architectures import ARCHITECTURES, Config, Network
from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.card_files import (
    CardError,
    card_beside,
    generic_card,
    parse_card,
    read_card,
)
from napari_dmoe.models.footprint import check_patch, pass_seconds, weights_bytes
from napari_dmoe.models.identification import check_card, identify
from napari_dmoe.models.titles import bundled_titles
from napari_dmoe.models.training_images import known_images
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.models.weights import (
    CARD_KEY,
    CheckpointError,
    UnsafeCheckpointError,
    check_claims,
    file_sha256,
    read_weights,
)
from napari_dmoe.validation import said

__all__ = [
    "CheckpointError",
    "LoadedModel",
    "UnsafeCheckpointError",
    "bundled_cards",
    "bundled_dims",
    "bundled_names",
    "load_checkpoint",
    "new_model",
    "stated_card",
]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network with its card.

    Parameters
    ----------
    network : Network
        The network, in evaluation mode, on the CPU when loaded.
    card : ModelCard
        What it is and what drives it.
    architecture : str
        Key in :data:`napari_dmoe.models.architectures.ARCHITECTURES`.
    source : str
        Name of the file it came from, without its folder; empty for a new model.
    sha256 : str
        SHA-256 of that file.
    n_bytes : int
        Size of that file.
    notices : tuple of str
        What was decided when it was read: which wrappers were taken off, what was left
        out. They are recorded with every result.
    """

    network: Network
    card: ModelCard
    architecture: str
    source: str = ""
    sha256: str = ""
    n_bytes: int = 0
    notices: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """Shape of the network."""
        return self.network.config

    @property
    def module(self) -> nn.Module:
        """The network as a PyTorch module."""
        return cast("nn.Module", self.network)

    @property
    def preprocessing(self) -> Preprocessing | VolumePreprocessing:
        """How an image becomes this network's input."""
        return self.card.preprocessing or _plain_preprocessing(self.config)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Size of the image or window that the network sees at once, in pixels."""
        prepared = self.preprocessing
        if isinstance(prepared, Preprocessing):
            return (prepared.side, prepared.side)
        return prepared.patch

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def pass_seconds(self) -> float:
        """About how long one thread of a processor takes for one input."""
        return pass_seconds(self.config, self.n_parameters, self.input_size)

    def facts(self) -> dict[str, Any]:
        """Return what there is to know, ready for JSON."""
        return {
            "file": self.source,
            "sha256": self.sha256,
            "bytes": self.n_bytes,
            "architecture": self.architecture,
            "architecture_title": ARCHITECTURES[self.architecture].title,
            "config": self.config.model_dump(mode="json"),
            "input_size": self.input_size,
            "n_parameters": self.n_parameters,
            "notices": list(self.notices),
            "untrained": {
                a.name: list(values)
                for a in self.card.attributes
                if (values := self.card.untrained(a.name))
            },
            "card": self.card.model_dump(mode="json"),
        }


def bundled_names() -> tuple[str, ...]:
    """Return the names of the checkpoints that the package holds, sorted."""
    return tuple(sorted(path.stem for path in _bundled_folder().glob("*.safetensors")))


def bundled_dims() -> dict[str, int]:
    """Return how many axes each bundled model sees at once; only headers are read."""
    cards = {name: stated_card(name) for name in bundled_names()}
    return {name: card.dims for name, card in cards.items() if card is not None}


def stated_card(name: str) -> ModelCard | None:
    """Return the card that a file brings, or a bundled model; only its header is read.

    None where the file brings none, or cannot be read.
    """
    is_bundled = name in bundled_names()
    path = _bundled_folder() / f"{name}.safetensors" if is_bundled else Path(name)
    if not path.is_file():
        return None
    try:
        if not is_bundled and card_beside(path).is_file():
            return read_card(card_beside(path))
        if path.suffix != ".safetensors":
            return None
        with safe_open(path, framework="pt") as opened:
            stated = (opened.metadata() or {}).get(CARD_KEY)
        return None if stated is None else parse_card(stated, path.name)
    except (OSError, ValueError, SafetensorError):
        return None  # whoever loads it is told what is wrong


@cache
def bundled_cards() -> Mapping[str, ModelCard]:
    """Return the cards of the bundled models with all that is known of each.

    No weights are loaded: the files' headers are read, and their hashes, once.
    """
    stated = {name: stated_card(name) for name in bundled_names()}
    folder = _bundled_folder()
    return {
        name: _with_known(card, file_sha256(folder / f"{name}.safetensors"))
        for name, card in stated.items()
        if card is not None
    }


def _bundled_folder() -> Path:
    return Path(str(resources.files("napari_dmoe.models"))) / "bundled"


def load_checkpoint(
    path: str | os.PathLike[str], card: str | Path | ModelCard | None = None
) -> LoadedModel:
    """Load a dMoE checkpoint.

    Parameters
    ----------
    path : str or path-like
        A ``.pth``, ``.pt`` or ``.safetensors`` file, or the name of a bundled model.
    card : str, Path or ModelCard, optional
        Name of a published card, path of a card, or a card. By default the card beside
        the file, ``mine.card.json`` of ``mine.pth``; without it the file's own card;
        where it has none, a generic one with the values "0" to "n-1".

    Returns
    -------
    LoadedModel
        The network, in evaluation mode, and its card.

    Raises
    ------
    UnsafeCheckpointError
        When the file holds objects that could run code.
    CheckpointError
        When the file or the card cannot be used; says what was found and expected.

    Examples
    --------
    >>> load_checkpoint("fundus-phantom").card.attributes[0].values
    ('healthy', 'suspect', 'glaucoma')
    """
    is_bundled = str(path) in bundled_names()
    path = _bundled_folder() / f"{path}.safetensors" if is_bundled else Path(path)
    if not path.suffix and not path.exists():
        raise CheckpointError(
            f"{path.name}: there is no such file, and no bundled model of that name "
            f"(there is {', '.join(bundled_names())})"
        )
    weights = read_weights(path)
    beside = card_beside(path)
    is_beside = card is None and not is_bundled and beside.is_file()
    stated = _stated_card(beside if is_beside else card, weights.header, path.name)
    found = identify(
        weights.tensors,
        path.name,
        card=stated,
        check=lambda tensors: check_claims(tensors, path),
    )
    architecture, config = found.architecture, found.config
    if stated is None:
        try:
            stated = generic_card(
                architecture=architecture.name,
                n_classes=config.n_classes,
                n_routers=config.n_routers,
                preprocessing=_plain_preprocessing(config),
            )
        except ValidationError as error:
            raise CheckpointError(f"{path.name}: {said(error)}") from error
    check_card(stated, architecture, config, path.name)
    check_patch(stated, config, path.name)
    sha256 = file_sha256(path)
    if card is None:
        stated = _with_known(stated, sha256)
    with torch.device("meta"):
        module = architecture.build(config)
    module.load_state_dict(found.state, assign=True)
    module.eval()
    return LoadedModel(
        network=cast("Network", module),
        card=_fitted_to(stated, config),
        architecture=architecture.name,
        source=path.name.encode("utf-8", "backslashreplace").decode("utf-8"),
        sha256=sha256,
        n_bytes=path.stat().st_size,
        notices=(*found.notices, *_said_of_beside(beside, is_beside=is_beside)),
    )


def _said_of_beside(beside: Path, *, is_beside: bool) -> tuple[str, ...]:
    """Say where the card comes from that is no part of the file."""
    name = beside.name.encode("utf-8", "backslashreplace").decode("utf-8")
    return (f"the card is {name}, which lies beside the file",) if is_beside else ()


def new_model(architecture: str, config: Config, card: ModelCard) -> LoadedModel:
    """Return an untrained network, drawn from torch's global seed, with its card.

    Raises
    ------
    CheckpointError
        When card and configuration do not fit each other, or make no network.
    NotEnoughMemory
        When its weights need more memory than there is; nothing is made then.
    """
    known = ARCHITECTURES.get(architecture)
    if known is None:
        raise CheckpointError(
            f"there is no architecture {architecture!r}: use {', '.join(ARCHITECTURES)}"
        )
    check_card(card, known, config, "the new model")
    check_patch(card, config, "the new model")
    # The weights alone would not bring these back.
    stated = {"n_heads": getattr(config, "n_heads", None), "top_k": config.top_k}
    card = card.model_copy(update=stated)
    refuse_beyond_memory(
        weights_bytes(known.name, config),
        what="the weights of the new model need",
        remedy="state a smaller network",
    )
    module = known.build(config).eval()
    return LoadedModel(cast("Network", module), _fitted_to(card, config), architecture)


def _stated_card(
    card: str | Path | ModelCard | None, header: Mapping[str, str], where: str
) -> ModelCard | None:
    """Return the card that counts; one that was named goes before the file's own."""
    try:
        named = None if card is None else read_card(card)
        if named is None and CARD_KEY not in header:
            return None
        if named is None:
            return parse_card(header[CARD_KEY], f"the card in {where}")
    except CardError as error:
        raise CheckpointError(str(error)) from error
    if CARD_KEY in header:
        _logger.warning("%s: the card %s replaces the file's own", where, named.name)
    return named


def _plain_preprocessing(config: Config) -> Preprocessing | VolumePreprocessing:
    """Return the preprocessing of weights that nothing is stated of."""
    if isinstance(config, ViTConfig):
        return Preprocessing(side=config.side)
    return VolumePreprocessing() if config.dims == 3 else Preprocessing()


def _with_known(card: ModelCard, sha256: str) -> ModelCard:
    """State what is known of a bundled file that is older than these fields."""
    known = None if card.training_images else known_images(sha256)
    if known is None:
        return card
    stated = {"phantoms": known.phantoms, "class_spans": known.class_spans}
    training = card.training.model_copy(update=stated)
    facts: dict[str, Any] = {
        "title": bundled_titles().get(card.name, card.title),
        "training_images": known.training_images,
        "training": training,
    }
    if known.fit is not None and isinstance(card.preprocessing, Preprocessing):
        facts["preprocessing"] = card.preprocessing.fitted(known.fit)
    return card.model_copy(update=facts)


def _fitted_to(card: ModelCard, config: Config) -> ModelCard:
    """Let the weights decide the input side, and drop drivers that are not there."""
    changes: dict[str, Any] = {}
    if isinstance(card.preprocessing, Preprocessing) and isinstance(config, ViTConfig):
        side = {"side": config.side}
        changes["preprocessing"] = card.preprocessing.model_copy(update=side)
    if config.n_routers == 0:
        changes["attributes"] = ()
    return card.model_copy(update=changes)
