"""A tuning as a task for a process of its own, and the private folder it works in.

Beside the files of :mod:`napari_dmoe.training.child.process` there are:

``model.safetensors``, ``cases/``, ``replay/``
    The model to start from, and corrected cases.
``run/``
    What training saves.
``tuned.safetensors``, ``report.json``
    What came of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from napari_dmoe.training.child.process import ChildProcess, Farewell
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.loop.folder import LAST
from napari_dmoe.training.pacing import TRAINING, Paces
from napari_dmoe.training.settings import TrainSettings

MODEL, TUNED_MODEL, REPORT = "model.safetensors", "tuned.safetensors", "report.json"
CASES, REPLAY, RUN = "cases", "replay", "run"

GRACE_SECONDS = 1.8
"""How long a process that was told to stop may take to say that it does."""

SAVING_SECONDS = 30.0
"""How long it may take where something would be lost: a large model, a slow disk."""

_MODULE = "napari_dmoe.training.tuning.serve"


class TuningTask(BaseModel):
    """What a tuning's process is asked for.

    Parameters
    ----------
    settings : TrainSettings
        How to train.
    guard : Guard
        What guards the groups.
    source, sha256 : str
        Name and hash of the file that the model was loaded from; empty where it was
        never a file. The copy in the folder has another hash.
    rehearsed : tuple of str
        Ids of the earlier cases that are trained on too.
    mode : {"begin", "resume", "compare"}
        Train; go on with it; or compare what was reached when it was stopped.
    paces : Paces, optional
        How fast its parts are, as far as earlier tunings tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    settings: TrainSettings
    guard: Guard = Guard()
    source: str = ""
    sha256: str = ""
    rehearsed: tuple[str, ...] = ()
    mode: Literal["begin", "resume", "compare"] = "begin"
    paces: Paces | None = None


class TuningProcess(ChildProcess):
    """A tuning at work in its private folder.

    Parameters
    ----------
    folder : Path
        The folder, with model and cases.
    task : TuningTask
        What it is asked for.
    """

    def __init__(self, folder: Path, task: TuningTask) -> None:
        for left in (REPORT, TUNED_MODEL):
            (folder / left).unlink(missing_ok=True)
        super().__init__(_MODULE, folder, task)

    @property
    def patience(self) -> float:
        """Seconds that it may take to stop: longer while it saves, or never saved."""
        has_saved = (self.folder / RUN / LAST).is_file()
        may_lose_all = self._stage == TRAINING and not has_saved
        is_saving = "stopping" in self._said
        return SAVING_SECONDS if is_saving or may_lose_all else GRACE_SECONDS

    def save_alone(self, path: Path) -> None:
        """Let it finish without us, and save model and report at a path.

        Raises
        ------
        OSError
            When it cannot be told.
        """
        report, failed = (path.with_suffix(s) for s in (".report.json", ".failed.txt"))
        copies = {TUNED_MODEL: str(path), REPORT: str(report)}
        self.finish_alone(Farewell(copies=copies, failed=str(failed)))
