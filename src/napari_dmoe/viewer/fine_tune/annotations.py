"""What is painted in labels, in words and as cases to train on.

Which labels belong to which image is settled in
:mod:`napari_dmoe.viewer.fine_tune.pairs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage
from napari_dmoe.viewer.layers.placement import axis_names, to_image
from napari_dmoe.viewer.session.checks import image_problem

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.patient import Patient
    from napari_dmoe.training.cases.annotation import Annotation

_LARGE = 50_000_000
"""Labels with more voxels are counted only when the training begins."""


def drivers_of(card: ModelCard | None, patient: Patient) -> tuple[str, str]:
    """Say the drivers' values, and why nothing can be learnt without any."""
    if card is None or not card.attributes:
        return "everybody alike", ""
    known = {a.label.lower(): patient.value(a.name) for a in card.attributes}
    said = ", ".join(f"{k} {_text(v)}" for k, v in known.items())
    if all(value is None for value in known.values()):
        return said, f"Enter the patient's {' or '.join(known)} in the Segment tab."
    return said, ""


def _text(value: str | float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else value


@dataclass(frozen=True)
class Content:
    """What labels hold.

    Parameters
    ----------
    said : str
        What is annotated, in words.
    problem : str
        Why nothing can be learnt from it; empty where it can.
    has_foreground : bool
        Whether anything but background is painted.
    """

    said: str = ""
    problem: str = ""
    has_foreground: bool = False


def content_of(
    image: Image,
    layer: Labels,
    card: ModelCard | None,
    annotation: Annotation,
    *,
    may_be_empty: bool = False,
) -> Content:
    """Say what of labels can be trained on.

    Parameters
    ----------
    image, layer : napari.layers.Image, napari.layers.Labels
        A pair of layers.
    card : ModelCard or None
        Names the classes.
    annotation : Annotation
        How the labels are to be read.
    may_be_empty : bool
        Whether nothing but background says that there is nothing to be found.
    """
    if card is None or image_problem(image, card.dims):
        return Content()
    data = layer.data[0] if layer.multiscale else layer.data
    if data.size > _LARGE:
        return Content("large: counted at Start", has_foreground=True)
    values = set(np.unique(np.asarray(data)).tolist())
    painted = values - {annotation.unlabelled}
    classes = {0 if v == annotation.background else v for v in painted}
    unknown = sorted(v for v in classes if not 0 <= v < len(card.classes))
    if unknown:
        return Content(problem=_no_class(unknown[0], card))
    names = [card.classes[v] for v in sorted(classes - {0})]
    said = ", ".join(names) or ("only background" if painted else "nothing")
    if not painted or (not names and not may_be_empty):
        return Content(said, f"Paint {' or '.join(card.classes[1:])} first.")
    n = len(annotated_frames(image, np.asarray(data), card.dims, annotation))
    if n > 1:
        said += f" · {n} {'frames' if card.dims == 2 else 'volumes'}"
    return Content(said, has_foreground=bool(names))


def _no_class(label: int, card: ModelCard) -> str:
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(card.classes))
    return f"Label {label} stands for no class of the model: it has {listed}."


def annotated_frames(
    image: Image, labels: NDArray[Any], dims: int, annotation: Annotation
) -> list[int]:
    """Return the frames of an image that are annotated; one that has no others is."""
    placed = _on_image(image, labels, dims)
    along = SPATIAL_AXES[-dims:]
    frames = Frames(placed, along)
    if len(frames) == 1:
        return [0]
    empty = 0 if annotation.unlabelled is None else annotation.unlabelled
    return [
        i for i in range(len(frames)) if (np.asarray(frames[i].data) != empty).any()
    ]


def _on_image(image: Image, labels: NDArray[Any], dims: int) -> SpatialImage:
    """Return labels with the axes of their image, but for channels."""
    pixels = to_image(image, dims)
    names = axis_names(image, dims)
    flat = tuple(0 if name == CHANNEL_AXIS else slice(None) for name in names)
    axes = tuple(name for name in names if name != CHANNEL_AXIS)
    return SpatialImage(labels[flat], axes, pixels.affine, pixels.unit)


def snapshot(
    image: Image,
    layer: Labels,
    patient: Patient,
    *,
    dims: int,
    number: int,
    annotation: Annotation,
) -> list[Case]:
    """Return a pair's cases as they are now: one for each annotated frame.

    Parameters
    ----------
    image, layer : napari.layers.Image, napari.layers.Labels
        A pair of layers; later painting changes nothing in the cases.
    patient : Patient
        Whom they show.
    dims : {2, 3}
        Axes that the model sees at once.
    number : int
        What to call the cases: no name of a layer leaves the viewer.
    annotation : Annotation
        How the labels are to be read; they are returned as they were painted.

    Raises
    ------
    ImageError
        When the image cannot be used.
    """
    data = np.array(layer.data[0] if layer.multiscale else layer.data)
    chosen = annotated_frames(image, data, dims, annotation)
    images, labels = (
        Frames(each, SPATIAL_AXES[-dims:])
        for each in (to_image(image, dims), _on_image(image, data, dims))
    )
    return [
        Case(
            str(number) if len(images) == 1 else f"{number}.{frame + 1}",
            images[frame],
            labels[frame],
            patient,
        )
        for frame in chosen
    ]
