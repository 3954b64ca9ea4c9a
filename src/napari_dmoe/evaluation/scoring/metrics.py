"""What is measured of one case: overlaps, distances, volumes, the cup-to-disc ratio.

A metric is one function of a
:class:`~napari_dmoe.evaluation.scoring.mask_pair.MaskPair` and its line in
:data:`METRICS`. Means over patient groups stand in
:mod:`napari_dmoe.evaluation.groups.table`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.scoring.label_pair import checked
from napari_dmoe.evaluation.scoring.mask_pair import (
    MaskPair,
    MetricError,
    Presence,
    Region,
)
from napari_dmoe.inference.masks import pairs

Convention = Literal["default", "reference"]
"""How empty masks are scored: see :func:`measure_case`."""

NSD_PIXELS = 5.0
"""Tolerance of the normalised surface distance, in sides of the smallest pixel."""


def dice(pair: MaskPair) -> float:
    """Return 2 |A and B| / (|A| + |B|); NaN where both masks are empty."""
    return pairs.dice(pair.predicted, pair.truth)


def iou(pair: MaskPair) -> float:
    """Return |A and B| / |A or B|; NaN where both masks are empty."""
    union = pair.n_predicted + pair.n_true - pair.n_both
    return pair.n_both / union if union else math.nan


def hd95(pair: MaskPair) -> float:
    """Return the 95th percentile of the distances between the surfaces.

    The distances of both directions are pooled, as by
    :func:`napari_dmoe.inference.masks.pairs.pooled_hd95`. NaN where a mask is empty.
    """
    if pair.presence is not Presence.BOTH:
        return math.nan
    return pairs.pooled_hd95(pair.surface_distances)


def asd(pair: MaskPair) -> float:
    """Return the mean distance from the prediction's surface to the truth's.

    One direction only, as published: a truth that sticks out beyond the prediction
    counts little. NaN where a mask is empty.

    References
    ----------
    MedPy, ``medpy.metric.binary.asd``.
    """
    if pair.presence is not Presence.BOTH:
        return math.nan
    return float(pair.surface_distances[0].mean())


def nsd(pair: MaskPair, tolerance: float | None = None) -> float:
    """Return the normalised surface distance: the share of surface pixels that agree.

    Parameters
    ----------
    pair : MaskPair
        The masks.
    tolerance : float, optional
        Largest distance that agrees, in the unit of the spacing; by default the pair's
        own, or else :data:`NSD_PIXELS` sides of the smallest pixel.

    Returns
    -------
    float
        In [0, 1]; 0 where one mask is empty, NaN where both are.

    References
    ----------
    S. Nikolov et al., Clinically applicable segmentation of head and neck anatomy for
    radiotherapy, J. Med. Internet Res. 23 (2021), doi:10.2196/26151; counted in surface
    pixels as MONAI's ``compute_surface_dice(use_subvoxels=False)``.
    """
    if pair.presence is not Presence.BOTH:
        return math.nan if pair.presence is Presence.NEITHER else 0.0
    if tolerance is None:
        tolerance = pair.nsd_tolerance
    if tolerance is None:
        tolerance = NSD_PIXELS * min(pair.spacing or (1.0,))
    # A little more, so that rounding does not decide about five pixels exactly.
    tolerance *= 1 + 1e-9
    return float((np.hstack(pair.surface_distances) <= tolerance).mean())


def relative_volume_difference(pair: MaskPair) -> float:
    """Return (V_prediction - V_truth) / V_truth, of areas for planes.

    Signed: above 0 the prediction is too large. NaN where the truth is empty.

    References
    ----------
    MedPy, ``medpy.metric.binary.ravd``, which is signed, too; T. Heimann et al.,
    Comparison and evaluation of methods for liver segmentation from CT datasets, IEEE
    Trans. Med. Imaging 28 (2009), doi:10.1109/TMI.2009.2013851.
    """
    if not pair.n_true:
        return math.nan
    return (pair.n_predicted - pair.n_true) / pair.n_true


def absolute_volume_difference(pair: MaskPair) -> float:
    """Return |V_prediction - V_truth|, of areas for planes.

    In the unit of the spacing, squared or cubed: mm² or mm³; in pixels without a
    spacing. NaN where both masks are empty.
    """
    if pair.presence is Presence.NEITHER:
        return math.nan
    pixel = math.prod(pair.spacing or (1.0,))
    return abs(pair.n_predicted - pair.n_true) * pixel


def part_ratio_distance(pair: MaskPair) -> float:
    """Return |part / whole of the prediction - part / whole of the truth|, by area.

    For the cup of a fundus this is the distance of the cup-to-disc ratios. NaN where a
    whole is empty.

    Raises
    ------
    MetricError
        When the pair is not part of a whole.
    """
    whole = pair.whole
    if whole is None:
        raise MetricError("this region is not part of another, as the cup is of a disc")
    if whole.presence is not Presence.BOTH:
        return math.nan
    predicted = pair.n_predicted / whole.n_predicted
    return abs(predicted - pair.n_true / whole.n_true)


@dataclass(frozen=True)
class Metric:
    """One line of :data:`METRICS`.

    Parameters
    ----------
    title : str
        Name for a person.
    function : callable
        From a :class:`MaskPair` to a number; NaN where it is not defined.
    higher_is_better : bool
        Its direction.
    is_length : bool
        Whether it is in the unit of the spacing; else it is a number without unit.
    published_when_empty : mapping of Presence to float
        Scores of empty masks under the reference convention, where they differ.
    of_parts : bool
        Whether it is measured only of regions that are part of a whole.
    is_size : bool
        Whether it is in the unit of the spacing, squared in planes, cubed in volumes.
    is_signed : bool
        Whether 0 is best and both sides of it are worse. Cases and models are then
        compared by :meth:`compared`, and no group's mean is called the worst.
    """

    title: str
    function: Callable[[MaskPair], float]
    higher_is_better: bool
    is_length: bool = False
    published_when_empty: Mapping[Presence, float] = field(default_factory=dict)
    of_parts: bool = False
    is_size: bool = False
    is_signed: bool = False

    def score(self, pair: MaskPair, convention: Convention) -> float:
        """Return the score of one pair of masks."""
        if convention == "reference" and pair.presence in self.published_when_empty:
            return self.published_when_empty[pair.presence]
        return self.function(pair)

    def compared(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores in which one direction is better: signed ones without sign."""
        return np.abs(values) if self.is_signed else values

    def presence(self, pair: MaskPair) -> Presence:
        """Return which mask has what the metric needs: the part, or the whole."""
        return pair.whole.presence if self.of_parts and pair.whole else pair.presence


