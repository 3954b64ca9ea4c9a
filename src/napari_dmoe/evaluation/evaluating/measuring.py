"""One case's mask beside its truth: which pixels count, and in which unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.cohorts.labels import OUTSIDE, check_classes
from napari_dmoe.evaluation.evaluating.at_network import truth_at_network
from napari_dmoe.evaluation.scoring.mask_pair import MetricError, regions_of
from napari_dmoe.evaluation.scoring.metrics import Convention, Score, measure_case
from napari_dmoe.imaging.frames import axes_by_frame, transposed
from napari_dmoe.imaging.spatial import SPATIAL_AXES, Grid, SpatialImage
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.inference.masks.truth import NOT_ANNOTATED


@dataclass(frozen=True)
class Measured:
    """What was measured of one case."""

    scores: tuple[Score, ...]
    """Region by region, and within them metric by metric."""
    unit: str
    """Unit of lengths: ``"mm"`` or ``"px"``."""
    notices: tuple[str, ...] = ()
    """What a person should know of it."""


def measured(
    labels: NDArray[np.integer],
    truth: NDArray[np.integer],
    image: SpatialImage,
    *,
    axes: Sequence[str],
    classes: Sequence[str],
    metrics: Sequence[str],
    convention: Convention = "default",
    nsd_mm: float | None = None,
    grid: Grid | None = None,
) -> Measured:
    """Measure a mask against its truth.

    Parameters
    ----------
    labels : (*S) integer array
        The mask, along `axes`.
    truth : (*T) integer array
        Classes on the image's pixels, along `axes`. Pixels below 0 and of
        :data:`~napari_dmoe.inference.masks.truth.NOT_ANNOTATED` do not count, in
        neither of both.
    image : SpatialImage
        For the size of its pixels.
    axes : sequence of str
        Names of the axes of both.
    classes : sequence of str
        Class names, background first.
    metrics : sequence of str
        Keys of :data:`~napari_dmoe.evaluation.scoring.metrics.METRICS`.
    convention : {"default", "reference"}
        How empty masks are scored.
    nsd_mm : float, optional
        Tolerance of the NSD in mm; without a pixel's size there is no NSD then.
    grid : Grid, optional
        Where the network's samples lie, if the mask lies there: then the truth is
        sampled there, and lengths are in the network's pixels.

    Raises
    ------
    CohortError, MetricError
        For labels that are no class, and masks that do not fit together.
    """
    spacing, unit = (None, "px") if grid is not None else sides_in_mm(image, axes)
    if grid is not None:
        order = axes_by_frame(axes, len(grid.shape))
        labels = transposed(labels, axes, order)
        truth = truth_at_network(transposed(truth, axes, order), grid)
    if labels.shape != truth.shape:
        raise MetricError(
            f"the truth has {truth.shape} pixels, but the mask has {labels.shape}: "
            "compare masks of the same pixels"
        )
    left_out = truth == OUTSIDE
    if len(classes) <= NOT_ANNOTATED:
        left_out |= truth == NOT_ANNOTATED
    n_left_out, notices = int(np.count_nonzero(left_out)), []
    if n_left_out:
        labels, truth = (np.where(left_out, 0, each) for each in (labels, truth))
        notices.append(f"{n_left_out:,} pixels are not annotated, and do not count")
    check_classes(truth, len(classes), case="of this row")
    if nsd_mm is not None and unit != "mm":
        metrics = [name for name in metrics if name != "nsd"]
    scores = measure_case(
        labels,
        truth,
        regions_of(classes),
        metrics=metrics,
        spacing=spacing,
        convention=convention,
        nsd_tolerance=nsd_mm if unit == "mm" else None,
    )
    return Measured(scores, unit, tuple(notices))


def sides_in_mm(
    image: SpatialImage, axes: Sequence[str]
) -> tuple[tuple[float, ...] | None, str]:
    """Return the sides of a pixel along some axes, and their unit.

    They are in mm where the image says so and all axes are of space, else nothing is
    said of them, and lengths are counted in pixels.
    """
    factor = millimetres(image.unit)
    if factor is None or set(axes) - set(SPATIAL_AXES):
        return None, "px"
    sides: dict[str, Any] = dict(zip(image.spatial_axes, image.spacing, strict=True))
    return tuple(float(sides[axis] * factor) for axis in axes), "mm"
