"""Rows of a cohort's table: whom they show, and how their files are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.drawn import as_drawn
from napari_dmoe.cohorts.labels import fitting, whole_labels
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.cohorts.tables.refusals import RowError
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.patient import Patient
from napari_dmoe.purpose import reason

FILE_COLUMNS = ("id", "image", "labels")
"""Columns that are no attributes of the patient."""


@dataclass(frozen=True, slots=True)
class CohortRow:
    """One row of a cohort's table, its files not yet read."""

    number: int
    """As spreadsheets count: the header is row 1."""
    id: str
    """The case's id; of the image's path or name where the table gives none."""
    image: Path
    labels: Path | None
    patient: Patient
    subject: str | None = None
    """As in :class:`~napari_dmoe.cohorts.case.Case`."""
    marks: tuple[str, ...] = ()
    """As there."""
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What stands in columns that are not used, by the names that the table gives
    them; see :meth:`~napari_dmoe.cohorts.tables.columns.Columns.further`."""
    prediction: Path | None = None
    """The file of a mask that a model made of it."""

    def __repr__(self) -> str:
        """Show the row alone, and nothing that stands in it."""
        return f"CohortRow(number={self.number})"

    def read(self) -> Case:
        """Read the files.

        Raises
        ------
        CohortError
            When a file cannot be read, or labels are no whole numbers, one a pixel of
            the image, or lie elsewhere than the image.
        """
        if self.image == Path():
            raise CohortError(
                f"row {self.number}: no image is named, so only its masks can be read"
            )
        image = self._file(self.image, read_image)
        drawn = as_drawn(self.image, self.labels, self.patient)
        known = self.patient, self.subject, *drawn, self.marks
        if self.labels is None:
            return Case(self.id, image, None, *known)
        labels = self._file(self.labels, read_labels)
        try:
            placed = fitting(labels, image)
            return Case(self.id, image, placed, *known)
        except CohortError as error:
            raise CohortError(
                f"row {self.number}: {self.labels.name}: {error}"
            ) from error

    def read_labels(self) -> SpatialImage:
        """Read the truth alone, of whole numbers, as it is stored.

        Raises
        ------
        CohortError
            When there is none, or it is no whole numbers, one a pixel.
        """
        if self.labels is None:
            raise CohortError(f"row {self.number}: no labels are named")
        labels = self._file(self.labels, read_labels)
        try:
            return whole_labels(labels)
        except CohortError as error:
            raise CohortError(
                f"row {self.number}: {self.labels.name}: {error}"
            ) from error

    def _file(self, path: Path, read: Callable[[Path], SpatialImage]) -> SpatialImage:
        try:
            return read(path)
        except (OSError, ImageError) as error:
            raise CohortError(
                f"row {self.number}: {path.name} cannot be read: {reason(error)}"
            ) from error


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be understood, counted as in :class:`CohortRow`."""

    number: int
    problem: RowError
    id: str = ""
    """The case's id, where the row tells it, as for a good row."""
    image: Path = Path()
    """The image's file, where the row tells it; it may not exist."""
    further: Mapping[str, str] = field(default_factory=dict, hash=False)
    """As for a good row."""
    also: tuple[RowError, ...] = ()
    """What else is wrong with it."""

    def __repr__(self) -> str:
        """Show what is wrong with which row, and nothing that stands in it."""
        return f"BadRow(number={self.number}, problem={self.problem!r})"

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with it."""
        return tuple(p for each in (self.problem, *self.also) for p in each.problems)
