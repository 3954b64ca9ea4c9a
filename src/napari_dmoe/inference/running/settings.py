"""How to run a model: every setting with its label, help and bounds.

The form in napari, the command line's options and the provenance follow from these
fields. This file loads no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from napari_dmoe.validation import Stated

Device = Annotated[
    str,
    Field(
        title="Device",
        description="auto (GPU where there is one), cpu, cuda, cuda:1 or mps",
    ),
]
Batch = Annotated[
    int,
    Field(ge=1, le=256, title="Batch", description="images or windows run at a time"),
]
Overlap = Annotated[
    float,
    Field(
        ge=0,
        le=0.9,
        title="Overlap",
        description="share that neighbouring windows of a volume have in common; 0.25 "
        "is faster",
    ),
]


class InferenceSettings(Stated, frozen=True, extra="forbid"):
    """How to run a model.

    Raises
    ------
    SettingsError
        For a setting that does not exist or is out of bounds.
    """

    schema_version: Literal[1] = 1
    device: Device = "auto"
    unknown: Literal["mix", "refuse"] = Field(
        default="mix",
        title="Unknown driver",
        description="mix: run every value and average the probabilities; refuse: stop",
    )
    noise: bool = Field(
        default=False,
        title="Gating noise",
        description="add the noise of training to the gates, as published",
    )
    samples: int = Field(
        default=1,
        ge=1,
        le=64,
        title="Noise samples",
        description="runs with noise whose probabilities are averaged",
    )
    seed: int = Field(default=0, ge=0, title="Seed", description="seed of the noise")
    batch: Batch = 8
    overlap: Overlap = 0.5
    skip_empty: bool = Field(
        default=False,
        title="Skip empty",
        description="of a 3D model: windows in which the network would see one number "
        "alone, such as air below the card's intensities, are not run; what only they "
        "cover is background",
    )
    scored_at: Literal["source", "network"] = Field(
        default="source",
        title="Labels at",
        description="source: the image's pixels; network: the input's, as published",
    )
    fit: Literal["card", "pad", "crop", "stretch"] = Field(
        default="card",
        title="Fit",
        description="how a picture that is not square meets a 2D model. card: as the "
        "model's card says; pad: whole; crop: its middle alone; stretch: whole, both "
        "sides made alike. Fine-tuning goes by the card",
    )
    focus: Literal["card", "on", "off"] = Field(
        default="card",
        title="Focus",
        description="of a 2D model: a first pass over the whole picture finds the "
        "structure, and a second one sees a square around it. card: as the model's "
        "card says. Fine-tuning sees whole pictures",
    )
    keep: Literal["card", "all", "largest"] = Field(
        default="card",
        title="Keep",
        description="of a 2D model: which connected parts of a mask stay, all classes "
        "together. card: as the model's card says",
    )
    fill: Literal["card", "on", "off"] = Field(
        default="card",
        title="Fill holes",
        description="of a 2D model: whether holes of a mask take the class around "
        "them. card: as the model's card says",
    )
    probabilities: bool = Field(
        default=False, title="Probabilities", description="keep a map for each class"
    )


class AlsoWritten(Stated, frozen=True, extra="forbid"):
    """What else is written of a volume that goes straight into a file.

    The classes' probabilities are, where :class:`InferenceSettings` ask for them.
    """

    entropy: bool = Field(
        default=False,
        title="Entropy",
        description="of a volume that goes into a file: also write how undecided the "
        "model is between the classes, as a map",
    )
    routing: bool = Field(
        default=False,
        title="Routing",
        description="of a volume that goes into a file: also write the gates of each "
        "stage, as maps",
    )


def as_recorded(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's settings; what it is too old to state was as it is by default.

    Examples
    --------
    >>> as_recorded({"seed": 3})["fit"]
    'card'
    """
    return {**InferenceSettings().model_dump(mode="json"), **stated}
