"""The process that tunes: ``python -m napari_dmoe.training.tuning.job FOLDER``.

It reads its order from the private folder, says how it goes in lines of JSON, and stops
within a step when it is told to. It ends by itself when whoever started it is gone, and
takes the folder with it, unless it was told to finish and where to save.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from napari_dmoe.imaging.atomic import write_text
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.loop.folder import RECORD
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.tuning.corrected import StoredCases
from napari_dmoe.training.tuning.order import (
    CASES,
    EVENTS,
    FINISH,
    MODEL,
    REPLAY,
    REPORT,
    RUN,
    STOP,
    TUNED_MODEL,
    TuningOrder,
    leave,
    read_order,
)
from napari_dmoe.training.tuning.tune import Tuned, tune

_SECONDS_BETWEEN_REPORTS = 0.1


class Orphaned(Cancelled):
    """Whoever started the process is gone and told nothing."""


@dataclass
class Reporter:
    """Says how it goes, and looks whether the work is to stop.

    Parameters
    ----------
    folder : Path
        The private folder.
    file : text file
        Where the lines go.
    parent : int
        The process that started this one.
    """

    folder: Path
    file: IO[str]
    parent: int
    _last: float = 0.0
    _stage: str = ""

    def say(self, event: str, **facts: Any) -> None:
        """Write one line."""
        self.file.write(json.dumps({"event": event, **facts}) + "\n")
        self.file.flush()

    def on_progress(self, stage: str, at: Progress) -> None:
        """Say how far it is, not too often; stop where that is wanted.

        Raises
        ------
        Cancelled
            When the work is to stop.
        """
        if (self.folder / STOP).exists():
            self.say("stopping")
            raise Cancelled
        if os.getppid() != self.parent and not (self.folder / FINISH).exists():
            raise Orphaned
        now = time.monotonic()
        is_due = now - self._last > _SECONDS_BETWEEN_REPORTS
        if is_due or stage != self._stage or at.done == at.total:
            self._last, self._stage = now, stage
            self.say(
                "progress",
                stage=stage,
                done=at.done,
                total=at.total,
                message=at.message,
            )

    def on_epoch(self, epoch: Epoch) -> None:
        """Pass an epoch on."""
        self.say("epoch", epoch=epoch.facts())


def work(folder: Path, reporter: Reporter) -> None:
    """Do what the folder's order asks for, and leave the result there."""
    order = read_order(folder)
    reporter.say("began", pid=os.getpid())
    loaded = load_checkpoint(folder / MODEL)
    loaded = replace(
        loaded,
        source=order.source or loaded.source,
        sha256=order.sha256 or loaded.sha256,
    )
    replayed = StoredCases.of(folder / REPLAY)
    others = [i for i in replayed.ids() if i not in order.replayed]
    tuned = tune(
        loaded,
        StoredCases.of(folder / CASES),
        settings=order.settings,
        guard=order.guard,
        replay=replayed.without(others),
        folder=folder / RUN,
        resume=order.mode == "resume",
        only_compare=order.mode == "compare",
        progress=reporter.on_progress,
        on_epoch=reporter.on_epoch,
    )
    save_checkpoint(
        folder / TUNED_MODEL, tuned.loaded, training=_record(folder, order, tuned)
    )
    write_text(folder / REPORT, tuned.report.to_json())


def _record(folder: Path, order: TuningOrder, tuned: Tuned) -> str:
    """Return how the tuned model came about, as JSON for its file."""
    facts: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads((folder / RUN / RECORD).read_text("utf-8"))
    facts["started_from"] = order.sha256 or facts.get("started_from")
    facts["started_from_file"] = order.source or None
    facts["tuning"] = json.loads(tuned.report.to_json())
    return json.dumps(facts, indent=1)


def main(arguments: list[str]) -> int:
    """Work on a folder; return the exit status."""
    folder = Path(arguments[0])
    with (folder / EVENTS).open("a", encoding="utf-8") as file:
        reporter = Reporter(folder, file, os.getppid())
        try:
            work(folder, reporter)
        except Orphaned:
            shutil.rmtree(folder, ignore_errors=True)
            return 1
        except Cancelled:
            reporter.say("stopped")
            return 0
        except Exception as error:  # noqa: BLE001 - whoever started it must be told
            leave(folder, failed=_tell(reporter, error))
            return 1
        reporter.say("done")
    leave(folder)
    return 0


def _tell(reporter: Reporter, error: Exception) -> str:
    """Say what went wrong: a known error in its words, any other with its kind."""
    is_known = isinstance(error, ValueError | OSError)
    words = str(error) if is_known else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        words = "there was not enough memory: choose a smaller batch, or the CPU"
    reporter.say("failed", message=words, is_known=is_known)
    if not is_known:
        traceback.print_exception(error)
    return words


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # taking torch apart takes seconds, and nobody needs it
