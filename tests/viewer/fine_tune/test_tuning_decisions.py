"""Keep, Discard and what else ends a tuning, with a fake process."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import IMAGE
from napari.utils.notifications import Notification
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QFileDialog, QLabel, QMessageBox
from tables import column_of
from tuning_desk import BETTER, WORSE, TuningDesk
from tuning_fakes import FakeProcess, FakeTuning

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.training.tuning.corrected import StoredCases
from napari_dmoe.viewer.fine_tune import report
from napari_dmoe.viewer.fine_tune.closing import Answer, ClosingQuestion
from napari_dmoe.viewer.fine_tune.report import OutcomeControl
from napari_dmoe.viewer.fine_tune.state import State

pytestmark = pytest.mark.gui

ASK = ClosingQuestion.ask  # which tests replace, lest a box waits for ever


def test_keep_makes_the_tuned_model_the_sessions(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.done(*BETTER)
    session = tuning.desk.dock._session
    before = session.model
    said = tuning.tab.outcome.verdict.text()
    assert said == tuning.tuner.tuning.report.said
    assert said.startswith("no group got worse by more than 0.01 Dice")
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    assert session.model is not before
    assert session.model.card.name == "fundus-phantom-tuned"
    assert "Save it" in tuning.said
    tuning.wait(lambda: "Also train on" in tuning.tab.tune.rehearsal_box.text())
    assert tuning.tab.foot.button.isEnabled()


def test_discard_leaves_the_model_as_it_was(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.done(*BETTER)
    session = tuning.desk.dock._session
    before = session.model
    tuning.desk.click(tuning.tab.outcome.discard_button)
    assert session.model is before
    assert tuning.state is State.READY
    assert not list(process.folder.iterdir())
    assert not tuning.tab.outcome.table.isVisibleTo(tuning.tab)


def test_a_group_that_got_worse_has_to_be_accepted(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.done(*WORSE)
    outcome = tuning.tab.outcome
    assert outcome.verdict.text() == tuning.tuner.tuning.report.said
    assert "worse by more than 0.01 Dice: severity=glaucoma" in outcome.verdict.text()
    assert outcome.accepted.text() == "glaucoma got worse"
    assert sum("worse" in text for text in column_of(outcome.table, 2)) == 1
    decide = outcome.keep_button, outcome.save_button
    assert [each.isEnabled() for each in decide] == [False, False]
    assert {each.toolTip() for each in decide} == {
        "Tick first that you accept what got worse."
    }
    outcome.accept_box.click()
    assert [each.isEnabled() for each in decide] == [True, True]
    outcome.accept_box.click()
    assert [each.isEnabled() for each in decide] == [False, False]


def test_who_closes_the_window_has_to_accept_it_as_well(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning.open()
    tuning.done(*WORSE)
    seen: list[object] = []

    def look(box: QMessageBox) -> int:
        save = next(each for each in box.buttons() if each.text() == "Save…")
        tick = box.checkBox()
        seen.extend([tick.text(), save.isEnabled()])
        tick.click()
        seen.append(save.isEnabled())
        return 0

    monkeypatch.setattr(ClosingQuestion, "ask", ASK)
    monkeypatch.setattr(QMessageBox, "exec", look)
    assert not tuning.tuner.closing.may_close()  # nothing was answered: it stays
    assert seen == ["I accept, and save it: glaucoma got worse", False, True]


def test_who_closes_the_window_has_nothing_to_accept_where_nothing_got_worse(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning.open()
    tuning.done(*BETTER)
    boxes: list[object] = []
    monkeypatch.setattr(ClosingQuestion, "ask", ASK)
    monkeypatch.setattr(
        QMessageBox, "exec", lambda box: boxes.append(box.checkBox()) or 0
    )
    tuning.tuner.closing.may_close()
    assert boxes == [None]


def test_without_a_guard_nothing_is_said_of_groups(tuning: TuningDesk) -> None:
    tuning.open()
    combo = tuning.tab.tune.guard_combo
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    tuning.done()
    assert tuning.fake.last.task.guard.kind == "none"
    assert tuning.tab.outcome.verdict.text() == "not checked: there was no guard."
    assert tuning.tab.outcome.keep_button.isEnabled()  # nothing is known to be worse
    note = tuning.tab.curves.note.text()
    assert note.startswith("Dice on the cases trained on (n 24)")
    said = " ".join(label.text() for label in tuning.tab.findChildren(QLabel))
    assert "held out" not in said


def test_the_tuned_model_is_saved_with_its_hash(
    tuning: TuningDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mine.safetensors"
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(target), ""))
    )
    tuning.open()
    tuning.done(*BETTER)
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    tuning.desk.click(tuning.tab.outcome.save_button)
    session = tuning.desk.dock._session
    tuning.wait(lambda: session.model_origin == str(target))
    assert load_checkpoint(target).sha256 == session.model.sha256
    assert session.model_origin == str(target)


def test_the_tuned_model_is_copied_aside_even_before_the_window_closes(
    tuning: TuningDesk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notifications: list[Notification],
) -> None:
    threads, copy = [], report.shutil.copyfile

    def noted(*paths: Path) -> object:
        threads.append(threading.get_ident())
        return copy(*paths)

    monkeypatch.setattr(report.shutil, "copyfile", noted)
    tuning.open()
    tuning.done(*BETTER)
    outcome = tuning.tuner.outcome
    source = tuning.tuner.tuning.model_file
    assert outcome.save_before_closing(tmp_path / "mine", source)
    assert load_checkpoint(tmp_path / "mine.safetensors")
    (tmp_path / "file").write_text("no folder")
    assert not outcome.save_before_closing(tmp_path / "file" / "mine", source)
    assert notifications[-1].severity.value == "error"
    assert threads
    assert threading.get_ident() not in threads


def test_kept_cases_are_replayed_with_other_images(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.done(*BETTER)
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    tuning.viewer.layers.remove("retina labels")
    tuning.viewer.add_image(IMAGE, name="other")
    tuning.know("other")
    tuning.paint("other")
    tuning.wait(
        lambda: "Also train on 1 earlier image" in tuning.tab.tune.rehearsal_box.text()
    )
    tuning.wait(tuning.tab.foot.button.isEnabled)
    process = tuning.start()
    assert process.task.rehearsed == ("1",)
    assert len(StoredCases.of(process.folder / "replay")) == 1


def test_painting_and_removing_while_it_trains_is_said(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    tuning.viewer.layers["retina labels"].paint((9, 7), 1)
    assert "Painted since Start: “retina labels”" in tuning.tab.pairs.changes.text()
    tuning.viewer.layers.clear()
    assert "Removed since Start" in tuning.tab.pairs.changes.text()
    process.train()
    process.finish(*BETTER)
    tuning.wait_for(State.DONE)
    assert not tuning.tab.outcome.changes_button.isVisibleTo(tuning.tab)


def test_the_prediction_of_now_is_a_layer_of_its_own(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    process.train(2)
    tuning.wait(lambda: len(tuning.tuner.tuning.epochs) == 2)
    tuning.desk.click(tuning.tab.outcome.look_button)
    tuning.desk.wait_until_idle()
    name = "retina / mask by the tuned model, round 2"
    assert name in [layer.name for layer in tuning.viewer.layers]
    assert tuning.state is State.TRAINING
    process.finish(*BETTER)
    tuning.wait_for(State.DONE)
    tuning.desk.click(tuning.tab.outcome.changes_button)
    tuning.desk.wait_until_idle()
    assert not tuning.viewer.layers["retina / changed by tuning"].editable


def test_a_look_mixes_by_the_stated_shares(tuning: TuningDesk) -> None:
    asked: list[object] = []
    real = tuning.desk.segment

    def segment(*what: object, priors: object = None, **options: object) -> object:
        asked.append(priors)
        return real(*what, **options)

    tuning.desk.segmenting._engines.__dict__["segment"] = segment
    tuning.open()
    tuning.done(*BETTER)
    tuning.know(severity=None)
    tuning.desk.session.shares.state("severity", (0.5, 0.5, 0.0))
    tuning.desk.click(tuning.tab.outcome.changes_button)
    tuning.desk.wait_until_idle()
    assert asked == [{"severity": (0.5, 0.5, 0.0)}] * 2


@pytest.mark.parametrize("answer", list(Answer))
def test_closing_the_window_asks_what_becomes_of_it(
    make_tuning: Callable[..., TuningDesk],
    make_napari_viewer: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: Answer,
) -> None:
    tuning = make_tuning(make_napari_viewer())
    tuning.know()
    tuning.paint()
    tuning.open()
    process = tuning.start()
    closing = tuning.tuner.closing
    monkeypatch.setattr(ClosingQuestion, "ask", lambda *_: answer)
    monkeypatch.setattr(
        ClosingQuestion, "ask_where", lambda *_: tmp_path / "a.safetensors"
    )
    window = tuning.desk.dock.window()
    event = QEvent(QEvent.Type.Close)
    is_kept_open = closing.eventFilter(window, event)
    assert is_kept_open == (answer is Answer.STAY)
    assert process.alone == (
        tmp_path / "a.safetensors" if answer is Answer.GO_ON else None
    )
    if answer is Answer.GO_ON:
        assert not tuning.tuner.tuning.folder.exists
    tuning.tuner.abandon()


def test_an_undecided_model_is_asked_about_too(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tuning.open()
    assert tuning.tuner.closing.may_close()
    tuning.done(*BETTER)
    closing, target = tuning.tuner.closing, tmp_path / "late.safetensors"
    monkeypatch.setattr(ClosingQuestion, "ask", lambda *_: Answer.GO_ON)
    monkeypatch.setattr(ClosingQuestion, "ask_where", lambda *_: None)
    assert not closing.may_close()
    monkeypatch.setattr(ClosingQuestion, "ask_where", lambda *_: target)
    assert closing.may_close()
    assert load_checkpoint(target).card.name == "fundus-phantom-tuned"


def test_a_dock_that_is_destroyed_kills_its_process_and_deletes_its_folder(
    make_tuning: Callable[..., TuningDesk], fake: FakeTuning
) -> None:
    def begin() -> FakeProcess:
        tuning = make_tuning()
        tuning.know()
        tuning.paint()
        tuning.open()
        process = tuning.start()
        tuning.desk.dock.deleteLater()
        return process

    process = begin()
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert process.was_killed
    assert not process.folder.exists()


def test_a_dock_taken_out_of_its_window_ends_the_tuning(
    make_tuning: Callable[..., TuningDesk], make_napari_viewer: Callable[..., object]
) -> None:
    tuning = make_tuning(make_napari_viewer())
    tuning.know()
    tuning.paint()
    tuning.open()
    process = tuning.start()
    tuning.viewer.window.remove_dock_widget(tuning.desk.dock)
    assert process.was_killed
    assert not process.folder.exists()


def test_the_foot_for_segmenting_makes_room(tuning: TuningDesk) -> None:
    footer = tuning.desk.dock.footer
    tuning.open()
    assert not footer.isVisibleTo(tuning.desk.dock)
    tuning.desk.segment.gate.clear()
    tuning.desk.dock.segment()
    assert footer.isVisibleTo(tuning.desk.dock)  # it shows what goes on
    tuning.desk.segment.gate.set()
    tuning.desk.wait_until_idle()
    assert not footer.isVisibleTo(tuning.desk.dock)


def test_every_choice_has_a_name_and_a_help(tuning: TuningDesk) -> None:
    for button in tuning.tab.tune.presets.buttons():
        assert button.toolTip()
    assert tuning.tab.tune.guard_combo.accessibleName() == "Guard"
    texts = [label.text() for label in tuning.tab.findChildren(QLabel)]
    assert any("Research use only" in text for text in texts)
    assert isinstance(tuning.tuner.outcome, OutcomeControl)
