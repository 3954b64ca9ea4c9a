"""What one mask of an image measures, whatever axes it has besides the spatial ones.

Sizes are summed over the planes of a stack or a time series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.masks.agreement import LabelFrame
from napari_dmoe.inference.masks.measures import (
    ClassSize,
    CupToDisc,
    class_sizes,
    cup_to_disc,
    dice,
    frame_of,
)
from napari_dmoe.inference.results.segmentation import Segmentation


@dataclass(frozen=True)
class MaskMeasures:
    """Sizes in one mask.

    Parameters
    ----------
    sizes : tuple of ClassSize
        Area or volume of each class but the background.
    ratio : CupToDisc or None
        The cup-to-disc ratio; None for models without rim and cup, and for stacks.
    """

    sizes: tuple[ClassSize, ...]
    ratio: CupToDisc | None


def measure_mask(
    labels: NDArray[np.uint8], result: Segmentation, image: SpatialImage
) -> MaskMeasures:
    """Measure a mask that lies where a result's does.

    Parameters
    ----------
    labels : (*S) uint8 array
        The mask.
    result : Segmentation
        Says what its labels mean and where they lie.
    image : SpatialImage
        The image it was made from.
    """
    n_axes = len(result.grid.shape)
    affine = frame_of(image, n_axes) @ result.grid.to_source()
    flat = labels.reshape(-1, *labels.shape[-n_axes + 1 :])
    placed = SpatialImage(flat, SPATIAL_AXES[-n_axes:], affine, image.unit)
    ratio = cup_to_disc(labels, result.classes)
    return MaskMeasures(tuple(class_sizes(placed, result.classes)), ratio)


def class_dice(
    first: NDArray[np.uint8], second: NDArray[np.uint8], n_classes: int
) -> tuple[float, ...]:
    """Return the Dice of two masks for each class but the background.

    NaN where neither mask has the class.
    """
    return tuple(dice(first == k, second == k) for k in range(1, n_classes))


def label_frame(result: Segmentation, image: SpatialImage) -> LabelFrame:
    """Return what a result's labels mean, and how large a pixel of them is."""
    n_axes = len(result.grid.shape)
    one = np.zeros((1,) * len(result.axes), np.uint8)
    names = ("pixel",) * 2
    affine = frame_of(image, n_axes) @ result.grid.to_source()
    flat = SpatialImage(
        one.reshape((1,) * n_axes) + 1, SPATIAL_AXES[-n_axes:], affine, image.unit
    )
    (size,) = class_sizes(flat, names)
    return LabelFrame(result.axes, result.grid, result.classes, size.size, size.unit)
