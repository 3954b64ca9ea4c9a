"""From an empty napari to the worst case of the worst group: real, and in a window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_dmoe.viewer.coming_up import open_fairness_dock
from napari_dmoe.viewer.fairness.cohort import control, reading
from napari_dmoe.viewer.fairness.dock import FairnessDock
from napari_dmoe.viewer.session.session import session_of
from napari_dmoe.viewer.ui.tables import Table

pytestmark = pytest.mark.gui

TIMEOUT_MS = 240_000
N = 8


@pytest.fixture
def few_phantoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Draw few phantoms, into a folder of the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(control, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setitem(reading.N_PHANTOMS, "fundus", N)
    return home


def wait(qtbot: QtBot, dock: FairnessDock) -> None:
    qtbot.waitUntil(
        lambda: (
            not (
                dock.looking.is_busy
                or dock.work.is_busy
                or dock.work.is_at_files
                or dock.results_control.is_busy
                or dock.is_refreshing
            )
        ),
        timeout=TIMEOUT_MS,
    )


def click(
    qtbot: QtBot, table: Table, line: int, act: Callable[..., None] | None = None
) -> None:
    """Click a line of a table, once or twice, where a person sees it."""
    index = table.model().index(line, 0)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    for each in filter(None, (qtbot.mouseClick, act)):
        each(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


@pytest.mark.timeout(600)
def test_a_phantom_cohort_is_audited_and_its_worst_case_seen(
    make_napari_viewer: Callable[..., napari.Viewer], qtbot: QtBot, few_phantoms: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = open_fairness_dock(viewer)
    wait(qtbot, dock)
    for button in (dock.cohort.phantoms_button, dock.foot.button):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        wait(qtbot, dock)
    (audit,) = dock.audits.shown
    assert len(audit.evaluated) == N
    assert (few_phantoms / "dmoe-audits" / "fundus-audit").is_dir()

    results, figures = dock.results_control, dock.results_control.figures
    assert figures is not None
    (model,) = figures.models
    means = {group: np.nanmean(model.values_of(group)) for group in figures.groups}
    worst_group = min(means, key=lambda group: means[group])
    table = dock.results.groups.table
    lines = [row.split("\t")[0] for row in table.text().splitlines()[1:]]
    click(qtbot, table, next(i for i, each in enumerate(lines) if worst_group in each))
    wait(qtbot, dock)
    listed = [audit.evaluated[each.place] for each in results.listed]
    scores = [case.score(figures.asked.region, figures.asked.metric) for case in listed]
    values = [each.value for each in scores if each is not None]
    assert len(listed) > 1
    assert values == sorted(values)

    click(qtbot, dock.results.cases.table, 0, qtbot.mouseDClick)
    wait(qtbot, dock)
    worst, session = listed[0], session_of(viewer)
    image = session.image
    assert isinstance(image, Image)
    assert worst.id in image.name
    assert session.patient_of(image) == worst.patient
    masks = [layer for layer in viewer.layers if isinstance(layer, Labels)]
    assert len(masks) >= 2  # the truth and the prediction
    assert any(layer.visible for layer in masks)
