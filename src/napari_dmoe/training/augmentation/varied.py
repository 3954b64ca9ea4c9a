"""Batches varied as settings of any kind say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from napari_dmoe.training.augmentation import fuller, planes, published, volumes
from napari_dmoe.training.augmentation import settings as kinds

_VARIED: Mapping[type[kinds.Augmentation], Callable[..., tuple[Tensor, Tensor]]] = {
    kinds.AugmentSettings: planes.augment,
    kinds.VolumeAugmentSettings: volumes.augment_patches,
    kinds.PublishedAugmentSettings: published.published_augment,
    kinds.FullerAugmentSettings: fuller.fuller_augment,
}


def varied(
    images: Tensor,
    labels: Tensor,
    *,
    settings: kinds.Augmentation,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Vary the cases of a batch.

    Parameters
    ----------
    images : (B, C, *S) float32 tensor
        Intensities, in [0, 1], before any standardisation.
    labels : (B, *S) integer tensor
        Their labels, which follow the geometry. What comes in from outside is 0.
    settings : Augmentation
        How far; those for planes or volumes alone take no others.
    generator : torch.Generator
        Source of every draw, on the CPU.

    Returns
    -------
    (B, C, *S) float32 tensor
        Varied images, in [0, 1].
    (B, *S) integer tensor
        Their labels.
    """
    vary = _VARIED[type(settings)]
    return vary(images, labels, settings=settings, generator=generator)
