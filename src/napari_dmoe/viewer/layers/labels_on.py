"""Which labels lie on an image's pixels, in whatever order both are stored.

What is asked of their samples is a job's, which holds no layer: see :class:`Laid`.
Knows no Qt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.labels import fitting
from napari_dmoe.imaging.label_values import one_number_a_pixel
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage
from napari_dmoe.viewer.layers.placement import (
    LENGTH_UNIT,
    axis_names,
    in_order,
    in_world,
    same_grid,
    samples_of,
    to_image,
)

_ALIKE = 1e-5
"""Share of a pixel by which places may differ and be the same."""

CASE = "the truth"
"""What labels are called where a reader asks for the name of their case."""


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


def fits(image: Image, labels: Labels) -> bool:
    """Say whether labels lie on an image's pixels, however both are stored."""
    return same_grid(image, labels) or not why_not(labels, image)


def on_image(image: Image, layer: Labels, dims: int) -> SpatialImage:
    """Return labels that fit with the axes of their image, but for channels.

    They are not copied.

    Raises
    ------
    ImageError
        When the image cannot be used.
    """
    pixels, names = to_image(image, dims), axis_names(image, dims)
    flat = tuple(0 if name == CHANNEL_AXIS else slice(None) for name in names)
    axes = tuple(name for name in names if name != CHANNEL_AXIS)
    data = samples_of(layer)
    if not same_grid(image, layer):
        found = laid(layer, image)
        data = found.on_layer(found.aligned())
    return SpatialImage(data[flat], axes, pixels.affine, pixels.unit)


def worded(error: ValueError) -> str:
    """Return why labels are no truth, as the window says it."""
    return sentence(str(error).removeprefix(f"case {CASE}: "))


def sentence(text: str) -> str:
    """Return a message as a sentence."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
