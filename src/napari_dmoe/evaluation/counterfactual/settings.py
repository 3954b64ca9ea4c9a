"""How a cohort is audited: which drivers vary, on what, and against which yardstick.

The command line's options and the record follow from these fields. Loads no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.validation import Stated

EVERY_VALUE = "every-value"
"""Folder of an audit within that of an evaluation, where both are of one run."""


class AuditSettings(Stated, frozen=True, extra="forbid"):
    """How a cohort is audited.

    Raises
    ------
    SettingsError
        For a setting that does not exist or is out of bounds.
    """

    schema_version: Literal[1] = 1
    device: str = Field(
        default="auto",
        title="Device",
        description="auto (GPU where there is one), cpu, cuda, cuda:1 or mps",
    )
    batch: int = Field(
        default=8,
        ge=1,
        le=256,
        title="Batch",
        description="images or windows run at a time",
    )
    overlap: float = Field(
        default=0.5,
        ge=0,
        le=0.9,
        title="Overlap",
        description="share that neighbouring windows of a volume have in common; 0.25 "
        "is faster",
    )
    reruns: bool = Field(
        default=False,
        title="Reruns",
        description="hold changes also against runs on the image moved by one pixel, "
        "as a sweep does; takes longer",
    )

    def of_runs(self) -> InferenceSettings:
        """Return the settings of every run: noise off, unknown drivers mixed."""
        return InferenceSettings(
            device=self.device, batch=self.batch, overlap=self.overlap
        )
