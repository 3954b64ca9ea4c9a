"""The functions that the widgets set to work, so that tests can pass others.

Each imports what it needs when it is called, in a worker's thread: torch takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_dmoe.inference.segmentation import Segmentation
    from napari_dmoe.models.checkpoint import LoadedModel


@dataclass(frozen=True)
class Surroundings:
    """What there is to work with.

    Parameters
    ----------
    device : str
        The device that would be used, with the reason.
    devices : tuple of str
        Names of the devices that can be chosen.
    models : tuple of str
        Names of the bundled models.
    """

    device: str
    devices: tuple[str, ...]
    models: tuple[str, ...]


def look_around() -> Surroundings:
    """Import torch and say what there is to work with."""
    import torch

    from napari_dmoe.inference.devices import choose_device
    from napari_dmoe.models.checkpoint import bundled_names

    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("mps")
    return Surroundings(
        device=choose_device().reason,
        devices=("auto", "cpu", *gpus),
        models=bundled_names(),
    )


def load(path: str, card: str | None = None) -> LoadedModel:
    """Load a checkpoint; see :func:`napari_dmoe.load_checkpoint`."""
    from napari_dmoe.models.checkpoint import load_checkpoint

    return load_checkpoint(path, card)


def run(*arguments: Any, **options: Any) -> Segmentation:
    """Segment an image; see :func:`napari_dmoe.segment`."""
    from napari_dmoe.inference.segment import segment

    return segment(*arguments, **options)


def fitting_cards(loaded: LoadedModel) -> tuple[str, ...]:
    """Return the names of the published cards that could describe a model's weights."""
    from napari_dmoe.models.card_files import card_names, read_card

    cards = [read_card(name) for name in card_names()]
    return tuple(
        card.name
        for card in cards
        if card.dims == loaded.card.dims
        and card.n_routers == loaded.config.n_routers
        and len(card.classes) == loaded.config.n_classes
    )


@dataclass(frozen=True)
class Engines:
    """What the dock sets to work; every one may be replaced."""

    look_around: Callable[[], Surroundings] = look_around
    load_checkpoint: Callable[..., LoadedModel] = load
    segment: Callable[..., Segmentation] = run
    fitting_cards: Callable[[LoadedModel], tuple[str, ...]] = fitting_cards
