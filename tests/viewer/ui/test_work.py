"""The dock does one thing at a time, and says so on everything that would begin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog, QMessageBox, QPushButton
from what_if_fakes import FakeAblate

from napari_dmoe.estimate import SoFar
from napari_dmoe.imaging.tables import write_table
from napari_dmoe.viewer.fine_tune.closing import named_as_model
from napari_dmoe.viewer.fine_tune.control import FineTuneControl
from napari_dmoe.viewer.layers.saving import mask_path
from napari_dmoe.viewer.routing.control import RoutingControl
from napari_dmoe.viewer.segment.control import SegmentControl
from napari_dmoe.viewer.ui.asking import ask_for_file, save_table, table_path
from napari_dmoe.viewer.ui.foot import Foot
from napari_dmoe.viewer.ui.work import BUSY, Work
from napari_dmoe.viewer.what_if.control import WhatIfControl
from napari_dmoe.viewer.what_if.replay.control import case_path

pytestmark = pytest.mark.gui


@pytest.fixture
def engine() -> FakeAblate:
    return FakeAblate()


@pytest.fixture
def desk(make_desk: Callable[..., Desk], engine: FakeAblate) -> Desk:
    desk = make_desk(ViewerModel(), ablate=engine)
    desk.viewer.add_image(IMAGE, name="retina")
    desk.viewer.add_image(IMAGE, name="other")
    desk.choose("severity", "suspect")
    desk.run()
    return desk


def starts_of(desk: Desk) -> dict[str, QPushButton]:
    dock = desk.dock
    tab, what_if = dock.control(SegmentControl).tab, dock.control(WhatIfControl).tab
    return {
        "sweep": what_if.sweep.button,
        "experts": what_if.experts.run_button,
        "effects": what_if.experts.effects_button,
        "noise": what_if.noise.run_button,
        "replay": what_if.replay.replay_button,
        "open case": what_if.replay.open_button,
        "compare": tab.compare.button,
        "layers": tab.series.layers_button,
        "folder": tab.series.folder_button,
        "table": tab.series.table_button,
        "compute": dock.control(RoutingControl).tab.maps.compute_button,
        "tune": dock.control(FineTuneControl).tab.foot.button,
    }


def test_while_the_dock_is_at_work_nothing_else_can_be_started(
    desk: Desk, engine: FakeAblate
) -> None:
    buttons = starts_of(desk)
    desk.viewer.layers.selection = {desk.viewer.layers["other / mask"]}
    before = {name: (b.isEnabled(), b.toolTip()) for name, b in buttons.items()}
    assert before["noise"][0]
    assert before["replay"][0]
    engine.gate.clear()
    desk.what_if.tab.experts.mute_boxes[3].click()
    desk.click(buttons["experts"])
    desk.qtbot.waitUntil(lambda: bool(engine.calls))
    assert not [name for name, b in buttons.items() if b.isEnabled()]
    assert {b.toolTip() for b in buttons.values()} == {BUSY}
    # Files are written beside it.
    assert desk.segmenting.tab.result.save_button.isEnabled()
    assert desk.what_if.tab.replay.save_button.isEnabled()
    # What the sections learn meanwhile does not let go of their buttons.
    desk.what_if.noise.show()
    desk.segmenting.compare.show()
    desk.viewer.layers.selection = {desk.viewer.layers["other"]}
    assert not buttons["noise"].isEnabled()
    assert not buttons["compare"].isEnabled()
    engine.gate.set()
    desk.wait_until_idle()
    assert buttons["noise"].isEnabled()
    assert buttons["sweep"].toolTip() != BUSY
    assert not buttons["replay"].isEnabled()  # an image is selected now
    assert "Select one layer" in buttons["replay"].toolTip()
    desk.viewer.layers.selection = {desk.viewer.layers["other / mask"]}
    after = {name: (b.isEnabled(), b.toolTip()) for name, b in buttons.items()}
    assert after.pop("compare") == (True, before.pop("compare")[1])
    assert after == before


def test_what_cannot_be_shown_is_a_failure_and_leaves_nothing(
    desk: Desk,
    engine: FakeAblate,
    notifications: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = [layer.name for layer in desk.viewer.layers]

    def broken(*_: object) -> None:
        raise TypeError("Jane Doe has no ray")

    monkeypatch.setattr(desk.session.groups, "put", broken)
    experts = desk.what_if.tab.experts
    experts.mute_boxes[3].click()
    desk.click(experts.run_button)
    desk.wait_until_idle()
    where = "TypeError in viewer/what_if/experts/control.py"
    assert desk.status.startswith(f"Failed: the result could not be shown ({where}")
    assert experts.problem.text().startswith(f"Not run: {where}")
    assert "Doe" not in desk.status + experts.problem.text() + notifications[0].message
    assert [layer.name for layer in desk.viewer.layers] == before
    assert desk.viewer.layers["other / mask"].visible
    assert desk.dock.footer.button.text() == "Segment"
    assert len(notifications) == 1
    monkeypatch.undo()
    desk.click(experts.run_button)
    desk.wait_until_idle()
    assert "Done" in desk.status


def test_a_mask_is_shown_in_3d_under_a_resting_pointer(
    make_desk: Callable[..., Desk],
    models: dict[str, object],
    volume_model: object,
    engine: FakeAblate,
    notifications: list[Notification],
) -> None:
    models["volume"] = volume_model
    desk = make_desk(ViewerModel(), ablate=engine)
    desk.load("volume")
    viewer = desk.viewer
    viewer.add_image(np.zeros((4, 12, 9)), name="ct", axis_labels=("z", "y", "x"))
    viewer.dims.ndisplay, viewer.mouse_over_canvas = 3, True
    desk.run()
    desk.what_if.tab.experts.mute_boxes[1].click()
    desk.click(desk.what_if.tab.experts.run_button)
    desk.wait_until_idle()
    assert "Done" in desk.status
    assert [layer.name for layer in viewer.layers] == [
        "ct",
        "ct / mask",
        "ct / what-if expert 1 muted",
        "ct / difference, expert 1 muted",
    ]
    shown = {layer.name for layer in viewer.layers if layer.visible}
    assert shown == {"ct", *(each.name for each in viewer.layers[2:])}
    assert "voxels change" in desk.status
    assert not viewer.mouse_over_canvas  # napari reads nothing there until it moves
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, None)
    assert viewer.mouse_over_canvas
    assert notifications == []


def test_files_are_written_by_a_worker_and_an_error_says_where_and_why(
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
) -> None:
    foot = Foot("work", start="Start", start_help="", stop_help="")
    qtbot.addWidget(foot)
    work = Work(foot, foot)
    threads: list[threading.Thread] = []

    def write(path: Path) -> None:
        threads.append(threading.current_thread())
        write_table(path, [{"expert": "1"}])

    work.save(tmp_path / "a.csv", write)
    qtbot.waitUntil(lambda: not work.is_at_files)
    assert threads[0] is not threading.main_thread()
    assert foot.status.text() == "Saved a.csv."
    # A name without an ending gets one; a folder is no file.
    (tmp_path / "b.csv").mkdir()
    chosen = str(tmp_path / "b")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (chosen, ""))
    save_table(work, foot, "the effects", [{"expert": "1"}])
    qtbot.waitUntil(lambda: not work.is_at_files)
    said = notifications[-1].message
    assert said.startswith(f"b.csv cannot be saved in {tmp_path}: ")
    assert foot.status.text() == f"Failed: {said}"


@pytest.mark.parametrize(
    ("typed", "ending", "named"),
    [
        ("mine", ".csv", table_path),
        ("mine", ".safetensors", named_as_model),
        ("mine.case", ".dmoe-case", case_path),
        ("mine", ".labels.tif", mask_path),
    ],
)
@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_file_that_the_dialog_did_not_know_of_is_asked_about(
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    ending: str,
    named: Callable[[Path], Path],
    answer: str,
) -> None:
    foot = Foot("work", start="Start", start_help="", stop_help="")
    qtbot.addWidget(foot)
    target, asked = tmp_path / f"mine{ending}", []
    chosen = str(tmp_path / typed)
    given = QMessageBox.StandardButton[answer]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (chosen, ""))
    monkeypatch.setattr(
        QMessageBox, "question", lambda *said: asked.append(said) or given
    )
    assert ask_for_file(foot, "Save", "", "", named) == target
    assert not asked
    target.write_text("not yours")
    found = ask_for_file(foot, "Save", "", "", named)
    assert (found, len(asked)) == (target if answer == "Yes" else None, 1)


def test_what_takes_minutes_says_once_what_would_shorten_it(qtbot: QtBot) -> None:
    foot = Foot("run", start="Segment", start_help="", stop_help="")
    qtbot.addWidget(foot)
    foot.propose("Less overlap is faster.")
    foot.show_running(True)
    foot.show_progress(SoFar("window 3 of 96", 0.02, 60.0))
    assert foot.status.text() == "window 3 of 96 (2%) · about 1 min left"
    foot.show_progress(SoFar("window 5 of 96", 0.05, 7200.0))
    said = "window 5 of 96 (5%) · about 2 h left · Less overlap is faster."
    assert foot.status.text() == said
    foot.show_progress(SoFar("window 5 of 96", 0.04, 7200.0))
    assert foot.bar.value() == 50  # never backwards
