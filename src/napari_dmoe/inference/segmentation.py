"""What a run is asked for, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.inference.provenance import Provenance
from napari_dmoe.inference.routing import RoutingMaps


class InferenceSettings(BaseModel):
    """How to run a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    device: str = Field(
        default="auto",
        title="Device",
        description="auto (GPU where there is one), cpu, cuda, cuda:1 or mps",
    )
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
    batch: int = Field(
        default=8, ge=1, le=256, title="Batch", description="images run at a time"
    )
    scored_at: Literal["source", "network"] = Field(
        default="source",
        title="Labels at",
        description="source: the image's pixels; network: the input's, as published",
    )
    probabilities: bool = Field(
        default=False, title="Probabilities", description="keep a map for each class"
    )


@dataclass(frozen=True)
class Segmentation:
    """A segmented image.

    Parameters
    ----------
    labels : (*extra, H, W) uint8 array
        Classes, with the source's full shape (or the network's, if scored there).
        0 where the network saw nothing, outside a centre crop.
    axes : tuple of str
        Names of the labels' axes.
    grid : Grid
        Where the labels lie in the source image.
    classes : tuple of str
        Class names; label i is ``classes[i]``.
    by_value : mapping of str to (*extra, H, W) uint8 array
        For an unknown driver, the labels that each of its values alone would give.
    probabilities : (K, *extra, H, W) float32 array or None
        Class probabilities, where they were asked for.
    routing : RoutingMaps or None
        Gates of every block; None for a network without its MoE.
    provenance : Provenance
        How it came about.
    """

    labels: NDArray[np.uint8]
    axes: tuple[str, ...]
    grid: Grid
    classes: tuple[str, ...]
    by_value: Mapping[str, NDArray[np.uint8]]
    probabilities: NDArray[np.float32] | None
    routing: RoutingMaps | None
    provenance: Provenance
