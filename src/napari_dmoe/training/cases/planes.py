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
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.known_cases import KnownCases

_PADDING = 256
"""Label, while a batch is varied, of what is padded: no class has it."""


@dataclass(frozen=True)
class PlanePool(KnownCases):
    """Prepared planes.

    Parameters
    ----------
    images : (N, C, S, S) uint8 tensor
        Images at the network's resolution, not standardised.
    labels : (N, S, S) uint8 tensor
        Their labels; 255 is not annotated, as what is padded.
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
    seen_patch: None = None

    def picture(self, case: int) -> Tensor:
        """Return a case (C, S, S) in [0, 1], before it is standardised."""
        return self.images[case].float() / 255

    def __len__(self) -> int:
        return len(self.category)

    def __repr__(self) -> str:
        """Show how many planes there are, and no pixel."""
        return f"PlanePool({len(self)} planes of {tuple(self.images.shape[1:])})"

    def plain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return some cases as they are: inputs (B, C, S, S), labels (B, S, S)."""
        images, labels = self.images[chosen].float() / 255, self.labels[chosen]
        return self._input(images, self._is_shown(chosen)), labels

    whole = plain

    def varied(
        self, chosen: Tensor, settings: Augmentation, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return some cases, varied."""
        images, labels = self.images[chosen].float() / 255, self.labels[chosen]
        shown = self._is_shown(chosen)
        if shown is not None:  # so that the labels tell where it comes to lie
            labels = labels.short().masked_fill(~shown, _PADDING)
        images, labels = varied(images, labels, settings=settings, generator=generator)
        if shown is not None:
            shown = labels != _PADDING
            labels = labels.where(shown, IGNORED).to(self.labels.dtype)
        return self._input(images, shown), labels

    def _is_shown(self, chosen: Tensor) -> Tensor | None:
        """Return where some cases show their pictures, (B, S, S); None for all over."""
        if not self.pictures:
            return None
        shown = torch.zeros_like(self.labels[chosen], dtype=torch.bool)
        for own, place in zip(shown, chosen.tolist(), strict=True):
            own[self.shown(place)] = True
        return shown

    def _input(self, images: Tensor, shown: Tensor | None) -> Tensor:
        if not self.preprocessing.standardise:
            return images
        return standardised(images, None if shown is None else shown[:, None])
