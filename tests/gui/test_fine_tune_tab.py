"""The Fine-tune tab: from two clicks to Keep or Discard, with a fake process."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from desk import IMAGE, Desk
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from qtpy.QtCore import QCoreApplication, QEvent, Qt
from qtpy.QtWidgets import QFileDialog, QLabel
from tuning_fakes import FakeProcess, FakeTuning

from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.patient import Patient
from napari_dmoe.training.corrected import StoredCases
from napari_dmoe.training.tuning_report import Change
from napari_dmoe.viewer.tuning_state import State
from napari_dmoe.viewer.widgets.closing_question import Answer, ClosingQuestion
from napari_dmoe.viewer.widgets.outcome_control import OutcomeControl

pytestmark = pytest.mark.gui

BETTER = (
    Change("all", "rim", 6, 0, 0.8, 0.85),
    Change("severity=healthy", "rim", 3, 0, 0.8, 0.85),
    Change("severity=glaucoma", "rim", 3, 0, 0.8, 0.85),
)
WORSE = (*BETTER[:2], Change("severity=glaucoma", "rim", 3, 0, 0.8, 0.7))


class TuningDesk:
    """A desk whose Fine-tune tab is open, and what a person does there."""

    def __init__(self, desk: Desk, fake: FakeTuning) -> None:
        self.desk, self.fake, self.viewer = desk, fake, desk.viewer
        self.tab, self.tuner = desk.dock.fine_tune, desk.dock.tuner

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
        bar = self.desk.dock.tabs.tabBar()
        place = bar.tabRect(2).center()
        self.desk.qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=place)

    def start(self) -> FakeProcess:
        before = len(self.fake.started)
        self.desk.click(self.tab.foot.button)
        self.wait(lambda: len(self.fake.started) > before)
        return self.fake.last

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


@pytest.fixture(autouse=True)
def no_dialog_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClosingQuestion, "ask", lambda *_: Answer.END)


@pytest.fixture
def fake() -> FakeTuning:
    return FakeTuning()


@pytest.fixture
def make_tuning(
    make_desk: Callable[..., Desk], models: dict[str, LoadedModel], fake: FakeTuning
) -> Callable[..., TuningDesk]:
    def load(name: str, card: str | None = None) -> LoadedModel:
        return models[name] if name in models else load_checkpoint(name)

    def make(viewer: ViewerModel | None = None) -> TuningDesk:
        desk = make_desk(
            viewer or ViewerModel(), start_tuning=fake, load_checkpoint=load
        )
        desk.viewer.add_image(IMAGE, name="retina")
        return TuningDesk(desk, fake)

    return make


@pytest.fixture
def tuning(make_tuning: Callable[..., TuningDesk]) -> TuningDesk:
    """Return a desk with one painted image of a known patient."""
    tuning = make_tuning()
    tuning.know()
    tuning.paint()
    return tuning


def test_two_clicks_start_a_tuning(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    assert tuning.state is State.TRAINING
    assert process.order.guard.title == "60 fundus phantoms"
    assert process.order.settings.train == "routers,decoder"
    (case,) = StoredCases.of(process.folder / "cases")
    assert case.patient == Patient(severity="suspect")
    assert process.folder.stat().st_mode & 0o077 == 0
    assert "retina" not in str(process.folder)


def test_what_is_missing_is_said_in_turn(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    tuning = make_tuning()
    tuning.open()
    assert not tuning.tab.foot.button.isEnabled()
    assert "paint its labels first" in tuning.said
    tuning.paint()
    tuning.wait(lambda: tuning.tab.pairs.list.count() == 1)
    text = tuning.tab.pairs.list.item(0).text()
    assert "Enter the patient's severity" in text
    assert "Tick at least one pair" in tuning.said
    tuning.know()
    tuning.wait(tuning.tab.foot.button.isEnabled)
    tuning.desk.dock._session.set_model(None)
    assert "Open a model" in tuning.said


@pytest.mark.parametrize(("value", "words"), [(0, "Paint rim"), (9, "Label 9")])
def test_labels_that_teach_nothing_cannot_be_ticked(
    tuning: TuningDesk, value: int, words: str
) -> None:
    tuning.viewer.layers["retina labels"].data = np.full((12, 9), value, np.uint8)
    tuning.open()
    item = tuning.tab.pairs.list.item(0)
    assert words in item.text()
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    assert not tuning.tab.foot.button.isEnabled()


def test_two_patients_with_different_drivers_are_trained_on_together(
    tuning: TuningDesk,
) -> None:
    tuning.viewer.add_image(IMAGE, name="other")
    tuning.know("other", "glaucoma")
    tuning.paint("other")
    tuning.open()
    process = tuning.start()
    cases = StoredCases.of(process.folder / "cases")
    found = {case.id: case.patient.severity for case in cases}
    assert sorted(found.values()) == ["glaucoma", "suspect"]
    assert len(found) == 2


def test_a_pair_that_is_unticked_stays_out(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.tab.pairs.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not tuning.tab.foot.button.isEnabled()
    tuning.tab.pairs.list.item(0).setCheckState(Qt.CheckState.Checked)
    assert tuning.tab.foot.button.isEnabled()


def test_unpainted_pixels_may_mean_nothing(tuning: TuningDesk) -> None:
    labels = tuning.viewer.layers["retina labels"]
    labels.data[8, 8] = 3
    labels.refresh()
    tuning.open()
    assert "Label 3" in tuning.tab.pairs.list.item(0).text()
    tuning.tab.tune.sparse_box.click()
    tuning.wait(tuning.tab.foot.button.isEnabled)
    process = tuning.start()
    (case,) = StoredCases.of(process.folder / "cases")
    assert set(np.unique(case.labels.data)) == {0, 1, 255}


def test_progress_and_curves_are_shown_live(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    process.say(
        "progress", stage="before", done=1, total=4, message="measuring the guard"
    )
    tuning.wait(lambda: "Measuring the guard" in tuning.said)
    process.train(3)
    tuning.wait(lambda: len(tuning.tuner.tuning.epochs) == 3)
    assert tuning.tab.curves.isVisibleTo(tuning.tab)
    canvas = tuning.tab.curves._canvas
    labels = [text.get_text() for text in canvas.figure.legends[0].get_texts()]
    assert labels == ["healthy", "glaucoma"]
    assert tuning.tab.outcome.look_button.isVisibleTo(tuning.tab)


def test_stop_saves_and_can_be_resumed_compared_or_discarded(
    tuning: TuningDesk,
) -> None:
    tuning.open()
    process = tuning.start()
    process.train()
    tuning.wait(lambda: tuning.tuner.tuning.has_model)
    tuning.desk.click(tuning.tab.foot.button)
    assert process.was_stopped
    assert tuning.state is State.STOPPING
    process.end("stopped")
    tuning.wait_for(State.STOPPED)
    tuning.desk.click(tuning.tab.foot.resume_button)
    assert tuning.fake.last.order.mode == "resume"
    tuning.fake.last.end("stopped")
    tuning.wait_for(State.STOPPED)
    tuning.desk.click(tuning.tab.foot.compare_button)
    assert tuning.fake.last.order.mode == "compare"
    tuning.fake.last.end("stopped")
    tuning.wait_for(State.STOPPED)
    tuning.desk.click(tuning.tab.foot.discard_button)
    assert tuning.state is State.READY
    assert not list(process.folder.iterdir())


def test_a_stop_before_training_leaves_nothing(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    tuning.desk.click(tuning.tab.foot.button)
    process.end("stopped")
    tuning.wait_for(State.READY)
    assert "Nothing was kept" in tuning.said
    assert not list(process.folder.iterdir())


def test_a_process_killed_after_stop_counts_as_stopped(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    process.train()
    tuning.wait(lambda: tuning.tuner.tuning.has_model)
    tuning.desk.click(tuning.tab.foot.button)
    process.end()
    tuning.wait_for(State.STOPPED)


def test_the_engines_own_words_are_shown(
    tuning: TuningDesk, notifications: list[Notification]
) -> None:
    tuning.open()
    process = tuning.start()
    process.end("failed", message="the loss became nan: lower the learning rate")
    tuning.wait_for(State.FAILED)
    assert "lower the learning rate" in tuning.said
    assert ["lower the learning rate" in n.message for n in notifications] == [True]
    assert tuning.tab.foot.button.isEnabled()  # nothing is left: start again
    assert not list(process.folder.iterdir())


def test_a_process_that_dies_without_a_word_is_noticed(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.start().end()
    tuning.wait_for(State.FAILED)
    assert "killed, perhaps for want of memory" in tuning.said
    assert "Segmentation fault" in tuning.said


def test_a_process_that_cannot_be_started_is_a_failure(tuning: TuningDesk) -> None:
    tuning.fake.error = OSError("no such file")
    tuning.open()
    tuning.desk.click(tuning.tab.foot.button)
    tuning.wait_for(State.FAILED)
    assert "cannot be started: no such file" in tuning.said


def test_keep_makes_the_tuned_model_the_sessions(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.done(*BETTER)
    session = tuning.desk.dock._session
    before = session.model
    assert "No group of the guard got worse" in tuning.tab.outcome.verdict.text()
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    assert session.model is not before
    assert session.model.card.name == "fundus-phantom-tuned"
    assert "Save it" in tuning.said
    tuning.wait(lambda: "Replay" in tuning.tab.tune.replay_box.text())
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
    assert "Worse: glaucoma" in outcome.verdict.text()
    assert outcome.accepted.text() == "glaucoma got worse"
    cells = [outcome.table.item(row, 2) for row in range(outcome.table.rowCount())]
    assert sum("worse" in cell.text() for cell in cells if cell is not None) == 1
    assert not outcome.keep_button.isEnabled()
    outcome.accept_box.click()
    assert outcome.keep_button.isEnabled()


def test_without_a_guard_nothing_is_said_of_groups(tuning: TuningDesk) -> None:
    tuning.open()
    combo = tuning.tab.tune.guard_combo
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    tuning.done()
    assert tuning.fake.last.order.guard.kind == "none"
    text = tuning.tab.outcome.verdict.text()
    assert "not checked" in text
    assert "worse" not in text.casefold()


def test_a_cohort_can_be_the_guard(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", staticmethod(lambda *_: "/data/people")
    )
    tuning.open()
    combo = tuning.tab.tune.guard_combo
    combo.activated.emit(combo.findText("cohort folder…"))
    assert combo.currentText() == "people"
    assert tuning.start().order.guard.name == "/data/people"


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
    assert load_checkpoint(target).sha256 == session.model.sha256
    assert session.model_origin == str(target)


def test_kept_cases_are_replayed_with_other_images(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.done(*BETTER)
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    tuning.viewer.layers.remove("retina labels")
    tuning.viewer.add_image(IMAGE, name="other")
    tuning.know("other")
    tuning.paint("other")
    tuning.wait(lambda: "Replay 1 earlier case" in tuning.tab.tune.replay_box.text())
    tuning.wait(tuning.tab.foot.button.isEnabled)
    process = tuning.start()
    assert process.order.replayed == ("1",)
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
        ClosingQuestion, "ask_where", lambda _: tmp_path / "a.safetensors"
    )
    window = tuning.desk.dock.window()
    event = QEvent(QEvent.Type.Close)
    is_kept_open = closing.eventFilter(window, event)
    assert is_kept_open == (answer is Answer.STAY)
    assert process.alone == (
        tmp_path / "a.safetensors" if answer is Answer.GO_ON else None
    )
    if answer is Answer.GO_ON:
        assert not tuning.tuner.folder.exists
    tuning.tuner.abandon()


def test_an_undecided_model_is_asked_about_too(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tuning.open()
    assert tuning.tuner.closing.may_close()
    tuning.done(*BETTER)
    closing, target = tuning.tuner.closing, tmp_path / "late.safetensors"
    monkeypatch.setattr(ClosingQuestion, "ask", lambda *_: Answer.GO_ON)
    monkeypatch.setattr(ClosingQuestion, "ask_where", lambda _: target)
    assert closing.may_close()
    assert load_checkpoint(target).card.name == "fundus-phantom-tuned"
    monkeypatch.setattr(ClosingQuestion, "ask_where", lambda _: None)
    assert not closing.may_close()


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
