"""Random variations of patches of volumes, drawn from one generator."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class VolumeAugmentSettings(BaseModel):
    """How far patches are varied. Shares are probabilities, in [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["volumes"] = "volumes"
    foreground: float = Field(
        0.7, ge=0, le=1, title="Foreground", description="patches near what is labelled"
    )
    reach: float = Field(
        0.35,
        ge=0,
        le=1,
        title="Reach",
        description="how far those lie from its middle, in shares of a patch",
    )
    flip: bool = Field(
        False, title="Flip", description="mirror left and right, half of the patches"
    )
    light: float = Field(
        0.1, ge=0, lt=1, title="Light", description="spread of gain, offset and gamma"
    )
    noise: float = Field(
        0.03, ge=0, le=1, title="Noise", description="largest standard deviation"
    )


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
