"""What a tuning's own process is asked for, and the private folder it works in.

``order.json``
    What to do: a :class:`TuningOrder`.
``model.safetensors``, ``cases/``, ``replay/``
    The model to start from, and corrected cases.
``run/``
    What training saves.
``events.jsonl``
    What the process says: one JSON object a line.
``stop``, ``finish.json``
    What it is told while it works: to stop, or where to leave its result when nobody
    waits for it any more.
``tuned.safetensors``, ``report.json``
    What came of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_dmoe.imaging.atomic import atomic_path, write_text
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.tuning.guard import Guard

ORDER, EVENTS, STOP, FINISH = "order.json", "events.jsonl", "stop", "finish.json"
MODEL, TUNED_MODEL, REPORT = "model.safetensors", "tuned.safetensors", "report.json"
CASES, REPLAY, RUN, LOG = "cases", "replay", "run", "log.txt"


class TuningOrder(BaseModel):
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
    replayed : tuple of str
        Ids of the earlier cases that are trained on too.
    mode : {"begin", "resume", "compare"}
        Train; go on with it; or compare what was reached when it was stopped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    settings: TrainSettings
    guard: Guard = Guard()
    source: str = ""
    sha256: str = ""
    replayed: tuple[str, ...] = ()
    mode: Literal["begin", "resume", "compare"] = "begin"


class Farewell(BaseModel):
    """Where a process leaves its result when nobody waits for it any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    save_to: str = Field(min_length=1)


def read_order(folder: Path) -> TuningOrder:
    """Read a folder's order.

    Raises
    ------
    OSError, ValueError
        When there is none, or it is no order.
    """
    return TuningOrder.model_validate_json((folder / ORDER).read_text("utf-8"))


def leave(folder: Path, *, failed: str = "") -> None:
    """Save the result where a farewell says, and take the folder away.

    Nothing is done where nobody said farewell, or the folder is gone already.

    Parameters
    ----------
    folder : Path
        The private folder.
    failed : str
        Why there is no result; this is then written beside where it would have been.
    """
    if not (folder / FINISH).exists():
        return
    farewell = Farewell.model_validate_json((folder / FINISH).read_text("utf-8"))
    target = Path(farewell.save_to)
    if failed:
        write_text(target.with_suffix(".failed.txt"), f"Not tuned: {failed}\n")
    else:
        _copy(folder / TUNED_MODEL, target)
        _copy(folder / REPORT, target.with_suffix(".report.json"))
    shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all."""
    with atomic_path(target) as partial:
        shutil.copyfile(source, partial)
