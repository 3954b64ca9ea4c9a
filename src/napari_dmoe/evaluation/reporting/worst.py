"""The worst cases of a model, with a picture of each where its files can be read."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries
from skimage.transform import resize

from napari_dmoe.cohorts.layouts.fairseg_rows import FairSegRow
from napari_dmoe.evaluation.evaluating.scored import Evaluated, ScoredCase
from napari_dmoe.evaluation.groups.groupings import Grouping
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.privacy import Cell, Pseudonyms, values_shared
from napari_dmoe.evaluation.scoring.metrics import METRICS
from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.pictures.drawing import Picture, picture_of

TRUTH_COLOUR = (86, 180, 233)
PREDICTION_COLOUR = (230, 159, 0)
"""Outlines: Okabe and Ito's sky blue and orange, told apart by everybody."""

ARCHIVE = ".npz"
"""How names of FairSeg's files end, which hold the image and the mask."""

_SIDE = 360
"""Pixels of a picture along its longer side."""

_DARK = 34
"""Grey of the ground where there is no image."""


@dataclass(frozen=True)
class WorstCase:
    """One of the cases that a model is worst at."""

    name: str
    region: str
    scores: tuple[tuple[str, float], ...]
    """Metric's title and score, the ranked one first."""
    values: tuple[tuple[str, str], ...]
    """What may be said of whom it shows."""
    is_missed: bool
    picture: bytes = b""
    """A JPEG; empty where the files cannot be read."""


def worst_cases(
    evaluated: Evaluated,
    groupings: Sequence[Grouping],
    hidden: Mapping[str, frozenset[Cell]],
    names: Pseudonyms,
    options: ReportOptions,
    *,
    crop: int | None = None,
) -> tuple[WorstCase, ...]:
    """Return the worst cases of each region by Dice, or else by the first metric.

    See :func:`picture_of_case` for `crop`.
    """
    metrics = [m for m in options.metrics or evaluated.facts.metrics if m in METRICS]
    if not metrics:
        return ()
    ranked = "dice" if "dice" in metrics else metrics[0]
    single = [each for each in groupings if len(each.attributes) == 1]
    found = []
    for region in evaluated.facts.regions:
        values = evaluated.values(region, ranked)
        errors = METRICS[ranked].compared(values)
        worse = errors if METRICS[ranked].higher_is_better else -errors
        # Sorted stably, so that equal ones keep the cohort's order; NaN come last.
        places = np.argsort(worse, kind="stable")[: options.n_worst]
        for place in (int(p) for p in places if not math.isnan(values[p])):
            case = evaluated[place]
            order = [ranked, *(m for m in metrics if m != ranked)]
            presence = case.presence(region)
            found.append(
                WorstCase(
                    names.of(case.id),
                    region,
                    tuple(_scores(case, region, order)),
                    values_shared(place, single, hidden),
                    presence is not None and presence.is_miss,
                    picture_of_case(case, crop=crop) if options.pictures else b"",
                )
            )
    return tuple(found)


_MOST_SCORES = 3


def _scores(
    case: ScoredCase, region: str, metrics: Sequence[str]
) -> list[tuple[str, float]]:
    scores = ((METRICS[m].title, case.score(region, m)) for m in metrics)
    there = [(title, score.value) for title, score in scores if score is not None]
    return there[:_MOST_SCORES]


def picture_of_case(case: ScoredCase, *, crop: int | None = None) -> bytes:
    """Return a case as a JPEG: image, outlines of truth and prediction.

    Of a volume the slice with most of either mask; without an image the masks on a dark
    ground. Empty where no mask can be read, or they do not lie on one grid.

    Parameters
    ----------
    case : ScoredCase
        The case.
    crop : int, optional
        Pixels of the image that the model sees, along each side: a plane's prediction
        of another size is of these.
    """
    image, truth = _image_and_truth(case)
    prediction = _labels(case.prediction)
    if _is_of_network(truth, prediction, crop):
        image, truth = _seen(image, truth, prediction, crop)
    known = [mask for mask in (truth, prediction) if mask is not None]
    if not known or len({mask.shape for mask in known}) > 1:
        return b""
    planes = [np.zeros_like(known[0]) if m is None else m for m in (truth, prediction)]
    if known[0].ndim == len(SPATIAL_AXES):
        sizes = sum((mask != 0).sum((1, 2)) for mask in known)
        number = int(np.argmax(sizes))
        planes = [mask[number] for mask in planes]
        image = _slice_of(image, number, known[0].shape)
    picture = _picture(image, planes[0].shape)
    if picture is None:
        around = _around(planes)
        planes = [mask[around] for mask in planes]
        picture = np.full((*planes[0].shape, 3), _DARK, np.uint8)
    return _jpeg(_outlined(picture, planes[0], planes[1]))


