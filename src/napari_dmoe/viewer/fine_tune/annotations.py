"""What is painted in labels, in words and as cases to train on.

Which labels belong to which image is settled in
:mod:`napari_dmoe.viewer.fine_tune.pairs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.places import on_voxels
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.label_values import foreground_value
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage
from napari_dmoe.viewer.layers.placement import (
    LENGTH_UNIT,
    axis_names,
    data_to_world,
    length_factors,
    same_grid,
    samples_of,
    to_image,
)

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.patient import Patient
    from napari_dmoe.training.cases.annotation import Annotation


def drivers_of(card: ModelCard, patient: Patient) -> tuple[str, str]:
    """Say the drivers' values, and why nothing can be learnt without any."""
    if not card.attributes:
        return "everybody alike", ""
    known = {a.label.lower(): a.value_of(patient) for a in card.attributes}
    said = ", ".join(f"{k} {_text(v)}" for k, v in known.items())
    if all(value is None for value in known.values()):
        return said, f"Enter the patient's {' or '.join(known)} in the Segment tab."
    return said, ""


def unknown_in_all(card: ModelCard, patients: Sequence[Patient]) -> str:
    """Say which driver is known of nobody, so that nothing would train its routers."""
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
        f"The {names} {be} known of no ticked image, but {drive} the model: enter the "
        "patient's in the Segment tab."
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


@dataclass(frozen=True)
class Painted:
    """Which labels are painted, and in how many frames."""

    values: frozenset[int]
    n_frames: int
    """Planes, or volumes for a 3D model, that are annotated."""


def look_through(placed: SpatialImage, dims: int, annotation: Annotation) -> Painted:
    """Look through labels; plane by plane, so that other threads have their turn.

    `placed` is what :func:`on_image` returns; the model sees `dims` axes at once.
    """
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
    return Content(said, has_foreground=bool(names))


def _no_class(label: int, card: ModelCard) -> str:
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(card.classes))
    return f"Label {label} stands for no class of the model: it has {listed}."


def annotated_frames(
    placed: SpatialImage, dims: int, annotation: Annotation
) -> list[int]:
    """Return the frames of an image that are annotated; one that has no others is."""
    frames = Frames(placed, SPATIAL_AXES[-dims:], upright=True)
    if len(frames) == 1:
        return [0]
    empty = 0 if annotation.unlabelled is None else annotation.unlabelled
    return [
        i for i in range(len(frames)) if (np.asarray(frames[i].data) != empty).any()
    ]


def fits(image: Image, labels: Labels) -> bool:
    """Say whether labels lie on an image's pixels, in whatever order both are stored.

    That of another order is told where both name their axes z, y and x.
    """
    return same_grid(image, labels) or _turned(image, labels) is not None


def _turned(image: Image, labels: Labels) -> SpatialImage | None:
    """Return labels of a volume's voxels, stored in another order, in the image's."""
    names, theirs = axis_names(image), axis_names(labels)
    if sorted(names) != sorted(SPATIAL_AXES) or sorted(theirs) != sorted(names):
        return None
    factors = [length_factors(layer, range(3)) for layer in (image, labels)]
    if (factors[0] is None) != (factors[1] is None):
        return None
    pixels, placed = (
        SpatialImage(samples_of(layer), axes, _in_mm(layer, each), LENGTH_UNIT)
        for layer, axes, each in zip(
            (image, labels), (names, theirs), factors, strict=True
        )
    )
    try:
        turned = on_voxels(placed, pixels)
    except CohortError:
        return None
    return turned if turned.spatial_shape == pixels.spatial_shape else None


def _in_mm(layer: Any, factors: list[float] | None) -> NDArray[np.float64]:
    affine = data_to_world(layer)
    affine[:-1] *= np.array(factors or [1.0, 1.0, 1.0])[:, np.newaxis]
    return affine


def on_image(image: Image, layer: Labels, dims: int) -> SpatialImage:
    """Return labels with the axes of their image, but for channels; not copied.

    Raises
    ------
    ImageError
        When the image cannot be used.
    """
    pixels, names = to_image(image, dims), axis_names(image, dims)
    flat = tuple(0 if name == CHANNEL_AXIS else slice(None) for name in names)
    axes = tuple(name for name in names if name != CHANNEL_AXIS)
    data = samples_of(layer)
    turned = None if same_grid(image, layer) else _turned(image, layer)
    if turned is not None:
        data = turned.data
    return SpatialImage(data[flat], axes, pixels.affine, pixels.unit)


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

    def cases(self, dims: int, annotation: Annotation) -> list[Case]:
        """Return a case for each annotated frame, labelled as it was painted."""
        along = SPATIAL_AXES[-dims:]
        images, labels = (
            Frames(each, along, upright=True) for each in (self.image, self.labels)
        )
        return [
            Case(
                str(self.number) if len(images) == 1 else f"{self.number}.{frame + 1}",
                images[frame],
                labels[frame],
                self.patient,
                phantom=self.phantom,
            )
            for frame in annotated_frames(self.labels, dims, annotation)
        ]
