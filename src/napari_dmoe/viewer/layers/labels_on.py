"""Which labels lie on an image's pixels, in whatever order both are stored.

Knows no Qt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.places import on_voxels
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
