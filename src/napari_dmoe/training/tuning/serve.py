"""The process that tunes: ``python -m napari_dmoe.training.tuning.serve FOLDER``."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.progress import Progress
from napari_dmoe.training.child.process import TASK
from napari_dmoe.training.child.serving import Reporter, be_child
from napari_dmoe.training.loop.folder import RECORD
from napari_dmoe.training.tuning import process
from napari_dmoe.training.tuning.corrected import StoredCases
from napari_dmoe.training.tuning.tune import Tuned, tune


def work(folder: Path, reporter: Reporter) -> Mapping[str, Any]:
    """Do what the folder's task asks for, and leave the result there."""
    task = process.TuningTask.model_validate_json((folder / TASK).read_text("utf-8"))
    reporter.say("start", pid=os.getpid())
    copy = load_checkpoint(folder / process.MODEL)
    source, sha256 = task.source or copy.source, task.sha256 or copy.sha256

    def on_progress(stage: str, at: Progress) -> None:
        reporter.on_progress(at, stage=stage)

    tuned = tune(
        replace(copy, source=source, sha256=sha256),
        StoredCases.of(folder / process.CASES),
        settings=task.settings,
        guard=task.guard,
        replay=StoredCases.of(folder / process.REPLAY).only(task.rehearsed),
        paces=task.paces,
        folder=folder / process.RUN,
        resume=task.mode == "resume",
        only_compare=task.mode == "compare",
        progress=on_progress,
        on_epoch=lambda epoch: reporter.say("epoch", **epoch.facts()),
    )
    record = _record(folder, task, tuned)
    save_checkpoint(folder / process.TUNED_MODEL, tuned.loaded, training=record)
    write_text(folder / process.REPORT, tuned.report.to_json())
    return {}


def _record(folder: Path, task: process.TuningTask, tuned: Tuned) -> str:
    """Return how the tuned model came about, as JSON for its file."""
    facts: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads((folder / process.RUN / RECORD).read_text("utf-8"))
    facts["started_from"] = task.sha256 or facts.get("started_from")
    facts["started_from_file"] = task.source or None
    facts["tuning"] = json.loads(tuned.report.to_json())
    return json.dumps(facts, indent=1)


if __name__ == "__main__":
    be_child(work)