def _image_and_truth(
    case: ScoredCase,
) -> tuple[SpatialImage | None, NDArray[Any] | None]:
    """Return the image and the truth's labels, None for what cannot be read."""
    path = case.image or case.labels
    if path is None or path.suffix.casefold() != ARCHIVE:
        return _image(case.image), _labels(case.labels)
    try:
        read = FairSegRow(case.number, case.id, path).read()
    except (ValueError, OSError):
        return None, None
    return read.image, None if read.labels is None else np.asarray(read.labels.data)


def _is_of_network(
    truth: NDArray[Any] | None, found: NDArray[Any] | None, crop: int | None
) -> bool:
    if truth is None or found is None or crop is None:
        return False
    return truth.ndim == found.ndim == 2 and truth.shape != found.shape


def _seen(
    image: SpatialImage | None, truth: Any, found: Any, crop: Any
) -> tuple[SpatialImage | None, NDArray[Any]]:
    """Return the image's and the truth's pixels that lie at those of the network."""
    rows, columns = (
        max(0, size // 2 - crop // 2) + np.rint(np.linspace(0, min(size, crop) - 1, n))
        for size, n in zip(truth.shape, found.shape, strict=True)
    )
    where = np.ix_(rows.astype(int), columns.astype(int))
    if image is None or image.spatial_axes != ("y", "x"):
        return None, truth[where]
    if image.spatial_shape != truth.shape or image.axes[:2] != ("y", "x"):
        return None, truth[where]
    pixels = np.asarray(image.data)[where]
    return SpatialImage(pixels, image.axes), truth[where]


def _around(planes: Sequence[NDArray[Any]]) -> tuple[slice, slice]:
    """Return a square of the plane around all masks, with as much room again."""
    where = np.argwhere(sum((mask != 0).astype(int) for mask in planes))
    if not len(where):
        return slice(None), slice(None)
    low, high = where.min(0), where.max(0) + 1
    half = int((high - low).max())
    middle = (low + high) // 2
    starts = np.maximum(middle - half, 0)
    rows, columns = (slice(int(s), int(s) + 2 * half) for s in starts)
    return rows, columns


def _labels(path: Path | None) -> NDArray[Any] | None:
    """Return labels along (z,) y, x; None where they cannot be read."""
    if path is None or not path.is_file():
        return None
    try:
        labels = read_labels(path)
    except (ValueError, OSError):
        return None
    own = [axis for axis in SPATIAL_AXES if axis in labels.axes]
    if set(own) != set(labels.axes) or len(own) < 2:
        return None
    order = [labels.axes.index(axis) for axis in own]
    return np.asarray(labels.data).transpose(order)


def _image(path: Path | None) -> SpatialImage | None:
    if path is None or not path.is_file():
        return None
    try:
        return read_image(path)
    except (ValueError, OSError):
        return None


def _slice_of(
    image: SpatialImage | None, number: int, shape: tuple[int, ...]
) -> SpatialImage | None:
    if image is None or image.spatial_shape != shape or "z" not in image.axes:
        return None
    plane = np.take(np.asarray(image.data), number, image.axes.index("z"))
    return SpatialImage(plane, tuple(a for a in image.axes if a != "z"))


def _picture(image: SpatialImage | None, shape: tuple[int, ...]) -> Picture | None:
    """Return the image as a picture of the masks' shape; None where it has another."""
    if image is not None and {"y", "x"} <= set(image.axes):
        picture = picture_of(image)
        if picture.shape[:2] == shape:
            return picture
    return None


def _outlined(picture: Picture, truth: NDArray[Any], found: NDArray[Any]) -> Picture:
    """Draw the borders of both masks' classes on a picture of a fixed size."""
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    sized = resize(picture, shape, order=1, preserve_range=True, anti_aliasing=True)
    drawn = np.asarray(sized).astype(np.uint8)
    rows = np.minimum((np.arange(shape[0]) / scale).astype(int), height - 1)
    columns = np.minimum((np.arange(shape[1]) / scale).astype(int), width - 1)
    for mask, colour in ((truth, TRUTH_COLOUR), (found, PREDICTION_COLOUR)):
        enlarged = mask[np.ix_(rows, columns)]
        drawn[find_boundaries(enlarged, mode="thick")] = colour
    return drawn


def _jpeg(picture: Picture) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(picture).save(written, "JPEG", quality=88)
    return written.getvalue()
