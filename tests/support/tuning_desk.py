"""A desk whose Fine-tune tab is used, and changes that a guard may show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from desk import Desk
from qtpy.QtCore import Qt
from tuning_fakes import FakeProcess, FakeTuning

from napari_dmoe.inference.results.provenance import METADATA_KEY
from napari_dmoe.patient import Patient
from napari_dmoe.training.guarding.report import Change
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.layers.samples import PHANTOM_KEY


def change(group: str, after: float, n: int = 12, *, spread: float = 0.002) -> Change:
    """Return what a guard shows of the rim, with an interval of the change."""
    ends = after - 0.8 - spread, after - 0.8 + spread
    return Change(group, "rim", n, 0, 0.8, after, *ends)


BETTER = (
    change("all", 0.85, 36),
    change("severity=healthy", 0.85),
    change("severity=suspect", 0.85),
    change("severity=glaucoma", 0.85),
)
WORSE = (*BETTER[:3], change("severity=glaucoma", 0.7))
DRAWN = {METADATA_KEY: {PHANTOM_KEY: "fundus"}}
"""Metadata of a layer that shows a phantom fundus."""


class TuningDesk:
    """A desk whose Fine-tune tab is open, and what a person does there."""

    def __init__(self, desk: Desk, fake: FakeTuning) -> None:
        self.desk, self.fake, self.viewer = desk, fake, desk.viewer
        self.tab, self.tuner = (
            desk.tuner.tab,
            desk.tuner,
        )

    @property
    def state(self) -> State:
        return self.tuner.tuning.state

    @property
    def said(self) -> str:
        return self.tab.foot.status.text()

    def paint(self, name: str = "retina", value: int = 1) -> None:
        labels = np.zeros(self.viewer.layers[name].data.shape[:2], np.uint8)
        labels[2:5, 2:5] = value
        self.viewer.add_labels(labels, name=f"{name} labels")

    def know(self, name: str = "retina", severity: str | None = "suspect") -> None:
        image = self.viewer.layers[name]
        self.desk.dock._session.set_patient(image, Patient(severity=severity))

    def open(self) -> None:
        tabs = self.desk.dock.tabs
        bar = tabs.tabBar()
        place = bar.tabRect(tabs.indexOf(self.tab)).center()
        self.desk.qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)

    def start(self) -> FakeProcess:
        before = len(self.fake.started)
        self.desk.click(self.tab.foot.button)
        self.wait(lambda: len(self.fake.started) > before)
        return self.fake.last

    def choose_guard(self, path: Path, *, is_awaited: bool = True) -> None:
        """Let a cohort be the guard, as the dialog does."""
        self.tuner.guard.choose_cohort(str(path))
        if is_awaited:
            self.wait(lambda: not self.tuner.guard.is_looking)

    @property
    def guard_note(self) -> str:
        return self.tab.tune.guard_note.text()

    def wait(self, is_so: Callable[[], bool]) -> None:
        self.desk.qtbot.waitUntil(is_so, timeout=20_000)

    def wait_for(self, state: State) -> None:
        self.wait(lambda: self.state is state)

    def done(self, *guard: Change, **facts: object) -> FakeProcess:
        process = self.start()
        process.train()
        process.finish(*guard, **facts)
        self.wait_for(State.DONE)
        return process
