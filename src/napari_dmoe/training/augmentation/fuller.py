"""A fuller augmentation for planes and volumes, made of MONAI's transforms."""

from __future__ import annotations

from functools import lru_cache

import torch
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandSimulateLowResolutiond,
)
from torch import Tensor

from napari_dmoe.training.augmentation.settings import FullerAugmentSettings

IMAGE, LABELS = "image", "labels"


def fuller_augment(
    images: Tensor,
    labels: Tensor,
    *,
    settings: FullerAugmentSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Vary each case: see :mod:`napari_dmoe.training.augmentation.varied`."""
    transform = _transform(settings, tuple(images.shape[2:]))
    transform.set_random_state(int(torch.randint(2**31, (), generator=generator)))
    varied, moved = [], []
    for image, drawn in zip(images, labels, strict=True):
        case = transform({IMAGE: image, LABELS: drawn[None].float()})
        varied.append(_plain(case[IMAGE]).clamp(0, 1))
        moved.append(_plain(case[LABELS])[0].round().to(labels.dtype))
    return torch.stack(varied), torch.stack(moved)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor


@lru_cache(maxsize=4)
def _transform(settings: FullerAugmentSettings, shape: tuple[int, ...]) -> Compose:
    """Build the chain for one shape; volumes turn about z only: voxels may be long."""
    both, often = [IMAGE, LABELS], settings.relit
    angle = torch.deg2rad(torch.tensor(settings.rotation)).item()
    steps = [
        RandAffined(
            both,
            prob=settings.moved,
            rotate_range=[angle] if len(shape) == 2 else [angle, 0, 0],
            scale_range=[settings.zoom] * len(shape),
            translate_range=[settings.shift * n for n in shape],
            mode=("bilinear", "nearest"),
            padding_mode="zeros",
        ),
        RandSimulateLowResolutiond(
            IMAGE,
            prob=often / 2,
            zoom_range=(0.6, 1.0),
            upsample_mode="bilinear" if len(shape) == 2 else "trilinear",
        ),
        RandGaussianSmoothd(
            IMAGE,
            prob=often,
            **{f"sigma_{axis}": (0.1, settings.blur_px) for axis in "xyz"},
        ),
        RandScaleIntensityd(IMAGE, factors=settings.light, prob=often),
        RandAdjustContrastd(
            IMAGE, prob=often, gamma=(1 - settings.light, 1 + settings.light)
        ),
        RandGaussianNoised(IMAGE, prob=often, std=settings.noise),
    ]
    if settings.flip:
        steps.insert(0, RandFlipd(both, prob=settings.moved, spatial_axis=-1))
    return Compose(steps)
