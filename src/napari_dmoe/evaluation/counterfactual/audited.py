"""An audited cohort: what every value of a driver made of every case.

Nothing here is run or drawn: :mod:`napari_dmoe.evaluation.counterfactual.sweeping`
makes the cases, :mod:`napari_dmoe.evaluation.counterfactual.audit_files` keeps them on
disk, and what they tell together stands in the files beside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, overload

from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.evaluation.evaluating.scored import ScoredCase
from napari_dmoe.inference.what_if.verdict import Says
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.titles import unit_of
from napari_dmoe.patient import Patient

Kind = Literal["own", "other", "mixture"]
"""Whose a value is: the patient's own, another's, or everybody's, which is what a run
makes of a driver that is not known."""

MIXED = "unknown"
"""What the mixture is called where values are: it is what an unknown one gives."""


class AuditError(ValueError):
    """A model or a cohort cannot be audited; says why, and what to do."""


@dataclass(frozen=True)
class RegionFound:
    """One region of the mask that one value gives."""

    region: str
    n_pixels: int
    """How large it is, in pixels or voxels of the image."""
    changed: float
    """Of the pixels that it or the reference gives the region, the share that only one
    of them does, 0 to 1; the reference is the own value's mask, or the mixture's where
    the own value is not known. NaN where neither has it."""
    dice: float = math.nan
    """Dice with the truth; NaN without one, and where neither has the region."""


@dataclass(frozen=True)
class AuditedValue:
    """What one value of a driver gave for a case."""

    name: str
    """The card's name of it; :data:`MIXED` for the mixture."""
    kind: Kind
    is_trained: bool
    """Whether some training case had it, as far as the card says. What is not counts
    for nothing."""
    regions: tuple[RegionFound, ...]

    def of(self, region: str) -> RegionFound | None:
        """Return one region; None where there is none of that name."""
        return next((each for each in self.regions if each.region == region), None)


@dataclass(frozen=True)
class Dependence:
    """How far one region of a case depends on a driver."""

    region: str
    share: float
    """``1 - IoU`` of the two values farthest apart, 0 to 1; NaN where no value has the
    region."""
    between: tuple[str, str]
    """These two values."""
    yardstick: float
    """What of it changes without any reason, 0 to 1; NaN for an absent region."""
    says: Says
    """As :data:`napari_dmoe.inference.what_if.verdict.Says`."""

    @property
    def times(self) -> float:
        """How many times the yardstick the change is; NaN for an absent region."""
        if math.isnan(self.share) or not self.share:
            return self.share
        return self.share / self.yardstick if self.yardstick > 0 else math.inf


@dataclass(frozen=True)
class CaseSweep:
    """One driver of one case: every value, the other drivers kept as they are."""

    attribute: str
    own: str | None
    """The card's name of the patient's own value; None where it is not known."""
    says: Says
    """Of the class that changes most, as a sweep says it."""
    regions: tuple[Dependence, ...]
    values: tuple[AuditedValue, ...]
    """In the card's order, and last the mixture where it was run."""

    def value(self, kind: Kind) -> AuditedValue | None:
        """Return the own value or the mixture; None where there is none."""
        return next((each for each in self.values if each.kind == kind), None)

    def dependence(self, region: str) -> Dependence | None:
        """Return one region; None where there is none of that name."""
        return next((each for each in self.regions if each.region == region), None)