_DISTANCE = dict.fromkeys(set(Presence) - {Presence.BOTH}, 0.0)
_OVERLAP = _DISTANCE | {Presence.ONLY_PREDICTION: 1.0}

METRICS: Mapping[str, Metric] = {
    "dice": Metric("Dice", dice, True, published_when_empty=_OVERLAP),
    "iou": Metric("IoU", iou, True, published_when_empty=_OVERLAP),
    "hd95": Metric("HD95", hd95, False, True, published_when_empty=_DISTANCE),
    "asd": Metric(
        "ASD, prediction to truth", asd, False, True, published_when_empty=_DISTANCE
    ),
    "nsd": Metric("NSD", nsd, True),
    "rvd": Metric(
        "Relative volume difference", relative_volume_difference, False, is_signed=True
    ),
    "avd": Metric(
        "Absolute volume difference", absolute_volume_difference, False, is_size=True
    ),
    "cdr_distance": Metric(
        "Cup-to-disc ratio distance", part_ratio_distance, False, of_parts=True
    ),
}
"""What can be measured of a case, by name."""


@dataclass(frozen=True)
class Score:
    """One number of one case.

    Parameters
    ----------
    region, metric : str
        What was measured, and how: a key of :data:`METRICS`.
    value : float
        The score; NaN where it is not defined.
    presence : Presence
        Which mask had any pixel to measure. Where only one had, it is a miss.
    """

    region: str
    metric: str
    value: float
    presence: Presence


def measure_case(
    predicted: NDArray[np.integer],
    truth: NDArray[np.integer],
    regions: Sequence[Region],
    *,
    metrics: Sequence[str] = tuple(METRICS),
    spacing: Sequence[float] | None = None,
    convention: Convention = "default",
    nsd_tolerance: float | None = None,
) -> tuple[Score, ...]:
    """Measure every region of one case.

    Parameters
    ----------
    predicted, truth : (*S) integer array
        Labels of the same image. Where the only class is 1, masks of 0 and 255, or of
        the greys that a JPEG makes of them, are understood, and so are booleans.
    regions : sequence of Region
        What to measure: see
        :func:`napari_dmoe.evaluation.scoring.mask_pair.regions_of`.
    metrics : sequence of str
        Keys of :data:`METRICS`.
    spacing : sequence of float, optional
        Pixel size along each axis; 1 by default. Lengths are in its unit.
    convention : {"default", "reference"}
        How empty masks are scored.
    nsd_tolerance : float, optional
        Tolerance of the NSD in the unit of the spacing; :data:`NSD_PIXELS` pixels by
        default, as published.

    Returns
    -------
    tuple of Score
        Region by region, and within them in the order of `metrics`. The cup-to-disc
        ratio is measured of the cup alone.

    Raises
    ------
    MetricError
        For an unknown metric or convention, for arrays or a spacing that do not fit
        together, for probabilities, for masks of 0 and 255 where there are several
        classes, for masked pixels, and where one of the masks numbers its classes
        otherwise than the other.

    Notes
    -----
    By default a region that neither mask has is NaN by every metric, and not counted;
    where one mask has it, overlaps are 0 and lengths NaN, and it is a miss.
    The reference convention is only there to reproduce published tables: Dice and IoU
    are 1 and lengths 0 where the truth alone is empty, and all four are 0 where the
    prediction is. The ratio distance is NaN without a disc under both.

    References
    ----------
    Y. Oh et al., Distribution-aware Fairness Learning in Medical Image Segmentation
    From A Control-Theoretic Perspective, ICML 2025, arXiv:2502.00619.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise MetricError(
            f"there is no metric {unknown[0]!r}: use {', '.join(METRICS)}"
        )
    if convention not in ("default", "reference"):
        raise MetricError(
            f"there is no convention {convention!r}: use default or reference"
        )
    labels = checked(predicted, truth, regions)
    scores = []
    for region in regions:
        pair = MaskPair.of(
            *labels, region=region, spacing=spacing, nsd_tolerance=nsd_tolerance
        )
        for name in metrics:
            metric = METRICS[name]
            if metric.of_parts and pair.whole is None:
                continue
            value = metric.score(pair, convention)
            scores.append(Score(region.name, name, value, metric.presence(pair)))
    return tuple(scores)
