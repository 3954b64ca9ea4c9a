"""Volumes prepared for training, kept in memory in 8 bits, and patches of them.

Standardised intensities do not fit into 8 bits: these are kept in 16, as shares of a
volume's range, so that augmentation meets numbers in [0, 1] of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.imaging.orientations import OURS, in_order, turned, turned_back
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
    images : tuple of (C, D, H, W) uint8 or float16 tensors
        Volumes at the network's resolution along z, y and x; 255 is the top of the
        window, 1 that of the volume's range.
    labels : tuple of (D, H, W) uint8 tensors
        Their labels; 255 is not annotated.
    category : (N, A) int64 tensor
        Router of each of the card's attributes, -1 where it is unknown; a column of 0
        where the card has none.
    patch : tuple of int
        Size of what is cut out, along z, y and x.
    orientation : str
        How the network meets volumes: what leaves the pool is turned so.
    ranges : tuple of (float, float)
        Lowest and highest of each volume's intensities where they are standardised.
    """

    images: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    category: Tensor
    patch: tuple[int, int, int]
    orientation: str = OURS
    ranges: tuple[tuple[float, float], ...] = ()

    def __len__(self) -> int:
        return len(self.category)

    def __repr__(self) -> str:
        """Show how many volumes there are, and no voxel."""
        return f"VolumePool({len(self)} volumes)"

    def whole(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return one case at its full size: (1, C, D, H, W) and (1, D, H, W)."""
        (case,) = chosen.tolist()
        whole = self.picture(case)[None], self.labels[case][None]
        return self._turned(*whole)

    @property
    def seen_patch(self) -> tuple[int, int, int]:
        """Size of what is cut out, along the network's axes."""
        first, second, third = in_order(self.patch, self.orientation)
        return first, second, third

    def picture(self, case: int) -> Tensor:
        """Return a volume (C, D, H, W) as the network sees it, along z, y and x."""
        return self._scaled(_shares(self.images[case])[None], [case])[0]

    def turned_back(self, labels: Tensor) -> Tensor:
        """Return labels (*leading, D, H, W) that left the pool along z, y and x."""
        return turned_back(labels, self.orientation)

    def _turned(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return turned(images, self.orientation), turned(labels, self.orientation)

    def _scaled(self, shares: Tensor, cases: Sequence[int]) -> Tensor:
        """Return intensities (B, C, *S) of shares of the cases' ranges."""
        if not self.ranges:
            return shares
        ends = torch.tensor([self.ranges[case] for case in cases])
        low, high = ends.view(-1, 2, *(1,) * (shares.ndim - 1)).unbind(1)
        return low + shares * (high - low)

    def plain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return a patch of each case, in the middle of what is labelled.

        Intensities (B, C, *patch) are float32 in [0, 1], labels (B, *patch) uint8.
        """
        starts = [self._around(int(i), _middle(self.labels[i])) for i in chosen]
        images, labels = self._cut(chosen, starts)
        return self._turned(self._scaled(images, chosen.tolist()), labels)

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
        images, labels = varied(images, labels, settings=settings, generator=generator)
        return self._turned(self._scaled(images, chosen.tolist()), labels)

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
            part = self.images[case][(slice(None), *place)]
            images.append(self._padded(_shares(part), self._nothing(case)))
            labels.append(self._padded(self.labels[case][place]))
        return torch.stack(images), torch.stack(labels)

    def _nothing(self, case: int) -> float:
        """Return the share of a volume's range that an intensity of 0 is."""
        if not self.ranges:
            return 0.0
        low, high = self.ranges[case]
        return min(max(-low / ((high - low) or 1.0), 0.0), 1.0)

    def _padded(self, part: Tensor, nothing: float = 0.0) -> Tensor:
        """Return a part of a small volume with 0 on both sides, as in inference."""
        ends: list[int] = []
        for n, p in zip(part.shape[-3:], self.patch, strict=True):
            before = (p - n) // 2
            ends = [before, p - n - before, *ends]  # F.pad begins with the last axis
        return F.pad(part, ends, value=nothing) if any(ends) else part


def in_range(volume: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Return intensities as shares of their range, in 16 bits, and its ends."""
    low, high = float(volume.min()), float(volume.max())
    return ((volume - low) / ((high - low) or 1.0)).half(), (low, high)


def _shares(kept: Tensor) -> Tensor:
    """Return what is kept of a volume as numbers in [0, 1]."""
    return kept.float() / 255 if kept.dtype == torch.uint8 else kept.float()


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
