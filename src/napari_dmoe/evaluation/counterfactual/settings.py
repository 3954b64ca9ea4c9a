"""How a cohort is audited: which drivers vary, on what, and against which yardstick.

The command line's options and the record follow from these fields. Loads no torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_dmoe.inference.running.settings import (
    Batch,
    Device,
    InferenceSettings,
    Overlap,
)
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
    device: Device = "auto"
    batch: Batch = 8
    overlap: Overlap = 0.5
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
