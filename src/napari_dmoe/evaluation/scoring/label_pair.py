"""Two label arrays of one image: whether they can be measured, and what of them.

How they are measured stands in :mod:`napari_dmoe.evaluation.scoring.metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.scoring.mask_pair import MetricError, Region
from napari_dmoe.imaging.label_values import (
    FULL_SCALE,
    LabelError,
    counted,
    foreground_value,
    is_soft,
    not_classes,
    of_one_class,
    whole_numbers,
)


def checked(
    predicted: NDArray[Any], truth: NDArray[Any], regions: Sequence[Region]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both label arrays as classes, within the box around what either shows.

    Nothing outside of it changes a score, and most of an image is outside.

    Raises
    ------
    MetricError
        For probabilities, masks of 0 and 255 where there are several classes, masked
        pixels, and where one array numbers its classes otherwise than the other.
    """
    predicted = _whole("prediction", predicted)
    truth = _whole("truth", truth)
    if predicted.shape == truth.shape and 0 not in _measured(regions):
        box = _box_around((predicted != 0) | (truth != 0))
        predicted, truth = predicted[box], truth[box]
    predicted = _as_classes("prediction", predicted, regions)
    truth = _as_classes("truth", truth, regions)
    _refuse_other_numbers(predicted, truth, regions)
    return predicted, truth


def _box_around(shown: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the box around what is shown, a pixel wider; all of it without any."""
    box: list[slice] = []
    for axis, n in enumerate(shown.shape):
        others = tuple(other for other in range(shown.ndim) if other != axis)
        found = np.flatnonzero(shown[tuple(box)].any(others))
        if not found.size:
            return (slice(None),) * shown.ndim
        # A pixel more on each side, so that the background is among the labels.
        box.append(slice(max(0, int(found[0]) - 1), min(n, int(found[-1]) + 2)))
    return tuple(box)


def _measured(regions: Sequence[Region]) -> set[int]:
    """Return every label that regions are made of."""
    return {label for r in regions for label in (*r.labels, *(r.whole or ()))}


def _refuse_other_numbers(
    predicted: NDArray[Any], truth: NDArray[Any], regions: Sequence[Region]
) -> None:
    """Refuse a mask whose labels mean nothing in the other: all of it would score 0."""
    classes = _measured(regions)
    found = {"prediction": counted(predicted), "truth": counted(truth)}
    own = {what: set(values) - {0} for what, values in found.items()}
    for what, other in (("prediction", "truth"), ("truth", "prediction")):
        is_known = not own[what] or own[what] & (classes | own[other])
        if own[other] & classes and not is_known:
            listed = ", ".join(map(str, sorted(own[what])))
            wanted = ", ".join(map(str, sorted(classes)))
            raise MetricError(
                f"the {what} shows the labels {listed}, of which none is measured "
                f"({wanted}) and none is in the {other}: save both masks with the same "
                "number for the same class"
            )


def _whole(what: str, masks: NDArray[Any]) -> NDArray[Any]:
    """Return labels as whole numbers."""
    if np.ma.is_masked(masks):
        raise MetricError(
            f"the {what} has masked pixels, and whether they belong to a class is not "
            "known: fill them, or leave them out of both masks"
        )
    try:
        return whole_numbers(np.asarray(masks))
    except LabelError as error:
        raise MetricError(f"the {what}: {error}") from error


def _as_classes(
    what: str, values: NDArray[Any], regions: Sequence[Region]
) -> NDArray[Any]:
    """Return labels as classes, of which the regions name those that are measured."""
    classes = _measured(regions)
    most = max(classes, default=1)
    if not values.size or int(values.max()) <= most:
        return values
    found = counted(values)
    # Any other number may be a class that is not measured.
    if foreground_value(found) not in FULL_SCALE and not is_soft(found):
        return values
    read = of_one_class(values, found, "the class") if classes == {1} else None
    if read is None:
        raise MetricError(f"the {what}: {not_classes(found, most + 1)}")
    return read[0]
