"""What a mask measures: area or volume per class, and the cup-to-disc ratio.

A mask may have axes besides the spatial ones: sizes are summed over the planes of a
stack or a time series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.units import MM3_PER_ML
from napari_dmoe.inference.masks.agreement import LabelFrame
from napari_dmoe.inference.results.segmentation import Segmentation


@dataclass(frozen=True)
class ClassSize:
    """How large one class is."""

    name: str
    """Name of the class."""
    n_pixels: int
    """Pixels or voxels with its label."""
    size: float
    """Area or volume in `unit`."""
    unit: str
    """``"mm²"``, ``"mL"``, another unit squared or cubed, or ``"px"`` where the pixel
    size is not known."""


@dataclass(frozen=True)
class CupToDisc:
    """Cup-to-disc ratio, the disc being rim and cup together."""

    area: float
    """Ratio of the areas; NaN where there is no disc."""
    vertical: float
    """Ratio of the vertical extents (along y); NaN where there is no disc."""


def class_sizes(labels: SpatialImage, classes: Sequence[str]) -> list[ClassSize]:
    """Measure every class but the background.

    Parameters
    ----------
    labels : SpatialImage
        Integer labels along spatial axes only; its affine gives the pixel size.
    classes : sequence of str
        Class names, background first.

    Returns
    -------
    list of ClassSize
        One entry per class, in order.
    """
    if set(labels.axes) - set(SPATIAL_AXES):
        raise ValueError(f"measure one image at a time: found axes {labels.axes}")
    counts = label_counts(np.asarray(labels.data), len(classes))
    pixel, unit = _pixel_size(labels.affine, labels.unit)
    return [
        ClassSize(name, int(counts[i]), float(counts[i]) * pixel, unit)
        for i, name in enumerate(classes)
        if i > 0
    ]


def _pixel_size(affine: NDArray[np.float64], unit: str | None) -> tuple[float, str]:
    """Return the area or volume of a pixel, and its unit as in :class:`ClassSize`."""
    if unit is None:
        return 1.0, "px"
    pixel, n_axes = abs(float(np.linalg.det(affine[:-1, :-1]))), len(affine) - 1
    if n_axes == 3 and unit == "mm":
        return pixel / MM3_PER_ML, "mL"
    return pixel, unit + ("³" if n_axes == 3 else "²")


def label_counts(labels: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Count the pixels of the first n labels, row by row or plane by plane.

    ``np.bincount`` of all at once would take eight times a large mask's memory, and
    lets no other thread run meanwhile.
    """
    counts = np.zeros(n, np.int64)
    for part in np.atleast_2d(labels):
        counts += np.bincount(part.ravel(), minlength=n)[:n]
    return counts


def cup_to_disc(
    labels: NDArray[np.integer], classes: Sequence[str]
) -> CupToDisc | None:
    """Measure the cup-to-disc ratio of one fundus mask.

    Parameters
    ----------
    labels : (H, W) integer array
        Labels.
    classes : sequence of str
        Class names; ``rim`` and ``cup`` must be among them.

    Returns
    -------
    CupToDisc or None
        The ratios; None for models without rim and cup.
    """
    names = list(classes)
    if labels.ndim != 2 or not {"rim", "cup"} <= set(names):
        return None
    cup = labels == names.index("cup")
    disc = cup | (labels == names.index("rim"))
    if not disc.any():
        return CupToDisc(math.nan, math.nan)
    heights = [float(_extent(mask.any(1))) for mask in (cup, disc)]
    return CupToDisc(float(cup.sum()) / float(disc.sum()), heights[0] / heights[1])


def _extent(is_there: NDArray[np.bool_]) -> int:
    found = np.flatnonzero(is_there)
    return int(found[-1] - found[0] + 1) if len(found) else 0


def frame_of(labels: SpatialImage, n_axes: int) -> NDArray[np.float64]:
    """Return an affine with the true lengths and angles of the last spatial axes.

    A plane of a rotated stack is no plane of the world's y and x.

    Parameters
    ----------
    labels : SpatialImage
        An image.
    n_axes : int
        How many of x, y, z make a frame: 2 or 3.
    """
    along = SPATIAL_AXES[-n_axes:]
    sides = labels.affine[:-1, [labels.spatial_axes.index(axis) for axis in along]]
    affine = np.eye(n_axes + 1)
    affine[:-1, :-1] = np.linalg.cholesky(sides.T @ sides).T
    return affine


@dataclass(frozen=True)
class MaskMeasures:
    """Sizes in one mask."""

    sizes: tuple[ClassSize, ...]
    """Area or volume of each class but the background."""
    ratio: CupToDisc | None
    """The cup-to-disc ratio; None for models without rim and cup, and for stacks."""


def measure_mask(
    labels: NDArray[np.uint8], result: Segmentation, image: SpatialImage
) -> MaskMeasures:
    """Measure a mask that lies where a result's does.

    Parameters
    ----------
    labels : (*S) uint8 array
        The mask, along the result's axes.
    result : Segmentation
        Says what its labels mean and where they lie.
    image : SpatialImage
        The image it was made from.
    """
    n_axes = len(result.grid.shape)
    affine = frame_of(image, n_axes) @ result.grid.to_source()
    labels = result.by_frame(labels)
    flat = labels.reshape(-1, *labels.shape[-n_axes + 1 :])
    placed = SpatialImage(flat, SPATIAL_AXES[-n_axes:], affine, image.unit)
    ratio = cup_to_disc(labels, result.classes)
    return MaskMeasures(tuple(class_sizes(placed, result.classes)), ratio)


def label_frame(result: Segmentation, image: SpatialImage) -> LabelFrame:
    """Return what a result's labels mean, and how large a pixel of them is."""
    affine = frame_of(image, len(result.grid.shape)) @ result.grid.to_source()
    pixel, unit = _pixel_size(affine, image.unit)
    return LabelFrame(result.axes, result.grid, result.classes, pixel, unit)
