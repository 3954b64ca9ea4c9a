"""Two masks of one region of one image, and the distances between their surfaces.

What is measured of a pair stands in :mod:`napari_dmoe.evaluation.scoring.metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.inference.masks.pairs import Mask, surface_distances
from napari_dmoe.inference.masks.regions import Region, regions_of

__all__ = ["MaskPair", "MetricError", "Presence", "Region", "regions_of"]


class MetricError(ValueError):
    """Masks or scores do not fit together, or cannot be measured."""


class Presence(StrEnum):
    """Which of the two masks has any pixel."""

    BOTH = "both"
    ONLY_TRUTH = "only the truth"
    ONLY_PREDICTION = "only the prediction"
    NEITHER = "neither"

    @property
    def is_miss(self) -> bool:
        """Whether one mask lacks what the other has."""
        return self in (Presence.ONLY_TRUTH, Presence.ONLY_PREDICTION)


@dataclass(frozen=True)
class MaskPair:
    """A predicted and a true mask of one region.

    Parameters
    ----------
    predicted, truth : (*S) bool array
        The masks, of the same shape.
    spacing : tuple of float, optional
        Pixel size along each axis; 1 by default. Distances are in its unit.
    whole : MaskPair, optional
        The same of what the region is a part of.
    nsd_tolerance : float, optional
        Largest distance of surfaces that agree, in the unit of the spacing.

    Raises
    ------
    MetricError
        When the masks differ in shape, or the spacing does not fit them.
    """

    predicted: Mask
    truth: Mask
    spacing: tuple[float, ...] | None = None
    whole: MaskPair | None = None
    nsd_tolerance: float | None = None

    def __post_init__(self) -> None:
        if self.predicted.shape != self.truth.shape:
            raise MetricError(
                f"the prediction has {self.predicted.shape} pixels, but the truth has "
                f"{self.truth.shape}: compare masks on the same grid"
            )
        if self.predicted.dtype != np.bool_ or self.truth.dtype != np.bool_:
            raise MetricError(
                f"masks are boolean: found {self.predicted.dtype} and "
                f"{self.truth.dtype}"
            )
        if self.spacing is not None and (
            len(self.spacing) != self.truth.ndim
            or not all(np.isfinite(side) and side > 0 for side in self.spacing)
        ):
            raise MetricError(
                f"the spacing {self.spacing} does not fit masks with "
                f"{self.truth.ndim} axes: expected one positive number for each"
            )
        tolerance = self.nsd_tolerance
        if tolerance is not None and not (np.isfinite(tolerance) and tolerance > 0):
            raise MetricError(
                f"the tolerance of the NSD is {tolerance}: expected a positive length"
            )

    @classmethod
    def of(
        cls,
        predicted: NDArray[np.integer],
        truth: NDArray[np.integer],
        *,
        region: Region,
        spacing: Sequence[float] | None = None,
        nsd_tolerance: float | None = None,
    ) -> MaskPair:
        """Take one region out of two (*S) label arrays."""
        sides = None if spacing is None else tuple(float(side) for side in spacing)

        def masks(labels: tuple[int, ...]) -> tuple[Mask, Mask]:
            return _is_one_of(predicted, labels), _is_one_of(truth, labels)

        whole = None if region.whole is None else cls(*masks(region.whole), sides)
        return cls(*masks(region.labels), sides, whole, nsd_tolerance)

    @cached_property
    def n_predicted(self) -> int:
        """Pixels of the prediction."""
        return int(np.count_nonzero(self.predicted))

    @cached_property
    def n_true(self) -> int:
        """Pixels of the truth."""
        return int(np.count_nonzero(self.truth))

    @cached_property
    def n_both(self) -> int:
        """Pixels that both masks share."""
        return int(np.count_nonzero(self.predicted & self.truth))

    @property
    def presence(self) -> Presence:
        """Which of the masks has any pixel."""
        if self.n_true:
            return Presence.BOTH if self.n_predicted else Presence.ONLY_TRUTH
        return Presence.ONLY_PREDICTION if self.n_predicted else Presence.NEITHER

    @cached_property
    def surface_distances(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distances from each surface pixel to the nearest one of the other mask.

        Returns
        -------
        to_truth : (P,) float array
            One for each surface pixel of the prediction, in the unit of the spacing.
        to_prediction : (Q,) float array
            One for each surface pixel of the truth.

        Raises
        ------
        MetricError
            When a mask is empty.

        See Also
        --------
        napari_dmoe.inference.masks.pairs.surface_distances : What a surface is.
        """
        if self.presence is not Presence.BOTH:
            raise MetricError("an empty mask has no surface to measure a distance from")
        return surface_distances(self.predicted, self.truth, self.spacing)


def _is_one_of(values: NDArray[np.integer], labels: tuple[int, ...]) -> Mask:
    """Return where values are one of a few labels; np.isin takes ten times as long."""
    found = np.zeros(values.shape, np.bool_)
    for label in labels:
        found |= values == label
    return found
