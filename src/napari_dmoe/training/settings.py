"""How a network is trained: one frozen settings model, and presets of it.

The command line's flags, configuration files and the records in checkpoints all follow
from :class:`TrainSettings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, field_validator, model_validator

from napari_dmoe.training.augmentation.settings import (
    Augmentation,
    AugmentSettings,
    FullerAugmentSettings,
    PublishedAugmentSettings,
    VolumeAugmentSettings,
    option,
)
from napari_dmoe.validation import LONGEST_VALUE, SettingsError, Stated

SCHEMA_VERSION = 1

CHANGEABLE = frozenset(
    {"device", "learning_rate", "patience", "save_every", "save_minutes"}
)
"""Settings that may change where training is resumed. None decides a random draw; with
another learning rate or device the losses differ, but that is asked for."""

MOST_CASES_SHOWN = 10**8
"""Cases that one epoch shows at most: their order stands in memory."""

_LARGEST_LABEL = 2**31 - 1

PUBLISHED_BATCH = 24
"""Batch that the published learning rate of 0.01 belongs to; it grows with it."""


class TrainSettings(Stated):
    """How a network is trained.

    Raises
    ------
    SettingsError
        For a setting that does not exist or is out of bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    epochs: int = option(
        30, "Rounds", "times every case is seen (epochs)", gt=0, le=10**6
    )
    steps_per_epoch: int | None = option(
        None,
        "Steps an epoch",
        "steps of the optimiser in an epoch; none = every case once",
        gt=0,
        le=10**6,
    )
    batch: int = option(
        16, "Batch", "cases that the network sees at once", gt=0, le=10**6
    )
    accumulate: int = option(
        1, "Accumulate", "batches to each step of the optimiser", gt=0, le=10**6
    )
    optimiser: Literal["adamw", "sgd"] = option(
        "adamw", "Optimiser", "adamw, or sgd with momentum"
    )
    learning_rate: float = option(
        1e-3, "Learning rate", "largest, after the warm-up", gt=0
    )
    schedule: Literal["cosine", "poly"] = option(
        "cosine",
        "Schedule",
        "how the rate falls: half a cosine, or (1 - step/steps)^0.9",
    )
    warm_up: float = option(0.05, "Warm-up", "share of the steps that rise", ge=0, lt=1)
    weight_decay: float = option(
        0.02,
        "Weight decay",
        "adamw: on matrices only; sgd: on everything, as published",
        ge=0,
    )
    momentum: float = option(0.9, "Momentum", "of sgd; adamw has its own", ge=0, lt=1)
    clip: float | None = option(
        1.0, "Clip", "largest norm of the gradient; none = any", gt=0
    )
    loss: Literal["dice-ce", "published", "dice-focal"] = option(
        "dice-ce",
        "Loss",
        "Dice with cross-entropy, case by case; as published, the batch as "
        "one; or Dice with focal loss",
    )
    foreground: float = option(
        1.0,
        "Foreground",
        "how often a pixel of a class counts in the cross-entropy, one of the "
        "background counting once: above 1 masks become larger",
        ge=0.1,
        le=10,
    )
    dropout: float = option(0.1, "Dropout", "share of features left out", ge=0, lt=1)
    mixed_precision: bool = option(
        False,
        "Mixed precision",
        "16-bit floats where they do no harm; on CUDA devices that have them",
    )
    train: str = option(
        "everything",
        "Train",
        "everything, or some of routers, experts, decoder, encoder, and "
        "patterns of parameter names such as blocks.3.*, with commas between",
        min_length=1,
    )
    sampling: Literal["uniform", "group", "worst-group"] = option(
        "uniform",
        "Sampling",
        "every case once; every group as often; or the groups with the "
        "lowest held-out Dice more often",
    )
    group_by: str | None = option(
        None,
        "Group by",
        "attributes that make up the groups of sampling, with commas "
        "between; none = all that are watched",
    )
    unlabelled: int | None = option(
        None,
        "Unlabelled",
        "label of what is not annotated: neither loss nor Dice counts it",
        ge=-_LARGEST_LABEL,
        le=_LARGEST_LABEL,
    )
    unknown_drivers: Literal["mix", "draw", "leave-out"] = option(
        "mix",
        "Unknown drivers",
        "cases of which nothing is known that drives the model: mix = all values at "
        "once, by their shares; draw = one value at each step, by their shares; "
        "leave-out = they are not trained on",
    )
    background: int = option(
        0, "Background", "label of the background", ge=0, le=_LARGEST_LABEL
    )
    annotated: Literal["all", "slices"] = option(
        "all",
        "Annotated",
        "all; slices: a slice along z without any label counts as not annotated",
    )
    absent_classes: Literal["keep", "stop", "learn"] = option(
        "keep",
        "Absent classes",
        "classes of the model that no case shows: keep them where the model that "
        "training starts from finds them (a new one cannot: it stops); stop; learn "
        "that there are none",
    )
    hold_out: Literal["auto", "cases", "every", "slices", "none"] = option(
        "auto",
        "Hold out",
        "what is kept out of training and measured: cases, one in so many "
        "of each group; every so many cases, from the first; annotated slices of "
        "volumes; auto = cases from 5 on, else slices of volumes, else none. Cases of "
        "one subject stay together",
    )
    hold_out_every: int = option(
        5, "Hold out every", "one in so many is held out", gt=1
    )
    evaluate_every: int = option(
        1, "Evaluate every", "epochs between measurements", gt=0
    )
    patience: int | None = option(
        None,
        "Patience",
        "stop after so many measurements without a better worst group, of those with "
        "5 cases",
        gt=0,
    )
    keep: Literal["best", "last"] = option(
        "best", "Keep", "the model to return: of the best worst group, or the last one"
    )
    save_every: int = option(1, "Save every", "epochs between saves", gt=0)
    save_minutes: float = option(
        10.0, "Save minutes", "longest time between saves", gt=0
    )
    seed: int = option(0, "Seed", "decides every random draw", ge=0, le=2**53)
    device: str = option("cpu", "Device", "cpu, cuda, mps or auto")
    augmentation: Augmentation | None = option(
        AugmentSettings(), "Augmentation", "none to train on cases as they are"
    )

    @model_validator(mode="after")
    def _weighs_what_it_can(self) -> TrainSettings:
        if self.foreground != 1 and self.loss == "dice-focal":
            raise ValueError("the focal loss knows no foreground: take another loss")
        return self

    @model_validator(mode="after")
    def _fits_into_memory(self) -> TrainSettings:
        shown = (self.steps_per_epoch or 1) * self.batch * self.accumulate
        if shown > MOST_CASES_SHOWN:
            raise ValueError(
                f"batch, accumulate and steps_per_epoch make {shown:,} cases of one "
                f"epoch: it shows {MOST_CASES_SHOWN:,} at most"
            )
        return self

    @field_validator("augmentation", mode="before")
    @classmethod
    def _by_name(cls, stated: object) -> object:
        """Let text name an augmentation with its defaults."""
        if not isinstance(stated, str):
            return stated
        if stated not in AUGMENTATIONS:
            raise ValueError(
                f"there is no augmentation {stated[:LONGEST_VALUE]!r}: use "
                f"{', '.join(AUGMENTATIONS)}"
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
    SettingsError
        For a preset that does not exist, or a value out of bounds.
    """
    if name not in PRESETS:
        raise SettingsError(f"there is no preset {name!r}: use {', '.join(PRESETS)}")
    settings = TrainSettings(**{**PRESETS[name], **changes})
    if name != "published" or "learning_rate" in changes:
        return settings
    together = settings.batch * settings.accumulate
    return settings.model_copy(
        update={"learning_rate": 0.01 * together / PUBLISHED_BATCH}
    )
