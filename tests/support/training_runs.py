"""A short training with groups, noise and dropout, saved and stopped at will."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from training_cases import mixed_squares, squares, tiny_model

from napari_dmoe.models.weights import read_weights
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.loop.fit import fit
from napari_dmoe.training.loop.folder import RESUME, STATE_KEY, RunFolder
from napari_dmoe.training.loop.history import Fitted
from napari_dmoe.training.settings import TrainSettings

SETTINGS = TrainSettings(
    epochs=5, batch=4, dropout=0.2, sampling="worst-group", seed=3, patience=4
)
SHORT = TrainSettings(epochs=1, batch=4)
LONG = SETTINGS.model_copy(update={"epochs": 400, "patience": None})


def train(
    folder: Path | None,
    *,
    settings: TrainSettings = SETTINGS,
    resume: bool = False,
    **options: object,
) -> Fitted:
    return fit(
        tiny_model(),
        mixed_squares(12),
        settings=settings,
        held_out=squares(2, "healthy", 20) + squares(2, "glaucoma", 30),
        folder=None if folder is None else RunFolder(folder),
        resume=resume,
        **options,
    )


class StopAt:
    """A hook that cancels at a step, counted from 1 since the training began."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self, progress: Progress) -> None:
        self.left -= "epoch" in progress.message
        if not self.left:
            raise Cancelled


def saved_facts(folder: Path) -> dict:
    return json.loads(read_weights(folder / RESUME).header[STATE_KEY])


def train_and_tell(folder: Path, log: Path, resume: bool) -> None:
    """Train, and write down every epoch; for a process that is killed."""
    torch.set_num_threads(1)
    with log.open("a", buffering=1) as lines:
        train(
            folder,
            settings=LONG,
            resume=resume,
            on_epoch=lambda epoch: print(epoch.number, file=lines),
        )
