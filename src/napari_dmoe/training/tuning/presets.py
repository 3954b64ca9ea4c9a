"""How much of a model a tuning changes, in plain words, with the settings of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dmoe.training.tuning.few_cases import choice_for, rate_for, rounds_for

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
    learning_rate : float
        Largest learning rate; where everything is trained, that of enough cases: see
        :func:`napari_dmoe.training.tuning.few_cases.rate_for`.
    share : float
        Of the steps that so many cases are good for, how many are taken: see
        :func:`napari_dmoe.training.tuning.few_cases.steps_for`.
    """

    title: str
    description: str
    train: str
    learning_rate: float
    share: float = 1.0


PRESETS: Mapping[str, TuningPreset] = {
    "quick": TuningPreset(
        "quick: routers",
        "Only which experts are asked, for the patients' values; everything else stays "
        "bit for bit. Changes least, and needs values that are known.",
        "routers",
        learning_rate=1e-3,
        share=0.5,
    ),
    "balanced": TuningPreset(
        "balanced: routers + decoder",
        "The routers, and how the mask is drawn from what the experts found.",
        "routers,decoder",
        learning_rate=3e-4,
    ),
    "all": TuningPreset(
        "all",
        "Everything. Learns most, above all from images unlike those that the model "
        "was trained on.",
        "everything",
        learning_rate=3e-4,
    ),
}
"""By name, from the least that is changed to the most."""

DEFAULT_PRESET = "all"
"""What learnt most from one and from ten photographs: ``docs/fine-tune.md``."""


def tuning_settings(name: str, card: ModelCard, n_cases: int = 1) -> TrainSettings:
    """Return the settings of a preset for a model and so many cases.

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
    train, batch = chosen.train, batch_for(card.dims)
    if card.n_routers == 0:
        train = "everything" if train == "everything" else "decoder"
    return TrainSettings(
        **rounds_for(n_cases, batch, share=chosen.share),
        batch=batch,
        learning_rate=_rate(chosen, n_cases, card.dims),
        train=train,
        dropout=0.0,
        unlabelled=IGNORED,
        **_choice_of_window(n_cases, card.dims),
        augmentation=FullerAugmentSettings(),
        device="auto",
    )


def _rate(chosen: TuningPreset, n_cases: int, dims: int) -> float:
    """Return a preset's rate: of few cases all of a model learns more gently."""
    usual = chosen.learning_rate
    is_all = chosen.train == "everything"
    return rate_for(n_cases, dims, usual=usual) if is_all else usual


def _choice_of_window(n_cases: int, dims: int) -> Mapping[str, Any]:
    """Return the choice for so many ticked cases, all of which are whole.

    Where none of them is held out the last round is kept: choosing one by the guard
    would make it look better.
    """
    chosen = choice_for(n_cases, dims)
    is_held = chosen["hold_out"] == "cases"
    return chosen if is_held else {**chosen, "hold_out": "none"}


def fine_tuning(card: ModelCard, n_cases: int, **stated: Any) -> TrainSettings:
    """Return the settings of ``fine-tune`` for a model and a cohort of so many cases.

    Parameters
    ----------
    card : ModelCard
        The model's.
    n_cases : int
        Cases of the cohort, those included that are to be held out.
    **stated
        Fields that somebody stated. They go before what follows from the cases, and
        with one of them all that is of its kind: how long, and what is held out.

    Raises
    ------
    SettingsError
        For a field that does not exist, or a value out of bounds.
    """
    from napari_dmoe.training.settings import preset

    batch = stated.get("batch", batch_for(card.dims))
    own: dict[str, Any] = {"batch": batch}
    if not stated.keys() & _LENGTH and isinstance(batch, int) and batch > 0:
        own |= rounds_for(n_cases, batch)
    if not stated.keys() & _CHOICE:
        own |= choice_for(n_cases, card.dims)
    if stated.get("train", "everything") == "everything":
        own["learning_rate"] = _rate(PRESETS["all"], n_cases, card.dims)
    return preset("fine-tune", **{**own, **stated})


_LENGTH = {"epochs", "steps_per_epoch", "accumulate"}
_CHOICE = {"hold_out", "hold_out_every", "keep", "patience", "evaluate_every"}
_CHOICE |= {"sampling"}  # which may need held-out cases


def batch_for(dims: int) -> int:
    """Return how many cases a step sees: volumes are large."""
    return 2 if dims == 3 else 4
