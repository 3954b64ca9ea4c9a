"""Which images there are to segment: of a file, a folder, or a cohort's table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import TABLE, BadRow, CohortRow, read_rows
from napari_dmoe.imaging.files import IMAGE_SUFFIXES, image_stem, image_suffix
from napari_dmoe.patient import Patient


@dataclass(frozen=True)
class Entry:
    """One image to segment, not yet read."""

    name: str
    path: Path
    patient: Patient
    problem: CohortError | None = None
    """Why its row in the table cannot be understood."""


def entries_of(source: Path, patient: Patient | None = None) -> list[Entry]:
    """List images: of a file, a folder of them or with ``cohort.csv``, or such a table.

    Those without a table show `patient`; everything is unknown by default.

    Raises
    ------
    CohortError
        For a table that cannot be read at all, or a patient beside one. A row that
        cannot be understood has its problem with it, and stops no other.
    ValueError
        For a folder without images.
    """
    patient = patient or Patient()
    if source.suffix.lower() == ".csv" or (source / TABLE).is_file():
        if patient.known():
            raise CohortError(
                "a cohort's table gives each patient: leave out --sex, --race, --age, "
                "--severity and --attribute"
            )
        return [_entry(row) for row in read_rows(source)]
    if not source.is_dir():
        return [Entry(image_stem(source), source, patient)]
    paths = sorted(p for p in source.iterdir() if image_suffix(p) in IMAGE_SUFFIXES)
    if not paths:
        raise ValueError(f"{source.name} holds no image and no {TABLE}")
    return [Entry(image_stem(path), path, patient) for path in paths]


def _entry(row: CohortRow | BadRow) -> Entry:
    if isinstance(row, BadRow):
        return Entry(f"row {row.number}", Path(), Patient(), row.problem)
    return Entry(row.id, row.image, row.patient)
