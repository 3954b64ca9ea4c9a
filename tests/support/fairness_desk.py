"""A viewer with the fairness dock, engines that are fakes, and what a person does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from evaluations import make_evaluated
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QWidget

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress, ProgressHook
from napari_dmoe.viewer.engines import Engines, Surroundings
from napari_dmoe.viewer.fairness.dock import FairnessDock

MODELS = "fundus-phantom", "skin-phantom"
TITLES = {"fundus-phantom": "Fundus, driven by severity", "skin-phantom": "Skin"}
PROBLEM = Problem(4, "age", "old", "an age in years")


def make_cohort(n: int = 12, *, prediction: bool = False, **about: Any) -> Cohort:
    """Return a cohort whose cases are those of :func:`make_evaluated`."""
    rows = [
        CohortRow(
            number + 2,
            f"case-{number:03d}",
            Path(f"/in/{number}.png"),
            Path(f"/in/{number}-labels.png"),
            Patient(sex="female" if number % 3 else None, age=20.0 + number),
            further={"centre": "north" if number % 4 else "south"},
            prediction=Path(f"/in/{number}-mask.png") if prediction else None,
        )
        for number in range(n)
    ]
    return Cohort(tuple(rows), title="cohort.csv", **about)


@dataclass
class Fakes:
    """Engines that answer at once, or wait at their gate; and what they were asked."""

    cohorts: dict[Path, Cohort] = field(default_factory=dict)
    """What is read, by its source; a cohort of twelve by default."""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    """What running raises."""
    columns: Mapping[str, str] | None = None
    """What was stated of them the last time."""

    def __post_init__(self) -> None:
        self.gate.set()

    def open_cohort(self, path: Path, *, columns: Any, **_: Any) -> Cohort:
        self.columns = columns
        if "broken" in path.name:
            raise CohortError(f"{path.name}: no column tells the images")
        return self.cohorts.get(path, make_cohort())

    def draw_phantoms(self, kind: str, folder: Path, **_: Any) -> Path:
        self.calls.append(("draw", kind))
        return folder / "cohort.csv"

    def evaluate(
        self,
        loaded: Any,
        cohort: Cohort,
        folder: Path,
        *,
        progress: ProgressHook,
        **how: Any,
    ) -> Evaluated:
        self.calls.append(("evaluate", (loaded, folder, how)))
        self._wait(progress)
        return made(len(cohort), str(loaded), folder)

    def evaluate_predictions(
        self,
        cohort: Cohort,
        masks: Path | None,
        folder: Path,
        *,
        progress: ProgressHook,
        **how: Any,
    ) -> Evaluated:
        self.calls.append(("masks", (masks, folder, how)))
        self._wait(progress)
        return made(len(cohort), "masks", folder)

    def audit(self, loaded: Any, cohort: Cohort, folder: Path, **_: Any) -> str:
        self.calls.append(("audit", (loaded, folder, cohort.problems)))
        return "audited"

    def write_report(
        self, evaluated: list[Evaluated], folder: Path, *, progress: ProgressHook
    ) -> SimpleNamespace:
        self.calls.append(("report", ([e.facts.title for e in evaluated], folder)))
        return SimpleNamespace(html=folder / "report.html")

    def read_evaluation(self, path: Path) -> Evaluated:
        self.calls.append(("reopen", path))
        return made(12, path.name, path)

    def _wait(self, progress: ProgressHook) -> None:
        for step in range(1, 4):
            progress(Progress(step, 4, f"case {step} of 4"))
        while not self.gate.wait(0.005):
            progress(Progress(3, 4, "case 3 of 4"))
        if self.error is not None:
            raise self.error

    def engines(self, **others: Any) -> Engines:
        """Return all of them."""
        known: list[str] = []
        fakes = Engines(
            look_around=lambda: Surroundings("CPU", ("auto",), MODELS, TITLES),
            load_checkpoint=lambda name: f"loaded {name}",  # type: ignore[arg-type]
            suited_to_files=lambda *_, **__: "",
            recent_models=lambda: (),
            recent_cohorts=lambda: tuple(known),
            remember_cohort=lambda path: known.insert(0, path),
            open_cohort=self.open_cohort,
            draw_phantoms=self.draw_phantoms,
            evaluate=self.evaluate,
            evaluate_predictions=self.evaluate_predictions,
            audit=self.audit,
            write_report=self.write_report,
            read_evaluation=self.read_evaluation,
        )
        return replace(fakes, **others)

    def asked(self, what: str) -> list[Any]:
        """Return what an engine was called with."""
        return [how for name, how in self.calls if name == what]


def made(n: int, title: str, folder: Path) -> Evaluated:
    """Return an evaluated cohort of a folder."""
    return make_evaluated(n, title=title, folder=folder)


@dataclass
class FairnessDesk:
    """A viewer with the dock, and what a person does with them."""

    viewer: ViewerModel
    dock: FairnessDock
    fakes: Fakes
    qtbot: QtBot

    def click(self, button: QWidget) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def read(self, source: str | Path) -> None:
        """Drop a cohort on the dock."""
        drop(self.dock, str(source))
        self.settle()

    def run(self) -> None:
        self.click(self.dock.foot.button)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing goes on."""
        dock = self.dock
        self.qtbot.waitUntil(
            lambda: (
                not (
                    dock.work.is_busy
                    or dock.work.is_at_files
                    or dock.looking.is_busy
                    or dock.is_refreshing
                    or dock.results_control.is_busy
                )
            ),
            timeout=20_000,
        )

    @property
    def status(self) -> str:
        return self.dock.foot.status.text()

    @property
    def compared(self) -> list[str]:
        """What the list shows."""
        return [each.objectName() for each in self.dock.compared.lines]


def drop(widget: QWidget, path: str) -> bool:
    """Drop a file on a widget; say whether it was taken."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(path)])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    event.ignore()
    widget.dropEvent(event)
    return event.isAccepted()


Make = Callable[..., FairnessDesk]
