"""Random variations of patches of volumes, drawn from one generator."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_dmoe.training.augmentation.settings import VolumeAugmentSettings


def relit(
    images: Tensor, settings: VolumeAugmentSettings, *, generator: torch.Generator
) -> Tensor:
    """Change gain, offset and gamma of patches, and add noise.

    Parameters
    ----------
    images : (B, C, D, H, W) float32 tensor
        Intensities, in [0, 1].
    settings : VolumeAugmentSettings
        How far.
    generator : torch.Generator
        Source of every draw, on the CPU.

    Returns
    -------
    (B, C, D, H, W) float32 tensor
        Intensities, in [0, 1].
    """

    def draw(reach: float) -> Tensor:
        share = torch.rand((len(images), 1, 1, 1, 1), generator=generator)
        return (reach * (2 * share - 1)).to(images)

    light = settings.light
    gamma, gain, offset = torch.exp(draw(light)), 1 + draw(light), draw(light / 2)
    strength = draw(settings.noise).abs()
    grain = torch.randn(images.shape, generator=generator).to(images)
    relit = images.clamp_min(1e-4) ** gamma * gain + offset + strength * grain
    return relit.clamp(0, 1)
