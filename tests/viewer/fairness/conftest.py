"""The fairness dock on a viewer without a window, with engines that are fakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairness_desk import FairnessDesk, Fakes
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot
from results_reader import Reader

from napari_dmoe.viewer.fairness.dock import FairnessDock


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing be written into a person's own folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    return home


@pytest.fixture
def make_fairness(qtbot: QtBot) -> Callable[..., FairnessDesk]:
    def make(viewer: ViewerModel | None = None, **others: Any) -> FairnessDesk:
        viewer, fakes = viewer or ViewerModel(), Fakes()
        dock = FairnessDock(viewer, engines=fakes.engines(**others))
        qtbot.addWidget(dock)
        dock.resize(1200, 340)
        desk = FairnessDesk(viewer, dock, fakes, qtbot)
        desk.settle()
        return desk

    return make


@pytest.fixture
def desk(make_fairness: Callable[..., FairnessDesk]) -> FairnessDesk:
    """Return a desk without a cohort."""
    return make_fairness()


@pytest.fixture
def reader(desk: FairnessDesk) -> Reader:
    """Return a dock to be filled with results."""
    return Reader(desk).see()
