"""How a network is trained: one frozen settings model, and presets of it.

The command line's flags, configuration files and the records in checkpoints all follow
from :class:`TrainSettings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_dmoe.training.augmentation.settings import (
    AugmentSettings,
    FullerAugmentSettings,
    PublishedAugmentSettings,
    VolumeAugmentSettings,
)

Augmentation = (
    AugmentSettings
    | VolumeAugmentSettings
    | PublishedAugmentSettings
    | FullerAugmentSettings
)

SCHEMA_VERSION = 1

CHANGEABLE = frozenset(
    {"device", "learning_rate", "patience", "save_every", "save_minutes"}
)
"""Settings that may change where training is resumed. None decides a random draw; with
another learning rate or device the losses differ, but that is asked for."""

PUBLISHED_BATCH = 24
"""Batch that the published learning rate of 0.01 belongs to; it grows with it."""


class TrainSettings(BaseModel):
    """How a network is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    epochs: int = Field(
        30, gt=0, title="Epochs", description="times that every case is seen"
    )
    steps_per_epoch: int | None = Field(
        None,
        gt=0,
        title="Steps an epoch",
        description="steps of the optimiser in an epoch; none = every case once",
    )
    batch: int = Field(
        16, gt=0, title="Batch", description="cases that the network sees at once"
    )
    accumulate: int = Field(
        1, gt=0, title="Accumulate", description="batches to each step of the optimiser"
    )
    optimiser: Literal["adamw", "sgd"] = Field(
        "adamw", title="Optimiser", description="adamw, or sgd with momentum"
    )
    learning_rate: float = Field(
        1e-3, gt=0, title="Learning rate", description="largest, after the warm-up"
    )
    schedule: Literal["cosine", "poly"] = Field(
        "cosine",
        title="Schedule",
        description="how the rate falls: half a cosine, or (1 - step/steps)^0.9",
    )
    warm_up: float = Field(
        0.05, ge=0, lt=1, title="Warm-up", description="share of the steps that rise"
    )
    weight_decay: float = Field(
        0.02,
        ge=0,
        title="Weight decay",
        description="adamw: on matrices only; sgd: on everything, as published",
    )
    momentum: float = Field(
        0.9, ge=0, lt=1, title="Momentum", description="of sgd; adamw has its own"
    )
    clip: float | None = Field(
        1.0, gt=0, title="Clip", description="largest norm of the gradient; none = any"
    )
    loss: Literal["dice-ce", "published", "dice-focal"] = Field(
        "dice-ce",
        title="Loss",
        description="Dice with cross-entropy, case by case; as published, the batch as "
        "one; or Dice with focal loss",
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, title="Dropout", description="share of features left out"
    )
    mixed_precision: bool = Field(
        False,
        title="Mixed precision",
        description="16-bit floats where they do no harm; on cuda and mps only",
    )
    train: str = Field(
        "everything",
        min_length=1,
        title="Train",
        description="everything, or some of routers, experts, decoder, encoder, and "
        "patterns of parameter names such as blocks.3.*, with commas between",
    )
    sampling: Literal["uniform", "group", "worst-group"] = Field(
        "uniform",
        title="Sampling",
        description="every case once; every group as often; or the groups with the "
        "lowest held-out Dice more often",
    )
    group_by: str | None = Field(
        None,
        title="Group by",
        description="attributes that make up the groups of sampling, with commas "
        "between; none = all that are watched",
    )
    unlabelled: int | None = Field(
        None,
        title="Unlabelled",
        description="label of what is not annotated: neither loss nor Dice counts it",
    )
    background: int = Field(
        0, ge=0, title="Background", description="label of the background"
    )
    annotated: Literal["all", "slices"] = Field(
        "all",
        title="Annotated",
        description="all; slices: a slice along z without any label counts as not "
        "annotated",
    )
    hold_out: Literal["auto", "cases", "every", "slices", "none"] = Field(
        "auto",
        title="Hold out",
        description="what is kept out of training and measured: cases, one in so many "
        "of each group; every so many cases, from the first; annotated slices of "
        "volumes; auto = cases from 5 on, else slices of volumes, else none",
    )
    hold_out_every: int = Field(
        5, gt=1, title="Hold out every", description="one in so many is held out"
    )
    evaluate_every: int = Field(
        1, gt=0, title="Evaluate every", description="epochs between measurements"
    )
    patience: int | None = Field(
        None,
        gt=0,
        title="Patience",
        description="stop after so many measurements without a better worst group",
    )
    keep: Literal["best", "last"] = Field(
        "best",
        title="Keep",
        description="the model to return: of the best worst group, or the last one",
    )
    save_every: int = Field(
        1, gt=0, title="Save every", description="epochs between saves"
    )
    save_minutes: float = Field(
        10.0, gt=0, title="Save minutes", description="longest time between saves"
    )
    seed: int = Field(0, ge=0, title="Seed", description="decides every random draw")
    device: str = Field("cpu", title="Device", description="cpu, cuda, mps or auto")
    augmentation: Augmentation | None = Field(
        AugmentSettings(),
        title="Augmentation",
        description="none to train on cases as they are",
    )

    @field_validator("augmentation", mode="before")
    @classmethod
    def _by_name(cls, stated: object) -> object:
        """Let text name an augmentation with its defaults."""
        if not isinstance(stated, str):
            return stated
        if stated not in AUGMENTATIONS:
            raise ValueError(
                f"there is no augmentation {stated!r}: use {', '.join(AUGMENTATIONS)}"
            )
        return AUGMENTATIONS[stated]


AUGMENTATIONS: Mapping[str, Augmentation | None] = {
    "none": None,
    "planes": AugmentSettings(),
    "volumes": VolumeAugmentSettings(),
    "published": PublishedAugmentSettings(),
    "fuller": FullerAugmentSettings(),
}
"""Augmentations by name; the last two serve planes and volumes."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "adamw": {"augmentation": FullerAugmentSettings()},
    "fine-tune": {
        "augmentation": FullerAugmentSettings(),
        "learning_rate": 3e-4,
        "batch": 4,
    },
    "published": {
        "epochs": 100,
        "batch": 42,
        "optimiser": "sgd",
        "schedule": "poly",
        "warm_up": 0.0,
        "weight_decay": 1e-4,
        "clip": None,
        "loss": "published",
        "augmentation": PublishedAugmentSettings(),
    },
}
"""Settings by name; what a preset does not state is as in :class:`TrainSettings`."""


def preset(name: str, **changes: Any) -> TrainSettings:
    """Return the settings of a preset.

    Parameters
    ----------
    name : str
        ``"adamw"``; ``"fine-tune"``, the same for a trained model; ``"published"``,
        for which the learning rate is 0.01 x batch / 24 unless it is given.
    **changes
        Fields of :class:`TrainSettings` that differ from the preset.

    Raises
    ------
    ValueError
        For a preset that does not exist, or a value out of bounds.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}: use {', '.join(PRESETS)}")
    stated = {**PRESETS[name], **changes}
    if name == "published" and "learning_rate" not in changes:
        together = int(stated["batch"]) * int(stated.get("accumulate", 1))
        stated["learning_rate"] = 0.01 * together / PUBLISHED_BATCH
    return TrainSettings.model_validate(stated)
