"""The published augmentation: quarter turns with a flip, or a small rotation."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_dmoe.training.augmentation.settings import PublishedAugmentSettings


def published_augment(
    images: Tensor,
    labels: Tensor,
    *,
    settings: PublishedAugmentSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Vary each case of a batch as the published training does; volumes turn about z.

    Images are interpolated linearly, labels to the nearest; what comes in from outside
    is 0 in both. Images are (B, C, *S) float32 in [0, 1], labels (B, *S) integers; see
    :mod:`napari_dmoe.training.augmentation.varied`.
    """
    varied = [
        _one(image, drawn, settings, generator)
        for image, drawn in zip(images, labels, strict=True)
    ]
    return torch.stack([v[0] for v in varied]), torch.stack([v[1] for v in varied])


def _one(
    image: Tensor,
    labels: Tensor,
    settings: PublishedAugmentSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    # Drawn whether or not they are used, so that every case takes as many draws.
    turn, rotate, share = torch.rand(3, generator=generator).tolist()
    quarters = int(torch.randint(4, (), generator=generator))
    axis = -1 - int(torch.randint(2, (), generator=generator))
    if turn < settings.quarter_turns:
        if image.shape[-1] != image.shape[-2]:
            quarters -= quarters % 2  # a quarter turn would change the shape
        image, labels = (
            torch.rot90(t, quarters, (-2, -1)).flip(axis) for t in (image, labels)
        )
    elif rotate < settings.rotations:
        image, labels = _rotated(image, labels, settings.angle * (2 * share - 1))
    return image, labels


def _rotated(image: Tensor, labels: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Rotate in the plane of the last two axes, about its middle."""
    height, width = image.shape[-2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Sides count from -1 to 1, so a plane that is not square shears without this.
    aspect = height / width
    turn = torch.tensor([[[cosine, -sine * aspect, 0], [sine / aspect, cosine, 0]]])
    grid = F.affine_grid(turn.to(image), [1, 1, height, width], align_corners=False)

    def moved(planes: Tensor, mode: str) -> Tensor:
        stack = planes.reshape(1, -1, height, width)
        stack = F.grid_sample(stack, grid, mode=mode, align_corners=False)
        return stack.reshape(planes.shape)

    return moved(image, "bilinear"), moved(labels.to(image), "nearest").to(labels)
