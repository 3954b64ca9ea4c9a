"""What a report is asked to hold."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.evaluation.groups.intervals import N_RESAMPLES
from napari_dmoe.evaluation.scoring.metrics import Convention


class ReportOptions(BaseModel):
    """How a report is made; what is left out is as for any reader outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field("", description="title of the page", max_length=200)
    by: tuple[str, ...] | None = Field(
        None, description="attributes and columns to group by; all by default"
    )
    bands: Mapping[str, tuple[float, ...]] = Field(
        default_factory=dict, description="where bands of a number begin, by name"
    )
    crossed: tuple[tuple[str, ...], ...] = Field(
        (), description="attributes to group by together"
    )
    metrics: tuple[str, ...] = Field((), description="which; all measured by default")
    identifiers: bool = Field(
        False, description="call cases as they are instead of by number"
    )
    small_cells: bool = Field(False, description="show groups of fewer than 5 cases")
    seed: int = Field(0, ge=0, description="of the intervals and comparisons")
    n_resamples: int = Field(N_RESAMPLES, ge=1, description="of the intervals")
    convention: Convention = Field(
        "default", description="how intervals are found; reference is as published"
    )
    n_worst: int = Field(6, ge=0, le=50, description="worst cases shown for each model")
    pictures: bool = Field(True, description="show pictures of the worst cases")
    date: str = Field("", description="day of the report; today's by default")
