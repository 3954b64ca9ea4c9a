"""Random variations of a batch of images, so that a network meets more than its cohort.

Everything works on a whole batch of tensors and draws from one generator. Images hold
values in [0, 1], before any standardisation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.training.augmentation.settings import AugmentSettings


def augment(
    images: Tensor,
    labels: Tensor,
    *,
    settings: AugmentSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Vary a batch: place and size first, then light, colour, sharpness and noise.

    For images (B, C, S, S) and labels (B, S, S); see
    :mod:`napari_dmoe.training.augmentation.varied`.
    """
    images, labels = _moved(images, labels, settings=settings, generator=generator)
    images = _relit(images, settings, generator=generator)
    images = _decoloured(images, settings, generator=generator)
    images = _blurred(images, settings, generator=generator)
    strength = settings.noise * _uniform(images, generator)
    grain = torch.randn(images.shape, generator=generator).to(images)
    return (images + strength * grain).clamp(0, 1), labels


def _uniform(
    like: Tensor,
    generator: torch.Generator,
    *,
    low: float = 0.0,
    high: float = 1.0,
    channels: int = 1,
) -> Tensor:
    """Draw one number an image (or image and channel), shaped (B, channels, 1, 1)."""
    draw = torch.rand((len(like), channels, 1, 1), generator=generator)
    return (low + (high - low) * draw).to(like)


def _moved(
    images: Tensor,
    labels: Tensor,
    *,
    settings: AugmentSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Flip, turn, zoom and shift; images linearly, labels to the nearest."""

    def draw(reach: float) -> Tensor:
        return _uniform(images, generator, low=-reach, high=reach).flatten()

    angle = draw(math.radians(settings.rotation))
    size = torch.exp(draw(math.log(settings.zoom)))[:, None]
    if settings.aspect > 1:
        longer = torch.exp(draw(math.log(settings.aspect)) / 2)
        size = size * torch.stack([longer, 1 / longer], -1)
    flips = torch.sign(torch.stack([draw(1), draw(1)], -1))
    turn = torch.stack(
        [torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], -1
    ).view(-1, 2, 2)
    turn = turn * flips[:, :, None] / size[:, None, :]
    # affine_grid counts from -1 to 1 over a side, so a share counts twice.
    shift = 2 * torch.stack([draw(settings.shift), draw(settings.shift)], -1)
    grid = F.affine_grid(
        torch.cat([turn, shift[:, :, None]], -1), list(images.shape), False
    )
    edge = "reflection" if settings.outside == "mirror" else "zeros"
    moved = F.grid_sample(images, grid, "bilinear", edge, align_corners=False)
    classes = F.grid_sample(
        labels[:, None].to(images), grid, "nearest", edge, align_corners=False
    )
    return moved, classes[:, 0].to(labels.dtype)


def _relit(
    images: Tensor, settings: AugmentSettings, *, generator: torch.Generator
) -> Tensor:
    """Change gain, gamma, contrast, colour balance, and shade the image unevenly."""
    light, n_channels = settings.light, images.shape[1]
    gamma = torch.exp(_uniform(images, generator, low=-1.5 * light, high=1.5 * light))
    gain = 1 + _uniform(images, generator, low=-light, high=light)
    balance = 1 + _uniform(
        images,
        generator,
        low=-settings.colour,
        high=settings.colour,
        channels=n_channels,
    )
    shade = torch.rand((len(images), 1, 4, 4), generator=generator).to(images) - 0.5
    shade = F.interpolate(shade, images.shape[2:], mode="bicubic", align_corners=True)
    depth = _uniform(images, generator, high=1.5 * light)
    relit = images.clamp_min(1e-4) ** gamma * (1 + depth * shade) * gain * balance
    mean = relit.mean((1, 2, 3), keepdim=True)
    contrast = 1 + _uniform(images, generator, low=-light, high=light)
    return ((relit - mean) * contrast + mean).clamp(0, 1)


def _decoloured(
    images: Tensor, settings: AugmentSettings, *, generator: torch.Generator
) -> Tensor:
    """Make some images grey: a random mixture of channels, or one of them alone."""
    n_channels = images.shape[1]
    mixture = _uniform(images, generator, channels=n_channels)
    alone = mixture == mixture.amax(1, keepdim=True)
    is_alone = _uniform(images, generator) < 0.5
    mixture = torch.where(is_alone, alone.to(mixture), mixture)
    mixture = mixture / mixture.sum(1, keepdim=True)
    grey = (images * mixture).sum(1, keepdim=True).expand_as(images)
    is_grey = _uniform(images, generator) < settings.grey_share
    return torch.where(is_grey, grey, images)


def _blurred(
    images: Tensor, settings: AugmentSettings, *, generator: torch.Generator
) -> Tensor:
    """Blur each image by a Gaussian of its own, half of them hardly."""
    size = settings.blur_px * _uniform(images, generator).flatten() ** 2
    reach = math.ceil(2.5 * settings.blur_px)
    offsets = torch.arange(-reach, reach + 1).to(images)
    kernel = torch.exp(-0.5 * (offsets / size.clamp_min(0.1)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None, :]
    n_images, n_channels, side, _ = images.shape
    for _ in range(2):  # along rows, then, transposed, along columns
        lines = images.transpose(2, 3).reshape(n_images, n_channels * side, -1)
        lines = F.pad(lines, (reach, reach), mode="replicate")
        lines = lines.transpose(0, 1)
        lines = F.conv1d(lines, kernel, groups=n_images).transpose(0, 1)
        images = lines.reshape(n_images, n_channels, side, side)
    return images
