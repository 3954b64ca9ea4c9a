"""Evaluated cases: what each scored, whom it shows, and how that was found.

One model, or one folder of predictions, on one cohort is an :class:`Evaluated`; it is
what groups, comparisons, reports and the fairness dock are made of.
:mod:`napari_dmoe.evaluation.evaluating.case_table` keeps it on disk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.evaluation.scoring.mask_pair import Presence
from napari_dmoe.evaluation.scoring.metrics import Convention, Score
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient

Status = Literal["scored", "no truth", "no prediction", "failed"]
"""What became of a case, in words."""


@dataclass(frozen=True)
class ScoredCase:
    """One case of an evaluated cohort."""

    id: str
    """Unique in its cohort."""
    number: int
    """Place in the cohort, from 0."""
    status: Status = "scored"
    said: str = ""
    """Why it has no score, or what was decided for it, in a sentence."""
    subject: str | None = None
    """What other cases of the same patient or lesion share; None where nobody says."""
    patient: Patient = field(default_factory=Patient)
    """Whom it shows, as far as that is recorded; never what a model was run for."""
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Cells of the cohort's table that are no attribute of a patient, by column."""
    scores: tuple[Score, ...] = ()
    """Region by region, and within them in the order of the metrics."""
    unit: str = "px"
    """Unit of lengths: ``"mm"`` where the pixel's size is known, else ``"px"``."""
    image: Path | None = None
    labels: Path | None = None
    """The truth's file."""
    prediction: Path | None = None
    """The mask's file, where it was kept or given."""

    def __repr__(self) -> str:
        """Show the place alone, and nothing that tells whose case it is."""
        return f"ScoredCase(number={self.number}, status={self.status!r})"

    def score(self, region: str, metric: str) -> Score | None:
        """Return one of its scores; None where it was not measured."""
        for each in self.scores:
            if each.region == region and each.metric == metric:
                return each
        return None

    def presence(self, region: str) -> Presence | None:
        """Return which of the masks has a region; None where nothing was measured."""
        return next((s.presence for s in self.scores if s.region == region), None)


class EvaluationFacts(BaseModel):
    """How a cohort was evaluated; ``evaluation.json`` beside ``cases.csv``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    title: str = Field(description="what is evaluated, as tables call it")
    source: Literal["model", "predictions", "table"] = Field(
        description="a model that was run, masks of any origin, or a published table"
    )
    cohort: str = Field("", description="file name of the cohort's table or list")
    layout: str = Field("", description="how the cohort lies on disk")
    n_cases: int = Field(0, description="cases of the cohort, scored or not")
    model: str = Field("", description="the checkpoint's file or bundled name")
    sha256: str = Field("", description="of the checkpoint's file")
    card: str = Field("", description="name of the model's card")
    classes: tuple[str, ...] = Field((), description="class names, background first")
    regions: tuple[str, ...] = Field((), description="what was measured")
    metrics: tuple[str, ...] = Field((), description="by what, keys of METRICS")
    attributes: tuple[CardAttribute, ...] = Field(
        (), description="attributes whose values and bands the model's card states"
    )
    drivers: tuple[str, ...] = Field((), description="attributes that drive the model")
    convention: Convention = Field("default", description="how empty masks are scored")
    scored_at: Literal["source", "network"] = Field(
        "source", description="on the image's pixels, or on the network's"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="of inference, as records have them"
    )
    inquiry: str = Field(
        "", description="digest of model, cases and settings: a run goes on by it"
    )
    preset: str = Field("", description="the published test that was reproduced")
    notices: tuple[str, ...] = Field((), description="what was decided, in sentences")
    versions: dict[str, str] = Field(
        default_factory=dict, description="of what it was computed with"
    )
    made_at: str = Field("", description="when it ended, in ISO 8601, UTC")


@dataclass(frozen=True)
class Evaluated(Sequence[ScoredCase]):
    """A cohort that was evaluated: its cases in order, and how."""

    cases: tuple[ScoredCase, ...]
    facts: EvaluationFacts
    folder: Path | None = None
    """Where it lies, for relative paths."""

    def __len__(self) -> int:
        return len(self.cases)

    @overload
    def __getitem__(self, index: int) -> ScoredCase: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ScoredCase]: ...

    def __getitem__(self, index: int | slice) -> ScoredCase | Sequence[ScoredCase]:
        return self.cases[index]

    def values(self, region: str, metric: str) -> NDArray[np.float64]:
        """Return the scores (N,) of all cases; NaN where a case has none."""
        found = self._scores(region, metric)
        return np.array([math.nan if s is None else s.value for s in found], np.float64)

    def is_missed(self, region: str, metric: str) -> NDArray[np.bool_]:
        """Return where (N,) one of the masks lacks what the other has."""
        found = self._scores(region, metric)
        return np.array([s is not None and s.presence.is_miss for s in found], bool)

    def is_measured(self, region: str, metric: str) -> bool:
        """Return whether any case has a score of the region, by the metric."""
        return any(score is not None for score in self._scores(region, metric))

    def _scores(self, region: str, metric: str) -> tuple[Score | None, ...]:
        # Groups, tables and plots ask for the same scores again and again.
        found = self._found.get((region, metric))
        if found is None:
            found = tuple(case.score(region, metric) for case in self.cases)
            self._found[region, metric] = found
        return found

    @cached_property
    def _found(self) -> dict[tuple[str, str], tuple[Score | None, ...]]:
        return {}
