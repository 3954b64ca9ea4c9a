"""The folder of a training: models, the state to go on from, and its history.

Every file appears whole or not at all, so that neither a kill nor a full disk costs the
last good one:

``last.safetensors``, ``best.safetensors``
    Models, with their cards and how they came about.
``resume.safetensors``
    All that another process needs to go on as if there had been no break.
``history.csv``, ``history.json``
    The history, for people and programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_dmoe.imaging.atomic import atomic_path, write_text
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint, write_safetensors
from napari_dmoe.models.weights import CheckpointError, read_weights
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.history import Epoch, history_rows
from napari_dmoe.training.loop.resuming import RESUME, read_facts
from napari_dmoe.training.settings import SCHEMA_VERSION

LAST, BEST = "last.safetensors", "best.safetensors"
TABLE, RECORD = "history.csv", "history.json"
STATE_KEY = "napari-dmoe-training-state"


class RunFolder:
    """Where a training leaves its files.

    Parameters
    ----------
    path : Path
        The folder; made where it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, *, resume: bool) -> None:
        """Make sure, before any work is done, that files can be written.

        Raises
        ------
        TrainingError
            When they cannot; when there is nothing to resume; and when the folder
            holds a training that is not to be resumed.
        """
        if resume and not (self.path / RESUME).is_file():
            raise TrainingError(
                f"there is no training to resume in {self.path}: no {RESUME}"
            )
        if not resume and (self.path / RESUME).exists():
            raise TrainingError(
                f"{self.path} holds a training already: resume it, or choose another "
                "folder"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(".partial-*"):  # by a process that was killed
                left.unlink()
            with atomic_path(self.path / ".probe") as partial:
                partial.write_bytes(b"\0" * 4096)
            (self.path / ".probe").unlink()
        except OSError as error:
            raise TrainingError(
                f"nothing can be written to {self.path}: {error.strerror or error}. "
                "Choose another folder"
            ) from error

    def save_model(self, name: str, model: LoadedModel, record: str) -> None:
        """Save a model under the name :data:`LAST` or :data:`BEST`."""
        save_checkpoint(self.path / name, model, training=record)

    def save_state(
        self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]
    ) -> None:
        """Save all that is needed to go on from here."""
        names = sorted(tensors)
        stated = {"schema_version": SCHEMA_VERSION, "tensors": names, **facts}
        write_safetensors(
            self.path / RESUME, tensors, header={STATE_KEY: json.dumps(stated)}
        )

    def read_state(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """Read what :meth:`save_state` wrote.

        Raises
        ------
        TrainingError
            When it is damaged, something else, of a newer version, or states what
            cannot be.
        """
        try:
            saved = read_weights(self.path / RESUME)
        except CheckpointError as error:
            raise TrainingError(
                f"the training cannot be resumed: {error}. Start anew from {LAST}"
            ) from error
        return saved.tensors, read_facts(saved.header.get(STATE_KEY))

    def read_best(self) -> dict[str, Tensor] | None:
        """Return the weights of the best model; None where there is no such file."""
        if not (self.path / BEST).is_file():
            return None
        return dict(load_checkpoint(self.path / BEST).module.state_dict())

    def write_history(
        self, history: list[Epoch], record: str, epochs: list[dict[str, Any]]
    ) -> None:
        """Write the history so far, with times, for people and programs."""
        write_table(self.path / TABLE, history_rows(history), line_end="\n")
        whole = {**json.loads(record), "history": epochs}
        write_text(self.path / RECORD, json.dumps(whole, indent=1) + "\n")

    def clear(self) -> None:
        """Remove what an earlier training left here, and nothing else."""
        for name in (LAST, BEST, RESUME, TABLE, RECORD):
            (self.path / name).unlink(missing_ok=True)
