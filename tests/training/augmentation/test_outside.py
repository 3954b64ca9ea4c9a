"""What comes in over an edge when a picture is moved."""

from __future__ import annotations

import torch

from napari_dmoe.training.augmentation.planes import augment
from napari_dmoe.training.augmentation.settings import AugmentSettings

FAR = AugmentSettings(
    rotation=180, zoom=1, shift=0.3, light=0, colour=0, grey_share=0, blur_px=0, noise=0
)


def moved(outside: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return white pictures with a labelled left half, which is darker, moved far."""
    images = torch.ones(8, 3, 32, 32)
    labels = torch.zeros(8, 32, 32, dtype=torch.uint8)
    images[..., :16], labels[..., :16] = 0.5, 1
    settings = FAR.model_copy(update={"outside": outside})
    generator = torch.Generator().manual_seed(0)
    return augment(images, labels, settings=settings, generator=generator)


def test_it_is_black_unless_asked_otherwise() -> None:
    images, _ = moved("black")
    assert AugmentSettings().outside == "black"
    assert (images < 0.01).float().mean() > 0.1


def test_mirrored_pictures_and_labels_go_on_together() -> None:
    images, labels = moved("mirror")
    assert images.min() > 0.49
    dark = images[:, 0] < 0.75
    assert (dark == (labels == 1)).float().mean() > 0.97  # but for the border's pixels
    assert 0.3 < labels.float().mean() < 0.7
