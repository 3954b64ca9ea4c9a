"""How much of a model a tuning changes, in plain words, with the settings of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.training.settings import TrainSettings


@dataclass(frozen=True)
class TuningPreset:
    """One choice.

    Parameters
    ----------
    title : str
        What it trains, in a few words.
    description : str
        When to take it.
    train : str
        See :func:`napari_dmoe.training.learning.selection.select`.
    epochs, steps : int
        Rounds, and steps of the optimiser in each; it is measured after every round.
    learning_rate : float
        Largest learning rate.
    """

    title: str
    description: str
    train: str
    epochs: int
    steps: int
    learning_rate: float


PRESETS: Mapping[str, TuningPreset] = {
    "quick": TuningPreset(
        "quick: routers",
        "Only which experts are asked, for the patients' values; everything else stays "
        "bit for bit. Changes least.",
        "routers",
        epochs=5,
        steps=8,
        learning_rate=1e-3,
    ),
    "balanced": TuningPreset(
        "balanced: routers + decoder",
        "The routers, and how the mask is drawn from what the experts found.",
        "routers,decoder",
        epochs=8,
        steps=10,
        learning_rate=3e-4,
    ),
    "all": TuningPreset(
        "all",
        "Everything. Learns most from many cases, and forgets most with few.",
        "everything",
        epochs=10,
        steps=12,
        learning_rate=1e-4,
    ),
}
"""By name, from the least that is changed to the most."""

DEFAULT_PRESET = "balanced"


def tuning_settings(name: str, card: ModelCard) -> TrainSettings:
    """Return the settings of a preset for a model.

    A baseline without routers has nothing that "quick" could train: its decoder is.

    Raises
    ------
    ValueError
        For a preset that does not exist.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}: use {', '.join(PRESETS)}")
    # A dock names the presets before it has imported torch.
    from napari_dmoe.training.augmentation.settings import FullerAugmentSettings
    from napari_dmoe.training.cases.annotation import IGNORED
    from napari_dmoe.training.settings import TrainSettings

    chosen = PRESETS[name]
    train = chosen.train
    if card.n_routers == 0:
        train = "everything" if train == "everything" else "decoder"
    return TrainSettings(
        epochs=chosen.epochs,
        steps_per_epoch=chosen.steps,
        batch=2 if card.dims == 3 else 4,
        learning_rate=chosen.learning_rate,
        train=train,
        dropout=0.0,
        unlabelled=IGNORED,
        hold_out="none",
        keep="last",  # choosing an epoch by the guard would make it look better
        augmentation=FullerAugmentSettings(),
        device="auto",
    )
