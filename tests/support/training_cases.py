"""Tiny cohorts and networks that the tests of training share."""

from __future__ import annotations

import numpy as np
import torch

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import Preprocessing
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.imaging.volume_preprocessing import VolumePreprocessing
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel, new_model
from napari_dmoe.models.unet import UNetConfig
from napari_dmoe.models.vit import ViTConfig
from napari_dmoe.patient import Patient
from napari_dmoe.training.settings import TrainSettings

SEVERITY = CardAttribute(name="severity", values=("healthy", "suspect", "glaucoma"))
CONFIG = ViTConfig(
    width=16,
    depth=1,
    n_heads=2,
    mlp_width=16,
    grid=2,
    n_classes=3,
    n_routers=3,
    n_experts=4,
    expert_width=16,
    decoder_entry=8,
    decoder_widths=(8, 8, 8, 4),
)
CARD = ModelCard(
    name="tiny",
    title="Tiny",
    architecture="dmoe-vit",
    n_heads=2,
    attributes=(SEVERITY,),
    classes=("background", "rim", "cup"),
    preprocessing=Preprocessing(
        crop="square", side=32, resize="half-pixel", standardise=True
    ),
)
PLAIN = TrainSettings(epochs=2, batch=4, learning_rate=3e-3, augmentation=None)

STAGE = CardAttribute(name="severity", values=("T1", "T2"))
CUBE_CARD = ModelCard(
    name="cubes",
    title="Cubes",
    dims=3,
    architecture="dmoe-unet3d",
    attributes=(STAGE,),
    classes=("background", "cube"),
    preprocessing=VolumePreprocessing(window=(0, 100), patch=(32, 32, 64)),
)
CUBE_CONFIG = UNetConfig(feature_size=4, n_routers=2, n_experts=2)


def tiny_model(seed: int = 0) -> LoadedModel:
    """Return an untrained 2D network."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return new_model("dmoe-vit", CONFIG, CARD)


def cube_model(seed: int = 0) -> LoadedModel:
    """Return an untrained 3D network."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return new_model("dmoe-unet3d", CUBE_CONFIG, CUBE_CARD)


def square(number: int, severity: str | None = "suspect", **patient: object) -> Case:
    """Return an image with a bright square, labelled 1 with a core of 2."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 40, (32, 32), np.uint8)
    truth = np.zeros((32, 32), np.uint8)
    row, column = rng.integers(1, 12, 2)
    truth[row : row + 18, column : column + 18] = 1
    truth[row + 5 : row + 13, column + 5 : column + 13] = 2
    pixels[truth > 0] += 120
    image, labels = (
        SpatialImage.from_array(array, axes="yx") for array in (pixels, truth)
    )
    return Case(str(number), image, labels, Patient(severity=severity, **patient))


def squares(n: int = 8, severity: str = "suspect", first: int = 0) -> list[Case]:
    """Return several of them."""
    return [square(first + i, severity) for i in range(n)]


def mixed_squares(n: int = 12) -> list[Case]:
    """Return squares of every severity in turn."""
    return [square(i, SEVERITY.values[i % 3]) for i in range(n)]


def cube(
    number: int, *, shape: tuple[int, ...] = (40, 40, 70), **patient: object
) -> Case:
    """Return a volume with a bright cube, labelled 1."""
    rng = np.random.default_rng(number)
    pixels = rng.normal(20, 5, shape).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    start = rng.integers(2, 18, 3)
    place = tuple(slice(s, min(s + 14, n)) for s, n in zip(start, shape, strict=True))
    pixels[place] += 60
    labels[place] = 1
    known = {"severity": "T1" if number % 2 else "T2"} | patient
    return Case(
        f"cube-{number}",
        SpatialImage(pixels, ("z", "y", "x")),
        SpatialImage(labels, ("z", "y", "x")),
        Patient(**known),
    )


def weights(loaded: LoadedModel) -> torch.Tensor:
    """Return every number of a network's state, in one row."""
    state = loaded.module.state_dict().values()
    return torch.cat([t.detach().flatten().double() for t in state])
