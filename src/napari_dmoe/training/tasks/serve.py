"""A training in a process of its own, so that its memory comes back and Stop works.

It is told to stop by a line, by the end of its input, which is the end of whoever
started it, or by SIGTERM: it saves, and says so. What it says are events, each a
mapping with ``event``:

``start``
    The task was understood: ``folder``, ``model``.
``progress``
    ``done``, ``total``, ``message``; at most ten a second.
``epoch``
    An epoch is over: the fields of :class:`napari_dmoe.training.loop.history.Epoch`.
``stopping``
    It was told to stop, and saves.
``done``
    ``model``, ``sha256``, ``best_epoch``, ``held_out``, ``notices``.
``stopped``
    It was stopped and can be resumed.
``error``
    ``message``, for a person; ``kind``, the name of the error.

``python -m napari_dmoe.training.tasks.serve FOLDER`` is the child.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_dmoe.training.child.process import (
    TASK,
    ChildProcess,
    Event,
    private_folder,
)
from napari_dmoe.training.child.serving import Reporter, be_child
from napari_dmoe.training.tasks.task import TrainingTask, run_task

_MODULE = "napari_dmoe.training.tasks.serve"


class TrainingProcess(ChildProcess):
    """A training that runs in a process of its own.

    Parameters
    ----------
    task : TrainingTask
        What to train.

    Examples
    --------
    >>> training = TrainingProcess(task)  # doctest: +SKIP
    >>> for event in training.events():  # doctest: +SKIP
    ...     print(event["event"])
    """

    def __init__(self, task: TrainingTask) -> None:
        folder = private_folder("training")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(_MODULE, folder, task)

    def events(self) -> Iterator[Event]:
        """Yield its events until it ends; the last says how.

        A process that dies without a word gives an ``error`` of kind ``ProcessEnded``.
        What it saved can be resumed.
        """
        yield from super().events()
        self._remove()


def work(folder: Path, reporter: Reporter) -> Mapping[str, Any]:
    """Do what the folder's task asks for."""
    task = TrainingTask.model_validate_json((folder / TASK).read_text("utf-8"))
    reporter.say("start", folder=str(task.folder), model=str(task.model_path))
    outcome = run_task(
        task,
        progress=reporter.on_progress,
        on_epoch=lambda epoch: reporter.say("epoch", **epoch.facts()),
    )
    fitted = outcome.fitted
    return {
        "model": str(outcome.path),
        "sha256": outcome.sha256,
        "best_epoch": fitted.best_epoch,
        "held_out": fitted.held_out,
        "notices": list(fitted.notices),
    }


if __name__ == "__main__":
    be_child(work)
