"""What a mask measures, in the plane that the viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.measures import (
    ClassSize,
    CupToDisc,
    class_sizes,
    cup_to_disc,
)
from napari_dmoe.inference.segmentation import Segmentation
from napari_dmoe.viewer.layers import (
    LENGTH_UNIT,
    axis_names,
    data_to_world,
    length_factors,
)


@dataclass(frozen=True)
class Measured:
    """Sizes of one plane of a mask.

    Parameters
    ----------
    sizes : tuple of ClassSize
        Area of each class but the background.
    ratio : CupToDisc or None
        The cup-to-disc ratio, for models with rim and cup.
    """

    sizes: tuple[ClassSize, ...]
    ratio: CupToDisc | None


def measure(
    labels: NDArray[Any], source: Image, result: Segmentation, *, step: Sequence[int]
) -> Measured:
    """Measure the plane of a mask that the viewer shows.

    Parameters
    ----------
    labels : array
        Mask in the order of the source layer's axes.
    source : napari.layers.Image
        The layer it was computed from.
    result : Segmentation
        The result it belongs to; gives the grid and the classes.
    step : sequence of int
        Index along each axis of the layer; those of y and x are ignored.
    """
    plane = shown_plane(labels, source, step)
    affine = plane_affine(source) @ result.grid.to_source()
    is_length = length_factors(source, _plane_axes(source)) is not None
    image = SpatialImage(plane, ("y", "x"), affine, LENGTH_UNIT if is_length else None)
    return Measured(
        tuple(class_sizes(image, result.classes)), cup_to_disc(plane, result.classes)
    )


def plane_affine(layer: Image) -> NDArray[np.float64]:
    """Return a (3, 3) affine with the true lengths and angles of a plane's pixels.

    A plane of a rotated stack is no plane of the world's y and x. Lengths and areas
    only need the plane's own geometry.
    """
    axes = _plane_axes(layer)
    factors = length_factors(layer, axes)
    sides = data_to_world(layer)[:-1, axes] * (factors[0] if factors else 1.0)
    affine = np.eye(3)
    affine[:-1, :-1] = np.linalg.cholesky(sides.T @ sides).T
    return affine


def shown_plane(
    labels: NDArray[Any], source: Image, step: Sequence[int]
) -> NDArray[Any]:
    """Return the plane along y and x of a mask that the viewer shows.

    Parameters
    ----------
    labels : array
        Mask in the order of the source layer's axes.
    source : napari.layers.Image
        Its source.
    step : sequence of int
        Index along each axis of the layer; those of y and x are ignored.
    """
    names = axis_names(source)
    place = tuple(
        slice(None) if name in ("y", "x") else min(max(int(i), 0), n - 1)
        for name, i, n in zip(names, step, labels.shape, strict=True)
    )
    plane = np.asarray(labels[place])
    return plane if names.index("y") < names.index("x") else plane.T


def _plane_axes(layer: Image) -> list[int]:
    names = axis_names(layer)
    return [names.index("y"), names.index("x")]
