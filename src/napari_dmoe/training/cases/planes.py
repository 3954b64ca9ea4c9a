"""Planes prepared for training, kept in memory in 8 bits.

Brightness is varied before it is standardised, so the pool holds images as they are,
and :func:`network_input` finishes what :func:`prepare` would have done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.preprocessing import Preprocessing, prepare, standardised
from napari_dmoe.models.card import ModelCard
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.augmentation.fuller import fuller_augment
from napari_dmoe.training.augmentation.planes import augment
from napari_dmoe.training.augmentation.published import published_augment
from napari_dmoe.training.augmentation.settings import (
    AugmentSettings,
    FullerAugmentSettings,
    PublishedAugmentSettings,
)
from napari_dmoe.training.cases.annotation import (
    EVERYTHING,
    Annotation,
    TrainingError,
    category_of,
    labels_of,
)

Settings = AugmentSettings | PublishedAugmentSettings | FullerAugmentSettings


@dataclass(frozen=True)
class PlanePool:
    """Prepared planes.

    Parameters
    ----------
    images : (N, 3, S, S) uint8 tensor
        Images at the network's resolution, not standardised.
    labels : (N, S, S) uint8 tensor
        Their labels; 255 is not annotated.
    category : (N, A) int64 tensor
        Router of each of the card's attributes, -1 where it is unknown; a column of 0
        where the card has none.
    preprocessing : Preprocessing
        What the card asks for.
    patients : tuple of Patient
        Whom they show.
    """

    images: Tensor
    labels: Tensor
    category: Tensor
    preprocessing: Preprocessing
    patients: tuple[Patient, ...] = ()
    patch: None = None

    def __len__(self) -> int:
        return len(self.category)

    def whole(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return some cases as they are."""
        return self.plain(chosen)

    def plain(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return some cases as they are: inputs (B, 3, S, S), labels (B, S, S)."""
        return self._input(self.images[chosen].float() / 255), self.labels[chosen]

    def varied(
        self, chosen: Tensor, settings: Settings, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return some cases, varied."""
        images, labels = self.images[chosen].float() / 255, self.labels[chosen]
        if isinstance(settings, AugmentSettings):
            images, labels = augment(
                images, labels, settings=settings, generator=generator
            )
        elif isinstance(settings, PublishedAugmentSettings):
            images, labels = published_augment(
                images, labels, settings=settings, generator=generator
            )
        else:
            images, labels = fuller_augment(
                images, labels, settings=settings, generator=generator
            )
        return self._input(images), labels

    def _input(self, images: Tensor) -> Tensor:
        return standardised(images) if self.preprocessing.standardise else images


def read_planes(
    cases: Sequence[Case],
    card: ModelCard,
    *,
    annotation: Annotation = EVERYTHING,
    progress: ProgressHook = silent,
) -> PlanePool:
    """Prepare every case as a 2D card asks; see :func:`read_pool`."""
    if not isinstance(card.preprocessing, Preprocessing):
        raise TrainingError(f"the card {card.name!r} states no preprocessing")
    raw = card.preprocessing.model_copy(update={"standardise": False})
    images, labels, categories, patients = [], [], [], []
    for done, case in enumerate(cases, start=1):
        prepared = prepare(case.image, raw)
        tensor = (255 * prepared.tensor.clamp(0, 1)).round().to(torch.uint8)
        images.append(tensor.expand(3, -1, -1))
        drawn = labels_of(
            case,
            ("y", "x"),
            prepared.grid,
            n_classes=len(card.classes),
            annotation=annotation,
        )
        labels.append(torch.from_numpy(drawn))
        categories.append(category_of(case, card))
        patients.append(case.patient)
        progress(Progress(done, len(cases), "reading cases"))
    return PlanePool(
        torch.stack(images),
        torch.stack(labels),
        torch.tensor(categories),
        card.preprocessing,
        tuple(patients),
    )
