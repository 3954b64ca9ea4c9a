"""Cases prepared for training, kept in memory in 8 bits.

Brightness is varied before it is standardised, so the pool holds images as they are,
and :func:`network_input` finishes what :func:`prepare` would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import (
    Preprocessing,
    prepare,
    prepare_labels,
    standardised,
)
from napari_dmoe.imaging.spatial import Grid
from napari_dmoe.models.card import ModelCard
from napari_dmoe.progress import Progress, ProgressHook, silent


class TrainingError(ValueError):
    """A network cannot be trained on what was given, or training went astray."""


@dataclass(frozen=True)
class Pool:
    """Prepared cases.

    Parameters
    ----------
    images : (N, 3, S, S) uint8 tensor
        Images at the network's resolution, not standardised.
    labels : (N, S, S) uint8 tensor
        Their labels.
    category : (N,) int64 tensor
        Router of each case; 0 where the card has no driver.
    """

    images: Tensor
    labels: Tensor
    category: Tensor


def read_pool(
    cases: Sequence[Case], card: ModelCard, *, progress: ProgressHook = silent
) -> Pool:
    """Prepare every case as a card asks.

    Parameters
    ----------
    cases : sequence of Case
        Labelled cases with a known value of the card's driver.
    card : ModelCard
        Names the driver, the classes and the preprocessing.
    progress : callable
        Told after every case.

    Raises
    ------
    TrainingError
        For no cases, a case without labels or without a known driver, labels that the
        card has no class for, and a card that states no preprocessing.
    """
    if not len(cases):
        raise TrainingError("there are no cases to train on")
    raw = _preprocessing(card).model_copy(update={"standardise": False})
    images, labels, categories = [], [], []
    for done, case in enumerate(cases, start=1):
        prepared = prepare(case.image, raw)
        tensor = (255 * prepared.tensor.clamp(0, 1)).round().to(torch.uint8)
        images.append(tensor.expand(3, -1, -1))
        labels.append(_labels(case, prepared.grid, n_classes=len(card.classes)))
        categories.append(_category(case, card))
        progress(Progress(done, len(cases), "reading cases"))
    return Pool(torch.stack(images), torch.stack(labels), torch.tensor(categories))


def network_input(images: Tensor, card: ModelCard) -> Tensor:
    """Return images (B, C, S, S) in [0, 1] as the card's network takes them."""
    return standardised(images) if _preprocessing(card).standardise else images


def _preprocessing(card: ModelCard) -> Preprocessing:
    if card.preprocessing is None:
        raise TrainingError(f"the card {card.name!r} states no preprocessing")
    return card.preprocessing


def _category(case: Case, card: ModelCard) -> int:
    if card.driver is None:
        return 0
    category = card.category(case.patient)
    if category is None:
        raise TrainingError(
            f"case {case.id}: {card.driver.label.lower()} is not known, but it drives "
            "the model: fill it in, or leave the case out"
        )
    return category


def _labels(case: Case, grid: Grid, *, n_classes: int) -> Tensor:
    if case.labels is None:
        raise TrainingError(f"case {case.id} has no labels: training needs them")
    labels = prepare_labels(np.asarray(case.labels.data), grid)
    if labels.min() < 0 or labels.max() >= n_classes:
        raise TrainingError(
            f"case {case.id}: labels reach from {labels.min()} to {labels.max()}, but "
            f"the card has {n_classes} classes, counted from 0"
        )
    return torch.from_numpy(labels.astype(np.uint8))