@dataclass(frozen=True)
class AuditedCase:
    """One case of an audited cohort."""

    id: str
    number: int
    """Place in the cohort, from 0."""
    status: Literal["audited", "failed"] = "audited"
    said: str = ""
    """Why it was not audited, or what was decided for it, in a sentence."""
    subject: str | None = None
    """What other cases of the same patient or lesion share; None where nobody says."""
    patient: Patient = field(default_factory=Patient)
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Cells of the cohort's table that are no attribute of a patient, by column."""
    has_truth: bool = False
    sweeps: tuple[CaseSweep, ...] = ()
    """One a driver that was swept."""

    def __repr__(self) -> str:
        """Show the place alone, and nothing that tells whose case it is."""
        return f"AuditedCase(number={self.number}, status={self.status!r})"

    def sweep(self, attribute: str) -> CaseSweep | None:
        """Return the sweep of one driver; None where there is none."""
        return next((s for s in self.sweeps if s.attribute == attribute), None)

    @property
    def whom(self) -> ScoredCase:
        """Whom it shows, as groups take it; without scores."""
        return ScoredCase(
            self.id,
            self.number,
            subject=self.subject,
            patient=self.patient,
            further=self.further,
        )


class SweptDriver(BaseModel):
    """A driver that was swept, as an audit's file tells it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str = Field(description="name for a person")
    values: tuple[str, ...] = Field(description="in router order")
    untrained: tuple[str, ...] = Field(
        (), description="values that no training case had; they count for nothing"
    )

    @property
    def trained(self) -> tuple[str, ...]:
        """The values that count."""
        return tuple(value for value in self.values if value not in self.untrained)


class AuditFacts(BaseModel):
    """How a cohort was audited; part of ``audit.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(description="the model, as tables call it")
    cohort: str = Field("", description="file name of the cohort's table or list")
    layout: str = Field("", description="how the cohort lies on disk")
    n_cases: int = Field(0, description="cases of the cohort, audited or not")
    n_audited: int = 0
    n_with_truth: int = 0
    model: str = Field("", description="the checkpoint's file or bundled name")
    sha256: str = Field("", description="of the checkpoint's file")
    card: str = Field("", description="name of the model's card")
    architecture: str = Field("", description="kind of network; older audits tell none")
    dims: Literal[2, 3] = 2
    classes: tuple[str, ...] = Field((), description="class names, background first")
    regions: tuple[str, ...] = Field((), description="what was measured")
    drivers: tuple[SweptDriver, ...] = Field((), description="what was swept")
    attributes: tuple[CardAttribute, ...] = Field(
        (), description="all drivers, with the values and bands that the card states"
    )
    n_blocks: int = Field(0, description="blocks or stages with experts")
    n_experts: int = 0
    settings: dict[str, Any] = Field(default_factory=dict)
    notices: tuple[str, ...] = Field((), description="what was decided, in sentences")
    versions: dict[str, str] = Field(default_factory=dict)
    made_at: str = Field("", description="when it ended, in ISO 8601, UTC")

    @property
    def unit(self) -> str:
        """What a part of the network with experts is called: a block, or a stage."""
        # All networks of volumes were U-Nets when audits told no architecture.
        older = "dmoe-unet3d" if self.dims == 3 else "dmoe-vit"
        return unit_of(self.architecture or older)

    def driver(self, attribute: str) -> SweptDriver:
        """Return a driver by name.

        Raises
        ------
        AuditError
            When it was not swept.
        """
        for each in self.drivers:
            if each.name == attribute:
                return each
        swept = ", ".join(each.name for each in self.drivers)
        raise AuditError(f"{attribute} was not audited: {swept or 'nothing'} was")


@dataclass(frozen=True)
class Audited(Sequence[AuditedCase]):
    """A cohort that was audited: its cases in order, how, and what they tell."""

    cases: tuple[AuditedCase, ...]
    facts: AuditFacts
    summary: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What :func:`napari_dmoe.evaluation.counterfactual.summary.summarised` returns."""
    folder: Path | None = None
    """Where it lies."""

    def __len__(self) -> int:
        return len(self.cases)

    @overload
    def __getitem__(self, index: int) -> AuditedCase: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[AuditedCase]: ...

    def __getitem__(self, index: int | slice) -> AuditedCase | Sequence[AuditedCase]:
        return self.cases[index]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, in plain sentences."""
        return tuple(self.summary.get("sentences", ()))
