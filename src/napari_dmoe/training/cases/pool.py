"""Cases prepared for training, whatever their dimension."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import Case
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.imaging.preprocessing import Prepared, Preprocessing, prepare
from napari_dmoe.imaging.spatial import Grid, ImageError, SpatialImage
from napari_dmoe.imaging.units import MM3_PER_ML, millimetres
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.imaging.volumes import VOLUME_AXES, PreparedVolume, prepare_volume
from napari_dmoe.models.card import ModelCard
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.cases.annotation import (
    EVERYTHING,
    IGNORED,
    Annotation,
    TrainingError,
    category_of,
    labels_of,
)
from napari_dmoe.training.cases.planes import PlanePool
from napari_dmoe.training.cases.volumes import VolumePool, in_range

Pool = PlanePool | VolumePool
"""Cases at the network's resolution, in 8 bits, and what they are labelled with."""

_TOLD = ("patients", "ids", "subjects", "phantoms", "altered", "sample_ml")
"""What a pool is told of its cases."""


def read_pool(
    cases: Sequence[Case],
    card: ModelCard,
    *,
    n_channels: int | None = None,
    annotation: Annotation = EVERYTHING,
    reading: LabelReading | None = None,
    may_be_unknown: bool = False,
    progress: ProgressHook = silent,
) -> Pool:
    """Prepare every case as a card asks; `progress` is told after each.

    `n_channels` are those that the network takes, by default 3 of planes and 1 of
    volumes; as in a run, a plane of one channel is repeated to as many. `reading` reads
    the labels, where pools of one cohort share it. Of cases that are measured or mixed,
    no driver need be known: it `may_be_unknown`.

    Raises
    ------
    TrainingError
        For no cases, a case without labels or without a known driver, labels that the
        card has no class for, images with other channels than the network takes, and
        a card that states no preprocessing.
    """
    if not len(cases):
        raise TrainingError("there are no cases to train on")
    if len(card.classes) > IGNORED:
        raise TrainingError(
            f"the card has {len(card.classes)} classes, and {IGNORED} can be trained "
            "at most, background included"
        )
    n_channels = n_channels or (3 if card.dims == 2 else 1)
    read, axes = _reading(card)
    reading = reading or annotation.reading(card.classes)
    images, labels, categories, sizes, known, pictures = [], [], [], [], [], []
    for done, case in enumerate(cases, start=1):
        prepared = _prepared(case, partial(read, n_channels=n_channels))
        drawn = labels_of(
            case,
            axes,
            prepared.grid,
            n_classes=len(card.classes),
            annotation=annotation,
            reading=reading,
        )
        images.append(_kept(prepared.tensor, card))
        labels.append(torch.from_numpy(_in_place(drawn, prepared)))
        pictures.append(_picture(prepared))
        categories.append(category_of(case, card, may_be_unknown=may_be_unknown))
        whose = (case.patient, case.id, case.subject)
        volume = _sample_ml(case.image, prepared.grid)
        known.append((*whose, case.phantom, case.is_altered, volume))
        stored = dict(
            zip(case.image.spatial_axes, case.image.spatial_shape, strict=True)
        )
        sizes.append(tuple(stored[axis] for axis in axes))
        progress(Progress(done, len(cases), "reading cases"))
    how, category = card.preprocessing, torch.tensor(categories)
    told = dict(zip(_TOLD, zip(*known, strict=True), strict=True))
    whom: dict[str, Any] = {"sizes": tuple(sizes), **told}
    if any(pictures):
        whom["pictures"] = tuple(pictures)
    if isinstance(how, VolumePreprocessing):
        return _of_volumes(images, labels, category, how, whom)
    planes = torch.stack([image.expand(n_channels, -1, -1) for image in images])
    return PlanePool(
        planes,
        torch.stack(labels),
        category,
        cast("Preprocessing", how),
        **whom,
    )


