"""Cases prepared for training, whatever their dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from napari_dmoe.cohorts.case import Case
from napari_dmoe.models.card import ModelCard
from napari_dmoe.progress import ProgressHook, silent
from napari_dmoe.training.labelled import TrainingError
from napari_dmoe.training.plane_pool import read_planes
from napari_dmoe.training.volume_pool import read_volumes


class Pool(Protocol):
    """What the training loop asks of its cases."""

    @property
    def category(self) -> Tensor:
        """Routers (N, A) of every case; -1 where an attribute is unknown."""

    def plain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs (B, C, *S) and labels (B, *S) of some cases, as they are."""

    def varied(
        self, chosen: Tensor, settings: Any, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the same, varied as augmentation settings of their kind say."""


def read_pool(
    cases: Sequence[Case], card: ModelCard, *, progress: ProgressHook = silent
) -> Pool:
    """Prepare every case as a card asks.

    Parameters
    ----------
    cases : sequence of Case
        Labelled cases with a known value of a driver at least.
    card : ModelCard
        Names the drivers, the classes and the preprocessing.
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
    read = read_volumes if card.dims == 3 else read_planes
    return read(cases, card, progress=progress)
