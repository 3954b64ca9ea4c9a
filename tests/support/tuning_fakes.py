"""A tuning process that says what it is told to, at once."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.child.process import silent_end
from napari_dmoe.training.guarding.report import Change, TuningReport
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.tuning.process import (
    MODEL,
    REPORT,
    RUN,
    TUNED_MODEL,
    TuningTask,
)

OWN = Change("all", "rim", 1, 0, 0.5, 0.9)


class FakeTuning:
    """Starts fake processes, and remembers them."""

    def __init__(self) -> None:
        self.started: list[FakeProcess] = []
        self.error: OSError | None = None

    def __call__(self, folder: Path, task: TuningTask) -> FakeProcess:
        if self.error is not None:
            raise self.error
        self.started.append(FakeProcess(folder, task))
        return self.started[-1]

    @property
    def last(self) -> FakeProcess:
        return self.started[-1]


class FakeProcess:
    """Says what it is told to."""

    def __init__(self, folder: Path, task: TuningTask) -> None:
        self.folder, self.task = folder, task
        self.was_stopped = self.was_killed = False
        self.alone: Path | None = None
        self._events: list[dict[str, Any]] = []

    def say(self, event: str, **facts: Any) -> None:
        self._events.append({"event": event, **facts})

    def new_events(self) -> list[dict[str, Any]]:
        said, self._events = self._events, []
        return said

    def stop(self) -> None:
        self.was_stopped = True

    def kill(self) -> None:
        self.was_killed = True

    def save_alone(self, path: Path) -> None:
        self.alone = path
        shutil.rmtree(self.folder)

    def end(self, event: str = "", **facts: Any) -> None:
        """End, with a last word or without."""
        words = "Traceback\nSegmentation fault"
        silent = silent_end(-9, words, was_stopped=self.was_stopped)
        self._events.append({"event": event, **facts} if event else dict(silent))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.say("progress", stage=stage, done=done, total=total, message="x")

    def train(self, n: int = 1) -> None:
        """Do as if some epochs were over."""
        (self.folder / RUN).mkdir(exist_ok=True)
        for number in range(n):
            groups = {
                f"severity={value}": {"rim": 0.5 + number / 10, "cup": math.nan}
                for value in ("healthy", "glaucoma")
            }
            counts = {"n": 24, "n_groups": dict.fromkeys(groups, 12)}
            dice = {"rim": 0.5}
            epoch = Epoch(number, 1 / (number + 1), dice, groups=groups, **counts)
            self.progress("training", number, 9)
            self.say("epoch", **epoch.facts())
        save_checkpoint(
            self.folder / RUN / "last.safetensors", load_checkpoint(self.folder / MODEL)
        )

    def finish(self, *guard: Change, own: Change = OWN, **facts: Any) -> None:
        """Leave a tuned model and a report."""
        loaded = load_checkpoint(self.folder / MODEL)
        card = loaded.card.model_copy(update={"name": loaded.card.name + "-tuned"})
        save_checkpoint(self.folder / TUNED_MODEL, replace(loaded, card=card))
        title = "60 fundus phantoms" if guard else ""
        report = TuningReport(
            (own,), tuple(guard), guard_title=title, n_cases=1, **facts
        )
        (self.folder / REPORT).write_text(report.to_json())
        self.end("done")
