"""Planes prepared for training, kept in memory in 8 bits.

Brightness is varied before it is standardised, so the pool holds images as they are
and standardises them for the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dmoe.imaging.preprocessing import Preprocessing, standardised
from napari_dmoe.training.augmentation.settings import Augmentation
from napari_dmoe.training.augmentation.varied import varied
from napari_dmoe.training.cases.known_cases import KnownCases


@dataclass(frozen=True)
class PlanePool(KnownCases):
    """Prepared planes.

    Parameters
    ----------
    images : (N, C, S, S) uint8 tensor
        Images at the network's resolution, not standardised.
    labels : (N, S, S) uint8 tensor
        Their labels; 255 is not annotated.
    category : (N, A) int64 tensor
        Router of each of the card's attributes, -1 where it is unknown; a column of 0
        where the card has none.
    preprocessing : Preprocessing
        What the card asks for.
    """

    images: Tensor
    labels: Tensor
    category: Tensor
    preprocessing: Preprocessing
    patch: None = None

    def __len__(self) -> int:
        return len(self.category)

    def __repr__(self) -> str:
        """Show how many planes there are, and no pixel."""
        return f"PlanePool({len(self)} planes of {tuple(self.images.shape[1:])})"

    def plain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return some cases as they are: inputs (B, C, S, S), labels (B, S, S)."""
        return self._input(self.images[chosen].float() / 255), self.labels[chosen]

    whole = plain

    def varied(
        self, chosen: Tensor, settings: Augmentation, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return some cases, varied."""
        images, labels = self.images[chosen].float() / 255, self.labels[chosen]
        images, labels = varied(images, labels, settings=settings, generator=generator)
        return self._input(images), labels

    def _input(self, images: Tensor) -> Tensor:
        return standardised(images) if self.preprocessing.standardise else images
