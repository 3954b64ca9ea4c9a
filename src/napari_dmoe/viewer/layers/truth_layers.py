"""Labels layers as the truth of an image: whether they fit, and what they mean.

Reading takes long of large ones, so it is a job's, which holds no layer: see
:class:`Laid`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.cohorts.labels import fitting
from napari_dmoe.imaging.files import read_labels
from napari_dmoe.imaging.label_values import compact, one_number_a_pixel
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    ImageError,
    SpatialImage,
)
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED
from napari_dmoe.viewer.layers import maps
from napari_dmoe.viewer.layers.label_meanings import by_name
from napari_dmoe.viewer.layers.look import mask_look
from napari_dmoe.viewer.layers.names import TRUTH, layer_name
from napari_dmoe.viewer.layers.placement import (
    LENGTH_UNIT,
    LayerData,
    axis_names,
    in_order,
    in_world,
    to_image,
)

ClassMap = Mapping[int, int]
"""Which class each label stands for; -1 for what is not annotated."""

_ALIKE = 1e-5
"""Share of a pixel by which places may differ and be the same."""
_CASE = "the truth"
_NUMBERS = count(1)


@dataclass(frozen=True)
class Laid:
    """Labels and the image that they belong to, without their layers."""

    labels: SpatialImage
    image: SpatialImage
    names: tuple[str, ...]
    """The axes of the image's layer."""

    def on_layer(self, labels: SpatialImage) -> NDArray[Any]:
        """Return what :meth:`aligned` gave along the axes of the image's layer.

        Axes that it lacks, such as that of channels, have one sample.
        """
        return in_order(self.names, np.asarray(labels.data), axes=labels.axes)

    def aligned(self) -> SpatialImage:
        """Return the labels as the image's pixels run; not copied where possible.

        Raises
        ------
        ValueError
            When they are not on the image's pixels; the message says why.
        """
        labels, image = one_number_a_pixel(self.labels, self.image.axes), self.image
        further = [a for a in image.axes if a not in (*SPATIAL_AXES, CHANNEL_AXIS)]
        if not further and labels.axes == labels.spatial_axes:
            return fitting(labels, image)
        sizes = dict(zip(image.axes, image.data.shape, strict=True))
        own = dict(zip(labels.axes, labels.data.shape, strict=True))
        wanted = {name: n for name, n in sizes.items() if name != CHANNEL_AXIS}
        if own != wanted:
            raise CohortError(
                f"the labels have {_listed(own)} pixels, but the image has "
                f"{_listed(wanted)}"
            )
        if labels.unit is not None and image.unit is not None:
            theirs, ours = labels.affine_along(image.spatial_axes), image.affine
            pixel = float(np.linalg.norm(ours[:-1, :-1], axis=0).min())
            if not np.allclose(theirs, ours, rtol=0, atol=pixel / 2):
                raise CohortError("the labels lie elsewhere than the image")
        order = tuple(name for name in image.axes if name in own)
        data = np.asarray(labels.data).transpose([labels.axes.index(a) for a in order])
        return replace(labels, data=data, axes=order, affine=image.affine)


def _listed(sizes: Mapping[str, int]) -> str:
    return " × ".join(f"{n} ({name})" for name, n in sizes.items())


def seen_image(image: Image) -> tuple[SpatialImage, tuple[str, ...]]:
    """Return an image with its place, and the names of its layer's axes.

    Without a name the axis before y and x is z: where labels lie counts, too.

    Raises
    ------
    ImageError
        As :func:`napari_dmoe.viewer.layers.placement.to_image` raises it.
    """
    dims = min(image.ndim, 3)
    return to_image(image, dims, channel=None), axis_names(image, dims)


def laid(labels: Labels, image: Image) -> Laid:
    """Return labels and an image that may belong together.

    Raises
    ------
    ValueError
        When the labels lie elsewhere than the image.
    """
    seen, names = seen_image(image)
    dims = min(image.ndim, 3)
    own = axis_names(labels, dims)
    is_named = {"y", "x"} <= {str(name).strip().lower() for name in labels.axis_labels}
    if not is_named and labels.ndim == len(names):
        own = names  # nobody named its axes: they are the image's
    affine, unit = in_world(labels, own)
    data = labels.data[0] if labels.multiscale else labels.data
    placed = SpatialImage(data, own, affine, unit)
    return Laid(*_in_one_world(placed, seen), names)


def _in_one_world(
    labels: SpatialImage, image: SpatialImage
) -> tuple[SpatialImage, SpatialImage]:
    """Return both so that their places can be compared, or as they are stored.

    Labels that state no place are taken for the image's own pixels.
    """
    if labels.unit is not None and image.unit is not None:
        return labels, image
    if set(labels.spatial_axes) != set(image.spatial_axes):
        return labels, image
    along = labels.affine_along(image.spatial_axes)
    if labels.unit is None and np.array_equal(along, np.eye(len(along))):
        return replace(labels, unit=None), image
    is_there = np.allclose(along, image.affine, rtol=0, atol=_ALIKE)
    if not (labels.unit is image.unit is None) and not is_there:
        raise CohortError("the labels lie elsewhere than the image")
    # Pixels of the viewer's world are lengths to compare places by.
    return replace(labels, unit=LENGTH_UNIT), replace(image, unit=LENGTH_UNIT)


def why_not(labels: Labels, image: Image) -> str:
    """Say why labels cannot be the truth of an image; nothing where they can.

    No sample of them is read.
    """
    try:
        found = laid(labels, image)
        nothing = np.broadcast_to(np.uint8(0), found.labels.data.shape)
        replace(found, labels=replace(found.labels, data=nothing)).aligned()
    except ValueError as error:
        return worded(error)
    return ""


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
        read = reading.read(values, _CASE)
        reading.check()
    except ValueError as error:
        return ReadTruth(problem=worded(error))
    said = (each.removesuffix(f" (case {_CASE})") for each in reading.notices)
    return ReadTruth(read, notices=tuple(map(_sentence, (*labels.notices, *said))))


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


def worded(error: ValueError) -> str:
    """Return why labels are no truth, as the window says it."""
    return _sentence(str(error).removeprefix(f"case {_CASE}: "))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


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
