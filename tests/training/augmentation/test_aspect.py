"""Pictures that were squashed: their sides vary on their own, and labels with them."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_dmoe.training.augmentation.planes import augment
from napari_dmoe.training.augmentation.settings import AugmentSettings

STILL = AugmentSettings(
    rotation=0, zoom=1, shift=0, light=0, colour=0, grey_share=0, blur_px=0, noise=0
)


def squares(n: int) -> tuple[Tensor, Tensor]:
    """Return pictures of a bright square of 32 pixels in 96, and their labels."""
    labels = torch.zeros(n, 96, 96, dtype=torch.uint8)
    labels[:, 32:64, 32:64] = 1
    return labels[:, None].float().repeat(1, 3, 1, 1), labels


def sides(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the height and width of what each mask shows, in pixels."""
    return labels.amax(2).sum(1).float(), labels.amax(1).sum(1).float()


def test_sides_differ_by_the_factor_at_most_and_labels_follow() -> None:
    images, labels = squares(200)
    settings = STILL.model_copy(update={"aspect": 1.5})
    generator = torch.Generator().manual_seed(0)
    varied, moved = augment(images, labels, settings=settings, generator=generator)
    height, width = sides(moved)
    ratio = height / width
    assert 1.35 < float(ratio.max()) <= 1.6
    assert 1 / 1.6 <= float(ratio.min()) < 1 / 1.35
    # What one side gains the other loses: the area stays.
    torch.testing.assert_close(
        height * width, torch.full((200,), 1024.0), rtol=0.1, atol=0
    )
    assert ((varied[:, 0] > 0.5) == (moved == 1)).float().mean() > 0.99
