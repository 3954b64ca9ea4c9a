"""Labels layers as the truth of an image: what they mean.

Reading takes long of large ones, so it is a job's, which holds no layer: see
:class:`napari_dmoe.viewer.layers.labels_on.Laid`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.label_values import compact
from napari_dmoe.imaging.spatial import (
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED
from napari_dmoe.viewer.layers import maps
from napari_dmoe.viewer.layers.label_meanings import by_name
from napari_dmoe.viewer.layers.labels_on import CASE, Laid, sentence, worded
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.names import TRUTH, layer_name
from napari_dmoe.viewer.layers.placement import LayerData

ClassMap = Mapping[int, int]
"""Which class each label stands for; -1 for what is not annotated."""

_NUMBERS = count(1)


@dataclass(frozen=True, eq=False)
class ReadTruth:
    """A truth as the classes of a model, or why it is none."""

    values: NDArray[Any] | None = None
    """(*S) classes along the axes of the image's layer; -1 and
    :data:`NOT_ANNOTATED` where the truth says nothing. None without a truth."""
    problem: str = ""
    """Why nothing can be compared with it."""
    notices: tuple[str, ...] = ()
    """What was decided when it was read."""
    lacks: frozenset[str] = frozenset()
    """Classes of the model that the truth knows nothing of."""
    number: int = field(default_factory=lambda: next(_NUMBERS), repr=False)

    @property
    def key(self) -> int:
        """Which reading it is: what is measured with it is remembered by it."""
        return 0 if self.values is None else self.number


NO_TRUTH = ReadTruth()
"""Of an image without a truth."""


def read_truth(
    given: Laid,
    classes: Sequence[str],
    *,
    names: Sequence[str] = (),
    classes_map: ClassMap | None = None,
) -> ReadTruth:
    """Read labels as the classes of a model; called in a job.

    Parameters
    ----------
    given : Laid
        The labels and their image.
    classes : sequence of str
        The model's classes, background first.
    names : sequence of str
        What the labels say that they are; nothing where they say nothing.
    classes_map : mapping of int to int, optional
        What a person said that each label stands for.
    """
    try:
        labels = given.aligned()
        values = given.on_layer(labels)
        if classes_map is not None:
            return ReadTruth(_mapped(values, classes_map))
        if names and tuple(names) != tuple(classes):
            return _by_name(values, names, classes)
        reading = LabelReading(classes, unlabelled=NOT_ANNOTATED, is_stated=False)
        read = reading.read(values, CASE)
        reading.check()
    except ValueError as error:
        return ReadTruth(problem=worded(error))
    said = (each.removesuffix(f" (case {CASE})") for each in reading.notices)
    return ReadTruth(read, notices=tuple(map(sentence, (*labels.notices, *said))))


def _mapped(values: NDArray[Any], classes_map: ClassMap) -> NDArray[np.int16]:
    mapped = np.full(values.shape, -1, np.int16)
    left = np.ones(values.shape, bool)
    for label, stands_for in classes_map.items():
        is_it = values == label
        mapped[is_it] = stands_for
        left &= ~is_it
    if left.any():
        others = ", ".join(map(str, np.unique(values[left]).tolist()[:5]))
        raise CohortError(f"nobody said what the labels {others} stand for")
    return mapped


def _by_name(
    values: NDArray[Any], names: Sequence[str], classes: Sequence[str]
) -> ReadTruth:
    """Read labels that are named; what the model has no class for is background.

    Raises
    ------
    CohortError
        When no name is that of a class.
    """
    if not set(names[1:]) & set(classes[1:]):
        raise CohortError(
            f"the truth shows {', '.join(names[1:]) or 'nothing'}, and the model "
            f"{', '.join(classes[1:])}: they have no class in common. Say below, under "
            "LABELS, what its labels stand for"
        )
    numbers = by_name(names, classes)
    others = [name for name in names[1:] if name not in classes[1:]]
    said = (f"Of the truth, {', '.join(others)} counts as background.",)
    lacks = frozenset(classes[1:]) - set(names)
    kept = {NOT_ANNOTATED: -1} if NOT_ANNOTATED not in numbers else {}
    read = _mapped(values, numbers | kept)
    return ReadTruth(read, notices=said if others else (), lacks=lacks)


def meant_by(
    names: Sequence[str], classes: Sequence[str], classes_map: ClassMap | None
) -> ClassMap | None:
    """Return the class that each label stands for as :func:`read_truth` reads them.

    None where labels are the classes of their number.
    """
    if classes_map is not None or not names or tuple(names) == tuple(classes):
        return classes_map
    return by_name(names, classes)


@dataclass(frozen=True)
class TruthFile:
    """The labels of a file on the pixels of an image."""

    path: Path
    values: NDArray[Any]
    """Along `axes`; as the classes of a model where they stand for them."""
    axes: tuple[str, ...]
    classes: tuple[str, ...] = ()
    """What they stand for; nothing where they are as they were read."""
    notices: tuple[str, ...] = ()
    """What was decided when they were read."""


def read_truth_file(
    path: Path,
    image: SpatialImage,
    names: tuple[str, ...],
    classes: Sequence[str],
) -> TruthFile:
    """Read a file of labels as the truth of an image; called in a job.

    The image's layer has the axes `names`. Labels that stand for none of the `classes`
    stay as they are.

    Raises
    ------
    ImageReadError
        When the file cannot be read.
    ValueError
        When its labels are not on the pixels of the image.
    """
    given = Laid(read_labels(path), image, names)
    try:
        labels = given.aligned()
    except ImageError:
        raise
    except ValueError as error:
        raise ValueError(f"{path.name} is no truth of this image: {error}") from error
    values = np.asarray(labels.data)
    if classes:
        read = read_truth(given, classes)
        if read.values is not None:
            own = _from(read.values, names, labels.axes)
            kept = compact(own).copy()
            return TruthFile(path, kept, labels.axes, tuple(classes), read.notices)
    return TruthFile(path, compact(values).copy(), labels.axes)


def _from(
    values: NDArray[Any], names: tuple[str, ...], axes: tuple[str, ...]
) -> NDArray[Any]:
    """Return values along the layer's axes along those of the labels again."""
    lacking = tuple(i for i, name in enumerate(names) if name not in axes)
    kept = [name for name in names if name in axes]
    flat = values.squeeze(lacking) if lacking else values
    return flat.transpose([kept.index(axis) for axis in axes])


def truth_layer(image: Image, read: TruthFile) -> LayerData:
    """Return the labels of a file as a layer on their image, in the mask's colours."""
    along = tuple(axis for axis in SPATIAL_AXES if axis in read.axes)
    sizes = dict(zip(read.axes, read.values.shape, strict=True))
    data, arguments, kind = maps.map_layer(
        image,
        read.values,
        mask_look(read.classes or ("background",)),
        axes=read.axes,
        grid=Grid.identity([sizes[axis] for axis in along]),
        name=layer_name(image.name, TRUTH),
    )
    if not read.classes:  # the colours of napari for labels that nobody named
        arguments = {k: v for k, v in arguments.items() if k not in _LOOKS}
    return data, arguments, kind


_LOOKS = ("colormap", "features")
