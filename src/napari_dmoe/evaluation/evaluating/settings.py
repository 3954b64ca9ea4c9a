"""How a cohort is evaluated: how its model is run, and how its masks are scored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from napari_dmoe.evaluation.scoring.metrics import METRICS, Convention
from napari_dmoe.inference.running.settings import Batch, Device, InferenceSettings
from napari_dmoe.validation import Stated


class EvaluationSettings(Stated, frozen=True, extra="forbid"):
    """How a cohort is evaluated.

    Raises
    ------
    SettingsError
        For a setting that does not exist or is out of bounds.
    """

    schema_version: Literal[1] = 1
    convention: Convention = Field(
        default="default",
        title="Empty masks",
        description="default: a region that both masks lack is not counted, and one "
        "that one mask lacks is a miss; reference: scored as published",
    )
    scored_at: Literal["source", "network"] = Field(
        default="source",
        title="Scored at",
        description="source: on the image's own pixels; network: on the network's, to "
        "which the truth is sampled, as published",
    )
    metrics: tuple[str, ...] = Field(
        default=tuple(METRICS), title="Metrics", description="what is measured"
    )
    nsd_mm: float | None = Field(
        default=None,
        gt=0,
        title="NSD tolerance",
        description="distance in mm up to which surfaces agree; by default five sides "
        "of the smallest pixel",
    )
    device: Device = "auto"
    batch: Batch = Field(
        default=8,
        description="images that are run at a time, and kept together: what is lost "
        "when a run is killed",
    )
    unknown: Literal["mix", "refuse"] = Field(
        default="mix",
        title="Unknown driver",
        description="mix: run every value and average the probabilities; refuse: the "
        "case fails",
    )
    keep_masks: bool = Field(
        default=True, title="Masks", description="keep the masks in the folder masks"
    )

    @field_validator("metrics")
    @classmethod
    def _are_metrics(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in METRICS]
        if unknown or not names:
            found = repr(unknown[0]) if unknown else "nothing"
            raise ValueError(f"{found} is no metric: use {', '.join(METRICS)}")
        return tuple(dict.fromkeys(names))

    @property
    def inference(self) -> InferenceSettings:
        """How the model is run."""
        return InferenceSettings(
            device=self.device,
            unknown=self.unknown,
            batch=self.batch,
            scored_at=self.scored_at,
        )
