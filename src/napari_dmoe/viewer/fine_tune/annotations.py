"""What is painted in labels, in words and as cases to train on.

Which labels belong to which image is settled in
:mod:`napari_dmoe.viewer.fine_tune.pairs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.labels import OUTSIDE
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.label_values import foreground_value
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.viewer.layers.label_meanings import NOTHING

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.patient import Patient
    from napari_dmoe.training.cases.annotation import Annotation


def drivers_of(card: ModelCard, patient: Patient) -> str:
    """Say the drivers' values."""
    if not card.attributes:
        return "everybody alike"
    known = {a.label.lower(): a.value_of(patient) for a in card.attributes}
    return ", ".join(f"{k} {_text(v)}" for k, v in known.items())


def unknown_in_all(card: ModelCard, patients: Sequence[Patient]) -> str:
    """Say which driver is known of nobody, so that nothing trains its routers."""
    absent = [
        each.label.lower()
        for each in card.attributes
        if all(each.value_of(patient) is None for patient in patients)
    ]
    if not absent:
        return ""
    names = " and ".join(absent)
    be, drive = ("is", "drives") if len(absent) == 1 else ("are", "drive")
    return (
        f"The {names} {be} known of no ticked image, but {drive} the model: nothing is "
        "learnt of its values. Enter the patient's in the Segment tab, if you know it."
    )


def nothing_to_route_by(card: ModelCard, patients: Sequence[Patient]) -> str:
    """Say why routers alone cannot be tuned: no driver is known of anybody."""
    known = (a.value_of(p) is not None for a in card.attributes for p in patients)
    if not card.attributes or any(known):
        return ""
    names = " or ".join(each.label.lower() for each in card.attributes)
    return (
        f"Routers learn only where the {names} is known: enter the patient's in the "
        "Segment tab, or tune the decoder, too."
    )


def _text(value: str | float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else value


@dataclass(frozen=True)
class Content:
    """What labels hold, in words."""

    said: str = ""
    problem: str = ""
    """Why nothing can be learnt from it; empty where it can."""
    has_foreground: bool = False
    """Whether anything but background is painted."""
    n_frames: int = 1
    """In how many planes, or volumes for a 3D model."""


@dataclass(frozen=True)
class Painted:
    """Which labels are painted, and in how many frames."""

    values: frozenset[int]
    n_frames: int
    """Planes, or volumes for a 3D model, that are annotated."""


def look_through(
    placed: SpatialImage,
    dims: int,
    annotation: Annotation,
    meanings: Mapping[int, int] | None = None,
) -> Painted:
    """Look through labels; plane by plane, so that other threads have their turn.

    `placed` is what :func:`on_image` returns; the model sees `dims` axes at once. What
    a person said of labels is in `meanings`.
    """
    placed = as_meant(placed, annotation, meanings)
    parts = np.atleast_2d(in_memory(placed.data))
    values = frozenset(int(v) for part in parts for v in np.unique(part))
    return Painted(values, len(annotated_frames(placed, dims, annotation)))


def content_of(
    found: Painted,
    card: ModelCard,
    annotation: Annotation,
    *,
    may_be_empty: bool = False,
) -> Content:
    """Say what of labels can be trained on.

    Where they `may_be_empty`, nothing but background says that there is nothing to be
    found.
    """
    values = found.values - {annotation.unlabelled}
    classes = {0 if v == annotation.background else v for v in values}
    white = foreground_value(classes) if len(card.classes) == 2 else None
    if white is not None and annotation.background == 0:
        classes = {1 if v == white else v for v in classes}
    unknown = sorted(v for v in classes if not 0 <= v < len(card.classes))
    if unknown:
        return Content(problem=_no_class(unknown[0], card))
    names = [card.classes[v] for v in sorted(classes - {0})]
    said = ", ".join(names) or ("only background" if values else "nothing")
    if white is not None and names:
        said += f" (label {white})"
    if not values or (not names and not may_be_empty):
        return Content(said, f"Paint {' or '.join(card.classes[1:])} first.")
    n = found.n_frames
    if n > 1:
        said += f" · {n} {'frames' if card.dims == 2 else 'volumes'}"
    return Content(said, has_foreground=bool(names), n_frames=max(1, n))


def _no_class(label: int, card: ModelCard) -> str:
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(card.classes))
    return (
        f"Label {label} stands for no class of the model: it has {listed}. Say what it "
        "is below the result, under LABELS."
    )


def annotated_frames(
    placed: SpatialImage, dims: int, annotation: Annotation
) -> list[int]:
    """Return the frames of an image that are annotated; one that has no others is."""
    frames = Frames(placed, SPATIAL_AXES[-dims:], upright=True)
    if len(frames) == 1:
        return [0]
    empty = 0 if annotation.unlabelled in (None, OUTSIDE) else annotation.unlabelled
    return [
        i for i in range(len(frames)) if (np.asarray(frames[i].data) != empty).any()
    ]


def as_meant(
    placed: SpatialImage, annotation: Annotation, meanings: Mapping[int, int] | None
) -> SpatialImage:
    """Return labels as a person said that they are to be read.

    Parameters
    ----------
    placed : SpatialImage
        Labels as they were painted.
    annotation : Annotation
        How they are read otherwise.
    meanings : mapping of int to int, optional
        Which class each label stands for, or that it is not annotated; labels that are
        not in it stay.
    """
    if not meanings:
        return placed
    nothing = OUTSIDE if annotation.unlabelled is None else annotation.unlabelled
    values = np.array(in_memory(placed.data), np.int32)
    found = values.copy()
    for label, stands_for in meanings.items():
        if label == stands_for:
            continue
        number = annotation.background if stands_for == 0 else stands_for
        values[found == label] = nothing if stands_for == NOTHING else number
    return replace(placed, data=values)


def copied(placed: SpatialImage) -> SpatialImage:
    """Return the same, of samples that nobody paints on."""
    return replace(placed, data=np.array(in_memory(placed.data)))


@dataclass(frozen=True)
class Snapshot:
    """A pair as it is now: later painting changes nothing in it."""

    image: SpatialImage
    labels: SpatialImage
    """A copy, on the image's pixels."""
    patient: Patient
    number: int
    """What to call the cases: no name of a layer leaves the viewer."""
    phantom: str | None = None
    """Kind of phantom that the image was drawn as; None where it may be a real one."""
    meanings: Mapping[int, int] | None = None
    """Which class each label stands for, where a person said it."""

    def cases(self, dims: int, annotation: Annotation) -> list[Case]:
        """Return a case for each annotated frame, labelled as it was painted."""
        along = SPATIAL_AXES[-dims:]
        meant = as_meant(self.labels, annotation, self.meanings)
        images, labels = (
            Frames(each, along, upright=True) for each in (self.image, meant)
        )
        return [
            Case(
                str(self.number) if len(images) == 1 else f"{self.number}.{frame + 1}",
                images[frame],
                labels[frame],
                self.patient,
                phantom=self.phantom,
            )
            for frame in annotated_frames(meant, dims, annotation)
        ]
