"""Volumes prepared for training, kept in memory in 8 bits, and patches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.training.augmentation.settings import (
    Augmentation,
    FullerAugmentSettings,
    VolumeAugmentSettings,
)
from napari_dmoe.training.augmentation.varied import varied
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.known_cases import KnownCases

Start = tuple[int, ...]

_PLACES = VolumeAugmentSettings()
"""Where patches lie for an augmentation that does not say."""

_BALANCED_REACH = 0.25
"""How far a class-balanced patch lies from its voxel, in shares of a side."""


@dataclass(frozen=True)
class VolumePool(KnownCases):
    """Prepared volumes of any size.

    Parameters
    ----------
    images : tuple of (C, D, H, W) uint8 tensors
        Volumes at the network's resolution; 255 is the top of the window.
    labels : tuple of (D, H, W) uint8 tensors
        Their labels; 255 is not annotated.
    category : (N, A) int64 tensor
        Router of each of the card's attributes, -1 where it is unknown; a column of 0
        where the card has none.
    patch : tuple of int
        Size of what is cut out.
    """

    images: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    category: Tensor
    patch: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.category)

    def __repr__(self) -> str:
        """Show how many volumes there are, and no voxel."""
        return f"VolumePool({len(self)} volumes)"

    def whole(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return one case at its full size: (1, C, D, H, W) and (1, D, H, W)."""
        (case,) = chosen.tolist()
        return self.images[case][None].float() / 255, self.labels[case][None]

    def plain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return a patch of each case, in the middle of what is labelled.

        Intensities (B, C, *patch) are float32 in [0, 1], labels (B, *patch) uint8.
        """
        starts = [self._around(int(i), _middle(self.labels[i])) for i in chosen]
        return self._cut(chosen, starts)

    def varied(
        self, chosen: Tensor, settings: Augmentation, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return a patch of each case from a random place, varied."""
        places = settings if isinstance(settings, VolumeAugmentSettings) else _PLACES
        draw = self._random
        if isinstance(settings, FullerAugmentSettings) and settings.class_balanced:
            draw = self._balanced
        starts = [draw(int(i), places, generator) for i in chosen]
        images, labels = self._cut(chosen, starts)
        return varied(images, labels, settings=settings, generator=generator)

    def _random(
        self, case: int, settings: VolumeAugmentSettings, generator: torch.Generator
    ) -> Start:
        labels = self.labels[case]
        is_near = float(torch.rand(1, generator=generator)) < settings.foreground
        where = torch.rand(3, generator=generator)
        is_annotated = labels != IGNORED
        if is_near and (labels.bool() & is_annotated).any():
            reach = torch.tensor(self.patch) * settings.reach
            return self._around(case, _middle(labels) + (2 * where - 1) * reach)
        if not is_annotated.all():  # a patch elsewhere would teach nothing
            return self._around(case, _one_of(is_annotated, float(where[0])))
        free = torch.tensor(labels.shape) - torch.tensor(self.patch)
        return tuple(torch.floor(where * (free.clamp_min(0) + 1)).int().tolist())

    def _balanced(
        self, case: int, settings: VolumeAugmentSettings, generator: torch.Generator
    ) -> Start:
        """Return a patch about a voxel of a class, every class being as likely."""
        labels = self.labels[case]
        which, where, *shift = torch.rand(5, generator=generator).tolist()
        classes = [c for c in labels.unique().tolist() if c != IGNORED]
        chosen = classes[min(int(which * len(classes)), len(classes) - 1)]
        reach = torch.tensor(self.patch) * _BALANCED_REACH
        offset = (2 * torch.tensor(shift) - 1) * reach
        return self._around(case, _one_of(labels == chosen, where) + offset)

    def _around(self, case: int, centre: Tensor) -> Start:
        """Return where a patch around a point begins, moved into the volume."""
        begin = centre - torch.tensor(self.patch) / 2
        free = torch.tensor(self.labels[case].shape) - torch.tensor(self.patch)
        begin = torch.minimum(begin.round(), free).clamp_min(0)
        return tuple(begin.int().tolist())

    def _cut(self, chosen: Tensor, starts: Sequence[Start]) -> tuple[Tensor, Tensor]:
        images, labels = [], []
        for case, start in zip(chosen.tolist(), starts, strict=True):
            place = tuple(
                slice(s, s + p) for s, p in zip(start, self.patch, strict=True)
            )
            images.append(self._padded(self.images[case][(slice(None), *place)]))
            labels.append(self._padded(self.labels[case][place]))
        return torch.stack(images).float() / 255, torch.stack(labels)

    def _padded(self, part: Tensor) -> Tensor:
        """Return a part of a small volume with 0 on both sides, as in inference."""
        ends: list[int] = []
        for n, p in zip(part.shape[-3:], self.patch, strict=True):
            before = (p - n) // 2
            ends = [before, p - n - before, *ends]  # F.pad begins with the last axis
        return F.pad(part, ends) if any(ends) else part


def _middle(labels: Tensor) -> Tensor:
    """Return the middle of what is labelled, else of what is annotated."""
    is_annotated = labels != IGNORED
    found = (labels.bool() & is_annotated).nonzero()
    if not len(found):
        found = is_annotated.nonzero()
    return (found.amin(0) + found.amax(0) + 1) / 2


def _one_of(mask: Tensor, share: float) -> Tensor:
    """Return the voxel that lies a share of the way through a mask."""
    found = mask.nonzero()
    return found[min(int(share * len(found)), len(found) - 1)].float()