def _of_volumes(
    images: list[torch.Tensor],
    labels: list[torch.Tensor],
    category: torch.Tensor,
    how: VolumePreprocessing,
    whom: dict[str, Any],
) -> VolumePool:
    """Return a pool of volumes as they were kept; `whom` is what is told of them."""
    ranges: tuple[tuple[float, float], ...] = ()
    if how.standardise:
        shares = [in_range(image) for image in images]
        images, ranges = [s for s, _ in shares], tuple(ends for _, ends in shares)
    return VolumePool(
        tuple(images),
        tuple(labels),
        category,
        how.patch,
        orientation=how.orientation,
        ranges=ranges,
        **whom,
    )


def _kept(tensor: torch.Tensor, card: ModelCard) -> torch.Tensor:
    """Return what is kept of a prepared case: 8 bits, unless it is standardised."""
    how = card.preprocessing
    if isinstance(how, VolumePreprocessing) and how.standardise:
        return tensor
    return (255 * tensor.clamp(0, 1)).round().to(torch.uint8)


def _picture(prepared: Prepared | PreparedVolume) -> tuple[slice, ...]:
    """Return the part of a prepared case that shows its picture; () for all of it."""
    if isinstance(prepared, PreparedVolume) or not prepared.placement.is_padded:
        return ()
    return prepared.placement.picture


def _in_place(
    drawn: NDArray[np.uint8], prepared: Prepared | PreparedVolume
) -> NDArray[np.uint8]:
    """Return labels where the picture lies; what is padded is not annotated."""
    whole = np.full(prepared.tensor.shape[1:], IGNORED, np.uint8)
    whole[_picture(prepared)] = drawn
    return whole


def part_of(pool: Pool, places: Sequence[int]) -> Pool:
    """Return a pool of some of the cases."""
    chosen = list(places)
    known = {**pool.known(chosen), "category": pool.category[chosen]}
    if isinstance(pool, PlanePool):
        images, labels = pool.images[chosen], pool.labels[chosen]
        return replace(pool, images=images, labels=labels, **known)
    volumes = tuple(pool.images[i] for i in chosen)
    masks = tuple(pool.labels[i] for i in chosen)
    ranges = tuple(pool.ranges[i] for i in chosen) if pool.ranges else ()
    return replace(pool, images=volumes, labels=masks, ranges=ranges, **known)


def _reading(card: ModelCard) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Return what prepares an image as a card asks, and the order of its axes."""
    how = card.preprocessing
    if card.dims == 3 and isinstance(how, VolumePreprocessing):
        return partial(prepare_volume, preprocessing=how), VOLUME_AXES
    if card.dims == 2 and isinstance(how, Preprocessing):
        # Brightness is varied before it is standardised.
        raw = how.model_copy(update={"standardise": False})
        return partial(prepare, preprocessing=raw), ("y", "x")
    raise TrainingError(f"the card {card.name!r} states no preprocessing")


def _prepared(case: Case, read: Callable[[SpatialImage], Any]) -> Any:
    """Return what a network sees of a case; errors say which case it is."""
    try:
        return read(case.image)
    except ImageError as error:
        raise TrainingError(f"case {case.id}: {error}") from error


def _sample_ml(image: SpatialImage, grid: Grid) -> float | None:
    """Return the volume of a sample in mL; None for planes, and where it is unknown."""
    mm = millimetres(image.unit)
    if len(grid.shape) < len(VOLUME_AXES) or mm is None:
        return None
    voxel = abs(float(np.linalg.det(image.affine[:-1, :-1]))) * mm**3
    return abs(math.prod(grid.step)) * voxel / MM3_PER_ML


def pool_sha256(pool: Pool) -> str:
    """Return a hash of everything that a network can learn from a pool."""
    digest = hashlib.sha256(pool.category.numpy().tobytes())
    for part in (pool.images, pool.labels):
        for case in part:
            digest.update(str(tuple(case.shape)).encode())
            digest.update(case.contiguous().numpy().data)
    return digest.hexdigest()
