"""Corrected cases in a private folder: how they travel to the process that trains.

A folder that only its owner can open, deleted when the session is over. Of a patient it
holds what drives the model, and a sealed mark by which a guard's cases of the same
patient are recognised, and nothing else; no name of a layer or file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.disk.claims import refuse_beyond_disk
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.card import ModelCard
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.cases.annotation import (
    Annotation,
    TrainingError,
    read_classes,
)
from napari_dmoe.training.guarding.sameness import sealed

_OWNER_ONLY = 0o700
_PARTS = ("image", "labels")


def annotated_case(case: Case, card: ModelCard, annotation: Annotation) -> Case:
    """Return a case as training reads it, with nothing of the patient but the drivers.

    Parameters
    ----------
    case : Case
        An image with labels as they were painted.
    card : ModelCard
        Names the classes and the drivers.
    annotation : Annotation
        How the labels are to be read.

    Returns
    -------
    Case
        Its labels are classes, and 255 where nothing is annotated. Its subject can be
        recognised, but not read.

    Raises
    ------
    CohortError, TrainingError
        For labels that cannot be trained on; the message says why.
    """
    image, axes, n = case.image, case.image.spatial_axes, len(card.classes)
    classes = read_classes(case, axes, n_classes=n, annotation=annotation)
    labels = SpatialImage(classes, axes, image.affine, image.unit)
    drivers = {a.name: a.value_of(case.patient) for a in card.attributes}
    subject = sealed(case.subject)
    patient = Patient.from_values(drivers)
    drawn, marks = (case.phantom, case.is_altered), _sealed(case.marks)
    return Case(case.id, image, labels, patient, subject, *drawn, marks)


def write_cases(
    folder: Path, cases: Sequence[Case], *, progress: ProgressHook = silent
) -> None:
    """Write cases into a folder that only its owner can open.

    Parameters
    ----------
    folder : Path
        Where to; made where it does not exist.
    cases : sequence of Case
        See :func:`annotated_case`. Lazy images are read here.
    progress : callable
        Told after every case.

    Raises
    ------
    FolderError
        When the disk has no room for them; nothing is written.
    OSError
        When the folder cannot be written.
    """
    folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
    refuse_beyond_disk(folder, sum(map(_n_bytes, cases)))
    for number, case in enumerate(cases, start=1):
        facts: dict[str, Any] = {"id": case.id, "patient": case.patient.stated()}
        facts |= {"subject": sealed(case.subject), "phantom": case.phantom}
        facts |= {"altered": case.is_altered, "marks": _sealed(case.marks)}
        arrays: dict[str, Any] = {}
        for name in _PARTS:
            part: SpatialImage | None = getattr(case, name)
            if part is None:
                raise TrainingError(f"case {case.id} has no labels")
            arrays[name], arrays[f"{name}_affine"] = in_memory(part.data), part.affine
            facts[name] = {"axes": part.axes, "unit": part.unit}
        with atomic_path(free_path(folder)) as partial:
            np.savez(partial, facts=np.array(json.dumps(facts)), **arrays)
        progress(Progress(number, len(cases), "handing the cases over"))


def _sealed(marks: Sequence[str]) -> tuple[str, ...]:
    return tuple(filter(None, map(sealed, marks)))


def _n_bytes(case: Case) -> int:
    """Return what the samples of a case take, without reading them."""
    parts = (part.data for part in (case.image, case.labels) if part is not None)
    return sum(math.prod(data.shape) * data.dtype.itemsize for data in parts)


def free_path(folder: Path) -> Path:
    """Return the file of the next case of a folder."""
    last = max((int(path.stem) for path in folder.glob("*.npz")), default=0)
    return folder / f"{last + 1:04d}.npz"


@dataclass(frozen=True)
class StoredCases(Sequence[Case]):
    """Cases of such folders, read each time they are asked for.

    Parameters
    ----------
    paths : tuple of Path
        One file a case.
    """

    paths: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path) -> StoredCases:
        """Return the cases of one folder; none where it does not exist."""
        return cls(tuple(sorted(folder.glob("*.npz"))))

    def only(self, ids: Sequence[str]) -> StoredCases:
        """Return those whose ids are among some."""
        kept = [p for p, i in zip(self.paths, self.ids(), strict=True) if i in ids]
        return StoredCases(tuple(kept))

    def ids(self) -> tuple[str, ...]:
        """Return the ids, without reading the images."""
        return tuple(str(_facts(path)["id"]) for path in self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Case: ...

    @overload
    def __getitem__(self, index: slice) -> StoredCases: ...

    def __getitem__(self, index: int | slice) -> Case | StoredCases:
        if isinstance(index, slice):
            return StoredCases(self.paths[index])
        return _read(self.paths[index])

    def __iter__(self) -> Iterator[Case]:
        return (_read(path) for path in self.paths)


def _facts(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        facts: dict[str, Any] = json.loads(str(stored["facts"]))
    return facts


def _read(path: Path) -> Case:
    facts = _facts(path)
    with np.load(path, allow_pickle=False) as stored:
        image, labels = (
            SpatialImage(
                stored[name],
                tuple(facts[name]["axes"]),
                stored[f"{name}_affine"],
                facts[name]["unit"],
            )
            for name in _PARTS
        )
    patient = Patient.from_values(facts["patient"])
    known = (facts.get("subject"), facts.get("phantom"), facts.get("altered", False))
    marks = tuple(facts.get("marks", ()))
    return Case(facts["id"], image, labels, patient, *known, marks)
