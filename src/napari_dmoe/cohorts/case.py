"""One image with its labels and its patient, and selections of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

from napari_dmoe.attributes import is_unknown
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.patient import Patient


class CohortError(ValueError):
    """A cohort cannot be read or written, or its labels do not fit."""


@dataclass(frozen=True)
class Case:
    """One image with what is known of it."""

    id: str
    """Unique in its cohort. Not a patient's identifier."""
    image: SpatialImage
    labels: SpatialImage | None
    """Integers on the image's grid, stored in any order where both say where they lie;
    None where there are none."""
    patient: Patient
    """Whom it shows."""
    subject: str | None = None
    """What other cases of the same patient or lesion share; None where nobody says.
    It keeps them on one side of a split, and is shown or written nowhere but there, and
    in the table of a cohort that is written."""
    phantom: str | None = None
    """Kind of phantom that the image was drawn as; None where it is not known to be
    one."""
    is_altered: bool = False
    """Whether a phantom has other labels, or values of its patient, than were drawn."""
    marks: tuple[str, ...] = ()
    """By what its patient and its lesion are known again in another table; treated like
    the subject."""

    def __post_init__(self) -> None:
        """Take numbers, and what tables have for "not known", as a subject."""
        told = None if is_unknown(self.subject) else str(self.subject)
        object.__setattr__(self, "subject", told)

    def __repr__(self) -> str:
        """Show neither whose case it is nor what it shows: that would end in logs."""
        return f"Case(image={self.image!r}, labels={self.labels!r})"


class CaseRow(Protocol):
    """What is known of a case before its files are read; each layout has its own."""

    @property
    def number(self) -> int:
        """Row of the table, whose header is row 1; line of a list, from 1."""

    @property
    def id(self) -> str:
        """The case's id, unique in its cohort."""

    @property
    def image(self) -> Path:
        """Its image's file; ``Path()`` where it has none."""

    @property
    def labels(self) -> Path | None:
        """Its truth's file, if there is one."""

    @property
    def prediction(self) -> Path | None:
        """The file of a mask that a model made of it, where its table names one."""

    @property
    def patient(self) -> Patient:
        """Whom it shows; it may be read from a file when it is asked for."""

    @property
    def subject(self) -> str | None:
        """As in :class:`Case`."""

    @property
    def marks(self) -> tuple[str, ...]:
        """As in :class:`Case`."""

    @property
    def further(self) -> Mapping[str, str]:
        """What stands in columns that are not used."""

    def read(self) -> Case:
        """Read the image and the truth.

        Raises
        ------
        CohortError
            When there is no image, or one of its files cannot be used.
        """

    def read_labels(self) -> SpatialImage:
        """Read the truth alone, of whole numbers; no image is needed.

        Raises
        ------
        CohortError
            When there is none, or it cannot be used.
        """


@dataclass(frozen=True)
class Selection(Sequence[Case]):
    """Some cases of a cohort by their places; each is read when it is asked for."""

    cases: Sequence[Case]
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> Selection: ...

    def __getitem__(self, index: int | slice) -> Case | Selection:
        if isinstance(index, slice):
            return Selection(self.cases, self.places[index])
        return self.cases[self.places[index]]
