"""A row of a cohort whose model is run for another patient than it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_dmoe.cohorts.case import Case, CaseRow
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient


@dataclass(frozen=True)
class RunAs:
    """A row whose model is run for another patient than it shows."""

    row: CaseRow
    patient: Patient

    def __repr__(self) -> str:
        """Show the row alone."""
        return f"RunAs({self.row!r})"

    @property
    def number(self) -> int:
        """As of the row; so is all that follows."""
        return self.row.number

    @property
    def id(self) -> str:
        """The case's id."""
        return self.row.id

    @property
    def image(self) -> Path:
        """Its image's file."""
        return self.row.image

    @property
    def labels(self) -> Path | None:
        """Its truth's file."""
        return self.row.labels

    @property
    def prediction(self) -> Path | None:
        """The file of a mask."""
        return self.row.prediction

    @property
    def subject(self) -> str | None:
        """What cases of one patient or lesion share."""
        return self.row.subject

    @property
    def marks(self) -> tuple[str, ...]:
        """By what patient and lesion are known again."""
        return self.row.marks

    @property
    def further(self) -> Mapping[str, str]:
        """What stands in columns that are not used."""
        return self.row.further

    def read(self) -> Case:
        """Read the image and the truth."""
        return replace(self.row.read(), patient=self.patient)

    def read_labels(self) -> SpatialImage:
        """Read the truth alone."""
        return self.row.read_labels()
