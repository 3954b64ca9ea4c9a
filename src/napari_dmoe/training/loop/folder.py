"""The folder of a training: models, the state to go on from, and its history.

Every file appears whole or not at all, so that neither a kill nor a full disk costs the
last good one:

``last.safetensors``, ``best.safetensors``
    Models, with their cards and how they came about.
``resume.safetensors``
    All that another process needs to go on as if there had been no break.
``history.csv``, ``history.json``
    The history, for people and programs.
``held_out.csv``
    Which cases were held out: their ids, subjects and attributes.
``task.json``
    What was asked for, where a command or a task asked.

Nothing is written or removed before every case was read: see :meth:`RunFolder.begin`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.disk.claims import FolderError, claimed, refuse_beyond_disk
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.models.saving import save_checkpoint, write_safetensors
from napari_dmoe.models.weights import CheckpointError, read_weights
from napari_dmoe.purpose import reason
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.loop.history import Epoch, history_rows
from napari_dmoe.training.loop.resuming import RESUME, read_facts
from napari_dmoe.training.settings import SCHEMA_VERSION

LAST, BEST = "last.safetensors", "best.safetensors"
TABLE, RECORD, TASK = "history.csv", "history.json", "task.json"
HELD_OUT = "held_out.csv"
FILES = (LAST, BEST, RESUME, TABLE, RECORD, HELD_OUT, TASK)
STATE_KEY = "napari-dmoe-training-state"


class RunFolder:
    """Where a training leaves its files.

    Parameters
    ----------
    path : Path
        The folder; made where it does not exist.
    overwrite : bool
        Whether an earlier training is removed when this one begins.
    task : str
        What was asked for, to be written down then; nothing where it is empty.
    """

    def __init__(self, path: Path, *, overwrite: bool = False, task: str = "") -> None:
        self.path = path
        self.overwrite, self.task = overwrite, task
        self.has_begun = False
        """Whether what lies in it now is of this training."""

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Be the folder's only training within a block.

        Raises
        ------
        TrainingError
            When another run writes into it, or nothing can be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(claimed(self.path))
            except FolderError as error:
                raise TrainingError(str(error)) from error
            yield

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
        if not (resume or self.overwrite):
            self.refuse_another()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.path / ".probe") as partial:
                partial.write_bytes(b"\0" * 4096)
            (self.path / ".probe").unlink()
        except OSError as error:
            why = error.strerror or reason(error)
            raise TrainingError(
                f"nothing can be written to {self.path}: {why}. Choose another folder"
            ) from error

    def refuse_another(self) -> None:
        """Refuse a folder that holds a training.

        Raises
        ------
        TrainingError
            When it does.
        """
        if (self.path / RESUME).exists():
            raise TrainingError(
                f"{self.path} holds a training already: resume it, or choose another "
                "folder"
            )

    def refuse_without_room(self, model_bytes: int, optimiser_bytes: int = 0) -> None:
        """Refuse a training whose files do not fit on the disk.

        Parameters
        ----------
        model_bytes, optimiser_bytes : int
            What the network's tensors take, and what the optimiser keeps beside them.

        Raises
        ------
        TrainingError
            When there is too little room for the models and the state to go on from,
            one of which is written anew beside the old one.
        """
        state = model_bytes + optimiser_bytes
        sizes = {LAST: model_bytes, BEST: model_bytes, RESUME: state}
        new = sum(max(0, n - self._size(name)) for name, n in sizes.items())
        try:
            refuse_beyond_disk(self.path, new + state)
        except FolderError as error:
            raise TrainingError(str(error)) from error

    def _size(self, name: str) -> int:
        path = self.path / name
        return path.stat().st_size if path.is_file() else 0

    def begin(
        self,
        *,
        resume: bool,
        held_out: Sequence[Mapping[str, str]] = (),
        columns: Sequence[str] = (),
    ) -> None:
        """Take the place of what lies here; every case was read and can be trained on.

        Parameters
        ----------
        resume : bool
            Whether what lies here is gone on with.
        held_out : sequence of mapping
            Rows of :data:`HELD_OUT`; none where nothing is held out.
        columns : sequence of str
            Its first columns.

        Raises
        ------
        TrainingError
            When nothing can be written.
        """
        try:
            if self.overwrite and not resume:
                for name in FILES:
                    (self.path / name).unlink(missing_ok=True)
            write_table(self.path / HELD_OUT, held_out, columns, line_end="\n")
            if self.task:
                write_text(self.path / TASK, self.task)
        except OSError as error:
            why = error.strerror or reason(error)
            raise TrainingError(
                f"nothing can be written to {self.path}: {why}. "
                "Nothing was saved: make room, or choose another folder"
            ) from error
        self.has_begun = True

    @property
    def can_be_resumed(self) -> bool:
        """Whether this training has saved a state to go on from."""
        return self.has_begun and (self.path / RESUME).is_file()

    def models(self) -> list[str]:
        """Return the names of the models that this training has saved."""
        names = (BEST, LAST) if self.has_begun else ()
        return [name for name in names if (self.path / name).is_file()]

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
