"""The fairness dock in napari's window: where it comes up, moves, closes and fits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import napari
import pytest
from evaluations import make_evaluated
from fairness_desk import FairnessDesk, Fakes, drop, make_cohort
from napari._app_model import get_app_model
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow
from widths import LARGE, NORMAL, dress, lay_out, misfits

from napari_dmoe.cohorts.problems import Problem
from napari_dmoe.viewer import coming_up
from napari_dmoe.viewer.coming_up import open_fairness_dock
from napari_dmoe.viewer.contributed import FAIRNESS
from napari_dmoe.viewer.fairness.dock import FairnessDock
from napari_dmoe.viewer.fairness.shelf import Audit

pytestmark = pytest.mark.gui

SOON_MS = 150
BOTTOM = Qt.DockWidgetArea.BottomDockWidgetArea


class Faked(FairnessDock):
    """A dock whose engines are fakes."""

    def __init__(self, viewer: napari.Viewer) -> None:
        self.fakes = Fakes()
        super().__init__(viewer, engines=self.fakes.engines())


@pytest.fixture
def window(
    make_napari_viewer: Callable[..., napari.Viewer], monkeypatch: pytest.MonkeyPatch
) -> napari.Viewer:
    monkeypatch.setattr(coming_up, "FairnessDock", Faked)
    return make_napari_viewer()


def docks(viewer: napari.Viewer) -> list[Faked]:
    shown = viewer.window.dock_widgets.values()
    return [each for each in shown if isinstance(each, Faked)]


def area_of(dock: FairnessDock) -> Qt.DockWidgetArea:
    holder = dock.parent()
    assert isinstance(holder, QDockWidget)
    assert not holder.isHidden()
    main = holder.parent()
    assert isinstance(main, QMainWindow)
    return main.dockWidgetArea(holder)


def by_script(viewer: napari.Viewer) -> None:
    viewer.window.add_plugin_dock_widget("napari-dmoe", FAIRNESS)


def by_menu(viewer: napari.Viewer) -> None:
    command = get_app_model().commands.execute_command("napari-dmoe.open_fairness")
    assert command.exception() is None


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (by_script, by_menu),
        (by_menu, open_fairness_dock),
        (open_fairness_dock, by_script),
    ],
)
def test_whatever_opened_it_there_is_one_dock_at_the_bottom(
    window: napari.Viewer,
    qtbot: QtBot,
    first: Callable[[napari.Viewer], object],
    then: Callable[[napari.Viewer], object],
) -> None:
    first(window)
    (dock,) = docks(window)
    qtbot.waitUntil(lambda: area_of(dock) == BOTTOM)
    then(window)
    qtbot.wait(SOON_MS)
    assert docks(window) == [dock]
    assert area_of(dock) == BOTTOM
    qtbot.waitUntil(lambda: not dock.looking.is_busy)


def test_it_goes_on_while_it_moves_and_stops_when_it_is_closed(
    window: napari.Viewer, qtbot: QtBot, tmp_path: Path
) -> None:
    dock = open_fairness_dock(window)
    assert isinstance(dock, Faked)
    qtbot.waitUntil(lambda: not dock.looking.is_busy)
    (tmp_path / "in").mkdir()
    drop(dock, str(tmp_path / "in"))
    qtbot.waitUntil(lambda: not dock.work.is_at_files)
    dock.fakes.gate.clear()
    dock.foot.button.click()
    qtbot.waitUntil(lambda: "case 3 of 4" in dock.foot.status.text())
    by_script(window)
    qtbot.wait(SOON_MS)
    assert dock.work.is_busy
    window.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not dock.work.is_busy)
    assert dock.audits.all == ()
    with qtbot.waitSignal(dock.destroyed):
        dock.deleteLater()


def test_importing_the_dock_loads_no_torch() -> None:
    code = (
        "import sys, napari_dmoe.viewer.fairness.dock\n"
        "print([n for n in ('torch', 'monai') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


SIZES = (600, 220), (600, 340), (1000, 300), (1499, 340), (1500, 340), (1900, 340)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("points", [NORMAL, LARGE])
def test_everything_fits_from_narrow_to_wide(
    desk: FairnessDesk, tmp_path: Path, theme: str, points: int
) -> None:
    desk.dock.show()
    dress(desk.dock, theme, points)
    sizes = [size for size in SIZES if points == NORMAL or size[0] >= 1000]
    source = tmp_path / "a folder of a cohort with quite a long name"
    source.mkdir()
    problems = tuple(
        Problem(n, "age", "x" * 30, "an age in years, as 63") for n in range(9)
    )
    desk.fakes.cohorts[source] = replace(make_cohort(), problems=problems)
    found = []
    for state in ("empty", "read", "compared", "audited"):
        if state == "read":
            desk.read(source)
        if state == "compared":
            desk.dock.cohort.skip_box.click()
            desk.dock.compared.add_requested.emit("skin-phantom")
        if state == "audited":
            desk.run()
        for width, height in sizes:
            lay_out(desk.dock, width, height)
            found += [f"{state} {width}: {each}" for each in misfits_left(desk)]
    assert found == []


def misfits_left(desk: FairnessDesk) -> list[str]:
    """Return what does not fit of the pickers; the results have tests of their own."""
    return misfits(desk.dock.pickers)  # type: ignore[arg-type]


def test_the_cohort_has_the_room_that_no_result_needs_yet(desk: FairnessDesk) -> None:
    desk.dock.show()
    lay_out(desk.dock, 1200, 340)
    assert desk.dock.pickers.is_wide
    desk.dock.audits.put(Audit(make_evaluated()))
    assert not desk.dock.pickers.is_wide
