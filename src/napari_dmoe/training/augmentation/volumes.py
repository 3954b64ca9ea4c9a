"""Random variations of patches of volumes, drawn from one generator."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_dmoe.training.augmentation.settings import VolumeAugmentSettings


def augment_patches(
    images: Tensor,
    labels: Tensor,
    *,
    settings: VolumeAugmentSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Mirror some patches; change gain, offset and gamma of all, and add noise.

    For images (B, C, D, H, W) and labels (B, D, H, W), which are changed where they are
    mirrored: see :mod:`napari_dmoe.training.augmentation.varied`.
    """

    def draw(reach: float) -> Tensor:
        share = torch.rand((len(images), 1, 1, 1, 1), generator=generator)
        return (reach * (2 * share - 1)).to(images)

    if settings.flip:
        flips = torch.rand(len(images), generator=generator) < 0.5
        images[flips] = images[flips].flip(-1)
        labels[flips] = labels[flips].flip(-1)
    light = settings.light
    gamma, gain, offset = torch.exp(draw(light)), 1 + draw(light), draw(light / 2)
    strength = draw(settings.noise).abs()
    grain = torch.randn(images.shape, generator=generator).to(images)
    relit = images.clamp_min(1e-4) ** gamma * gain + offset + strength * grain
    return relit.clamp(0, 1), labels
