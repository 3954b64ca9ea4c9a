"""An audit that runs, is stopped and resumed, reopened and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from evaluations import make_evaluated
from fairness_desk import FairnessDesk, drop, make_cohort
from napari.utils.notifications import Notification
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog

from napari_dmoe.evaluation.evaluating.case_table import CASES
from napari_dmoe.evaluation.evaluating.journal import JOURNAL
from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.viewer.fairness.cohort import control
from napari_dmoe.viewer.fairness.compared.subjects import COLUMN_SUBJECT
from napari_dmoe.viewer.fairness.running import auditing, report
from napari_dmoe.viewer.fairness.running.auditing import Done, outcome
from napari_dmoe.viewer.session.session import session_of

pytestmark = pytest.mark.gui


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "cohort"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    opened: list[Path] = []
    monkeypatch.setattr(report, "open_in_browser", opened.append)
    return opened


def test_the_names_of_files_are_those_of_the_engines() -> None:
    assert auditing.JOURNAL == JOURNAL
    assert control.CASES == CASES


def test_what_was_decided_and_what_failed_is_said() -> None:
    evaluated = make_evaluated(3, title="a model")
    failed = replace(evaluated.cases[1], status="failed")
    facts = evaluated.facts.model_copy(update={"notices": ("ages are mixed",)})
    cases = (evaluated.cases[0], failed, evaluated.cases[2])
    done = Done(COLUMN_SUBJECT, Evaluated(cases, facts))
    assert outcome([done, done], "out") == (
        "Audited 3 cases, 2 compared, into out. 2 failed. Ages are mixed."
    )


def test_a_cohort_is_audited_and_looked_at(desk: FairnessDesk, source: Path) -> None:
    desk.read(source)
    desk.run()
    ((loaded, folder, how),) = desk.fakes.asked("evaluate")
    assert loaded == "loaded fundus-phantom"
    assert folder == source.parent / "cohort-audit" / "Fundus-driven-by-severity"
    assert how == {"device": "auto", "skips": False}
    (audit,) = desk.dock.audits.shown
    assert audit.row_of("case-003") is not None
    assert desk.status.startswith("Audited 12 cases, into cohort-audit.")
    assert desk.dock.results_control.figures is not None


def test_models_and_masks_are_compared_in_the_order_of_the_list(
    desk: FairnessDesk, source: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "nnunet"
    masks.mkdir()
    desk.read(source)
    desk.dock.compared.add_requested.emit("skin-phantom")
    drop(desk.dock.compared, str(masks))
    assert desk.compared == ["Fundus, driven by severity", "Skin", "nnunet (masks)"]
    desk.run()
    titles = [audit.title for audit in desk.dock.audits.shown]
    assert titles == ["loaded fundus-phantom", "loaded skin-phantom", "masks"]
    ((folder_of_masks, _, _),) = desk.fakes.asked("masks")
    assert folder_of_masks == masks
    assert "3 compared" in desk.status


def test_the_tables_own_predictions_are_proposed(
    desk: FairnessDesk, source: Path
) -> None:
    desk.fakes.cohorts[source] = make_cohort(prediction=True)
    desk.read(source)
    assert desk.compared == ["predictions of the table"]
    assert not desk.dock.compared.every_value_box.isEnabled()
    desk.run()
    ((folder, _, _),) = desk.fakes.asked("masks")
    assert folder is None


def test_what_is_removed_is_not_compared_and_nothing_cannot_be_run(
    desk: FairnessDesk, source: Path
) -> None:
    desk.read(source)
    desk.click(desk.dock.compared.remove_button(0))
    assert desk.compared == []
    assert desk.dock.foot.button.toolTip() == "Add a model, or a folder of masks."
    assert not desk.dock.foot.button.isEnabled()


def test_a_checkpoint_and_a_folder_of_masks_are_chosen_in_dialogs(
    desk: FairnessDesk, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.read(source)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/my/own.pth", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(source))
    combo = desk.dock.compared.add_combo
    combo.activated.emit(combo.findText("Checkpoint file…"))
    desk.click(desk.dock.compared.masks_button)
    assert desk.compared[1:] == ["own.pth", "cohort (masks)"]


def test_every_value_is_asked_after_the_evaluation(
    desk: FairnessDesk, source: Path
) -> None:
    desk.read(source)
    desk.dock.compared.every_value_box.click()
    desk.run()
    ((loaded, folder, problems),) = desk.fakes.asked("audit")
    (evaluated,) = desk.fakes.asked("evaluate")
    assert (loaded, problems) == ("loaded fundus-phantom", ())
    assert folder == evaluated[1] / "every-value"
    assert desk.dock.audits.shown[0].audited == "audited"


def test_a_run_is_stopped_and_resumed(desk: FairnessDesk, source: Path) -> None:
    desk.read(source)
    foot, fakes = desk.dock.foot, desk.fakes
    fakes.gate.clear()
    desk.click(foot.button)
    desk.qtbot.waitUntil(lambda: "case 3 of 4" in foot.status.text())
    assert foot.button.text() == "Stop"
    assert not foot.report_button.isEnabled()
    folder = fakes.asked("evaluate")[0][1]
    folder.mkdir(parents=True)
    (folder / JOURNAL).touch()
    desk.click(foot.button)
    desk.settle()
    assert desk.status == "Stopped. What is done is kept: press Resume to go on."
    assert foot.button.text() == "Resume"
    assert desk.dock.audits.all == ()
    fakes.gate.set()
    (folder / JOURNAL).unlink()
    desk.run()
    assert foot.button.text() == "Run"
    assert len(desk.dock.audits.shown) == 1


def test_an_error_is_told_once_and_the_dock_goes_on(
    desk: FairnessDesk, source: Path, notifications: list[Notification]
) -> None:
    desk.read(source)
    desk.fakes.error = ValueError("there is no such device: choose another")
    desk.run()
    assert "there is no such device" in desk.status
    assert len(notifications) == 1
    desk.fakes.error = None
    desk.run()
    assert len(desk.dock.audits.shown) == 1


def test_a_loaded_model_is_proposed_and_followed(
    desk: FairnessDesk, source: Path, fundus_model: object
) -> None:
    session = session_of(desk.viewer)
    session.set_model(fundus_model, "skin-phantom")  # type: ignore[arg-type]
    desk.read(source)
    assert desk.compared == ["Skin"]
    desk.run()
    ((loaded, _, _),) = desk.fakes.asked("evaluate")
    assert loaded is fundus_model


def test_a_model_that_was_trained_on_such_pictures_is_proposed(
    make_fairness: Callable[..., FairnessDesk], source: Path, fundus_model: object
) -> None:
    asked: list[tuple[int, str]] = []

    def suits(paths: list[Path], *, instead_of: str, progress: object) -> str:
        asked.append((len(paths), instead_of))
        return "skin-phantom"

    desk = make_fairness(suited_to_files=suits)
    desk.read(source)
    assert desk.compared == ["Skin"]
    assert "Like the training images of: Skin lesion" in desk.dock.cohort.found.text()
    session = session_of(desk.viewer)
    session.set_model(fundus_model, "fundus-phantom")  # type: ignore[arg-type]
    assert desk.compared == ["Skin"]
    desk.read(source)
    assert asked == [(12, ""), (12, "fundus-phantom")]
    session.models_chosen.note(None)  # a person chose it
    session.set_model(fundus_model, "fundus-phantom")  # type: ignore[arg-type]
    assert desk.compared == ["Fundus, driven by severity"]
    session.set_model(fundus_model, "/my/own.pth")  # type: ignore[arg-type]
    assert desk.compared == ["own.pth"]


def test_another_place_is_chosen_for_the_files(
    desk: FairnessDesk, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.read(source)
    assert desk.dock.compared.output_line.text() == "Writes into cohort-audit"
    other = tmp_path / "other"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(other))
    desk.click(desk.dock.compared.output_button)
    desk.run()
    assert desk.fakes.asked("evaluate")[0][1].parent == other


def test_audits_are_reopened_with_the_cohort_that_is_at_hand(
    desk: FairnessDesk, source: Path, tmp_path: Path
) -> None:
    root = tmp_path / "earlier"
    for name in ("first", "second"):
        (root / name).mkdir(parents=True)
        (root / name / CASES).touch()
    drop(desk.dock, str(root))
    desk.settle()
    assert [audit.title for audit in desk.dock.audits.shown] == ["first", "second"]
    assert desk.dock.audits.shown[0].cohort is None
    assert "Reopened 12 cases of first and 1 more." in desk.status
    desk.read(source)
    drop(desk.dock, str(root))
    desk.settle()
    assert desk.dock.audits.shown[0].row_of("case-001") is not None


def test_a_published_table_is_reopened_in_a_dialog(
    desk: FairnessDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "result_rim.csv"
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(table), ""))
    desk.click(desk.dock.cohort.reopen_button)
    desk.settle()
    assert desk.fakes.asked("reopen") == [table]


def test_from_an_open_dock_to_the_report_in_four_clicks(
    desk: FairnessDesk,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    pages: list[Path],
) -> None:
    table, clicks = source / "cohort.csv", 0
    table.touch()

    def choose(*_: object) -> tuple[str, str]:
        nonlocal clicks
        clicks += 1  # a file is chosen in a dialog
        return str(table), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    foot = desk.dock.foot
    for button in (desk.dock.cohort.table_button, foot.button, foot.report_button):
        clicks += 1
        desk.click(button)
        desk.settle()
    assert clicks == 4
    root = table.parent.parent / "cohort-audit"
    assert pages == [root / "report" / "report.html"]
    assert desk.fakes.asked("report") == [(["loaded fundus-phantom"], root / "report")]


def test_a_dock_destroyed_while_it_runs_gets_no_result(
    make_fairness: Callable[..., FairnessDesk], source: Path
) -> None:
    desk = make_fairness()
    desk.read(source)
    desk.fakes.gate.clear()
    desk.click(desk.dock.foot.button)
    desk.qtbot.waitUntil(lambda: "case 3 of 4" in desk.status)
    audits = desk.dock.audits
    with desk.qtbot.waitSignal(desk.dock.destroyed):
        desk.dock.deleteLater()
    pool = QThreadPool.globalInstance()
    desk.qtbot.waitUntil(lambda: pool.activeThreadCount() == 0)
    assert audits.all == ()


def test_a_second_dock_of_the_viewer_shows_the_same_audits(
    make_fairness: Callable[..., FairnessDesk], desk: FairnessDesk, source: Path
) -> None:
    desk.read(source)
    desk.run()
    again = make_fairness(desk.viewer)
    assert again.dock.audits is desk.dock.audits
    assert again.dock.foot.report_button.isEnabled()
