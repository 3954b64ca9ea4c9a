"""A tuned model that is kept: what it is called, how it is saved, who asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QFileDialog
from tables import column_of
from tuning_desk import BETTER, TuningDesk

from napari_dmoe.models.checkpoint import LoadedModel, load_checkpoint
from napari_dmoe.training.guarding.report import Change
from napari_dmoe.viewer.fine_tune.closing import Answer, ClosingQuestion
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.fine_tune.words import tuned_title

pytestmark = pytest.mark.gui

TITLE = "Fundus, tuned on your 1 image (not saved)"


def keep(tuning: TuningDesk) -> TuningDesk:
    tuning.open()
    tuning.done(*BETTER)
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    tuning.desk.wait_until_idle()
    return tuning


@pytest.fixture
def kept(tuning: TuningDesk) -> TuningDesk:
    return keep(tuning)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the questions that were asked; each is answered as `answer` says."""
    said: list[str] = []

    def ask(question: ClosingQuestion, text: str, is_at_work: bool, *_: str) -> Answer:
        said.append(text)
        return getattr(ask, "answer", Answer.STAY)

    monkeypatch.setattr(ClosingQuestion, "ask", ask)
    return said


def answer(what: Answer) -> None:
    ClosingQuestion.ask.answer = what


def shown(tuning: TuningDesk) -> str:
    return tuning.desk.segmenting.tab.model.combo.currentText()


def choose_path(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), ""))
    )


def test_the_list_says_what_was_kept_with_save_beside_it(kept: TuningDesk) -> None:
    section = kept.desk.segmenting.tab.model
    assert shown(kept) == TITLE
    assert section.save_button.isVisibleTo(section)
    items = [section.combo.itemText(n) for n in range(section.combo.count())]
    assert items[:2] == ["Not saved", TITLE]


def test_what_is_saved_beside_the_list_has_its_files_name_and_is_recent(
    make_tuning: Callable[..., TuningDesk],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    remembered: list[str] = []
    tuning = make_tuning(remember_model=remembered.append)
    tuning.know()
    tuning.paint()
    keep(tuning)
    choose_path(monkeypatch, tmp_path / "mine.safetensors")
    section = tuning.desk.segmenting.tab.model
    tuning.desk.click(section.save_button)
    tuning.wait(lambda: shown(tuning) == "mine.safetensors")
    assert not section.save_button.isVisibleTo(section)
    items = [section.combo.itemText(n) for n in range(section.combo.count())]
    assert TITLE not in items
    path = str(tmp_path / "mine.safetensors")
    assert remembered == [path]
    assert path in tuning.desk.session.surroundings.models
    assert load_checkpoint(path).sha256 == tuning.desk.session.model.sha256


def test_what_was_saved_before_keep_is_not_called_unsaved(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    choose_path(monkeypatch, tmp_path / "early.safetensors")
    tuning.open()
    tuning.done(*BETTER)
    tuning.desk.click(tuning.tab.outcome.save_button)
    tuning.wait(lambda: tuning.tuner.tuning.saved_as is not None)
    tuning.desk.click(tuning.tab.outcome.keep_button)
    tuning.wait_for(State.KEPT)
    assert shown(tuning) == "early.safetensors"
    assert tuning.said == "Kept: the tuned model is at work."


def test_keep_answers_before_the_model_is_loaded(
    make_tuning: Callable[..., TuningDesk],
    models: dict[str, LoadedModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()

    def load(name: str, card: str | None = None) -> LoadedModel:
        if name in models:
            return models[name]
        assert gate.wait(20)
        return load_checkpoint(name)

    tuning = make_tuning(load_checkpoint=load)
    tuning.know()
    tuning.paint()
    tuning.open()
    tuning.done(*BETTER)
    outcome, painted = tuning.tab.outcome, []
    monkeypatch.setattr(
        outcome.keep_button,
        "repaint",
        lambda: painted.append(outcome.keep_button.text()),
    )
    tuning.desk.click(outcome.keep_button)
    assert outcome.keep_button.text() == "Keeping …"
    assert not outcome.keep_button.isEnabled()
    assert not outcome.discard_button.isEnabled()
    assert outcome.keeping.isVisibleTo(outcome)
    assert painted[-1] == "Keeping …"  # before the event loop goes on
    gate.set()
    tuning.wait_for(State.KEPT)
    tuning.wait(lambda: outcome.keep_button.text() == "Kept")
    assert not outcome.keeping.isVisibleTo(outcome)


def test_a_mask_that_somebody_painted_is_not_outdated_by_keep(
    tuning: TuningDesk,
) -> None:
    desk = tuning.desk
    desk.load("fundus")
    desk.run()
    mask = desk.masks[0]
    mask.data_setitem((np.array([1]), np.array([1])), np.array([1]))
    keep(tuning)
    desk.settle()
    assert not desk.segmenting.tab.result.outdated.text()


def test_an_untouched_mask_is_outdated_by_another_model(tuning: TuningDesk) -> None:
    tuning.desk.run()
    keep(tuning)
    tuning.desk.settle()
    assert "the model changed" in tuning.desk.segmenting.tab.result.outdated.text()


@pytest.mark.parametrize("how", ["another model", "unload", "another card"])
def test_it_stays_where_a_person_cancels(
    kept: TuningDesk, asked: list[str], how: str
) -> None:
    answer(Answer.STAY)
    model, section = kept.desk.session.model, kept.desk.segmenting.tab.model
    if how == "another model":
        section.model_requested.emit("age")
    elif how == "unload":
        kept.desk.click(section.unload_button)
    else:
        section.card_requested.emit("")
    kept.desk.wait_until_idle()
    assert asked == ["The tuned model is not saved."]
    assert kept.desk.session.model is model
    assert shown(kept) == TITLE


def test_it_goes_where_a_person_discards_it_and_nobody_asks_again(
    kept: TuningDesk, asked: list[str]
) -> None:
    answer(Answer.END)
    kept.desk.load("age")
    assert shown(kept) == "age"
    kept.desk.load("fundus")
    assert kept.tuner.closing.may_close()
    assert len(asked) == 1


def test_it_is_saved_while_another_is_loaded(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer(Answer.GO_ON)
    path = tmp_path / "mine.safetensors"
    choose_path(monkeypatch, path)
    kept.desk.load("age")
    kept.wait(path.is_file)
    assert load_checkpoint(path).card.name == "fundus-phantom-tuned"
    assert shown(kept) == "age"
    kept.wait(lambda: str(path) in kept.desk.session.surroundings.models)


def test_it_stays_where_it_cannot_be_saved(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer(Answer.GO_ON)
    (tmp_path / "file").write_text("no folder")
    choose_path(monkeypatch, tmp_path / "file" / "mine.safetensors")
    kept.desk.load("age")
    assert shown(kept) == TITLE


def test_it_is_asked_about_again_where_what_was_to_replace_it_cannot_be_loaded(
    kept: TuningDesk, asked: list[str]
) -> None:
    answer(Answer.END)
    kept.desk.segmenting.tab.model.model_requested.emit("no such model")
    kept.desk.wait_until_idle()
    assert shown(kept) == TITLE
    answer(Answer.STAY)
    assert not kept.tuner.closing.may_close()
    assert len(asked) == 2


def test_a_window_that_stays_open_asks_again(
    kept: TuningDesk, asked: list[str]
) -> None:
    answer(Answer.END)
    assert kept.tuner.closing.may_close()
    kept.desk.qtbot.wait(1)  # napari asked, too, and was told to stay
    assert kept.tuner.closing.may_close()
    assert len(asked) == 2


def tune_again(tuning: TuningDesk) -> None:
    tuning.viewer.layers["retina labels"].paint((9, 7), 1)
    tuning.wait(tuning.tab.foot.button.isEnabled)
    tuning.done(*BETTER)


def test_a_second_one_asks_for_the_first_before_it_takes_its_place(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tune_again(kept)
    first = kept.desk.session.model
    answer(Answer.STAY)
    kept.desk.click(kept.tab.outcome.keep_button)
    assert kept.desk.session.model is first
    assert kept.tab.outcome.keep_button.isEnabled()
    answer(Answer.GO_ON)
    path = tmp_path / "first.safetensors"
    choose_path(monkeypatch, path)
    kept.desk.click(kept.tab.outcome.keep_button)
    kept.wait_for(State.KEPT)
    assert load_checkpoint(path).sha256 == first.sha256
    assert shown(kept) == "Fundus, tuned again on your 1 image (not saved)"
    assert asked == ["The tuned model that is loaded is not saved."] * 2


def test_closing_saves_a_tuning_and_the_model_it_began_from(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tune_again(kept)
    paths = iter(tmp_path / f"{name}.safetensors" for name in ("first", "second"))
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(next(paths)), ""))
    )
    answer(Answer.GO_ON)
    assert kept.tuner.closing.may_close()
    assert len(asked) == 2
    found = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert found == ["first.safetensors", "second.safetensors"]
    assert kept.tuner.closing.may_close()
    assert len(asked) == 2


def test_what_is_saved_and_waits_to_be_kept_is_not_asked_about(
    tuning: TuningDesk,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    choose_path(monkeypatch, tmp_path / "early.safetensors")
    tuning.open()
    tuning.done(*BETTER)
    tuning.desk.click(tuning.tab.outcome.save_button)
    tuning.wait(lambda: tuning.tuner.tuning.saved_as is not None)
    assert tuning.tuner.closing.may_close()
    assert not asked


def test_nothing_is_loaded_where_no_place_was_chosen(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(Answer.GO_ON)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", staticmethod(lambda *_: ("", ""))
    )
    kept.desk.load("age")
    assert shown(kept) == TITLE


def test_closing_the_window_asks_once(kept: TuningDesk, asked: list[str]) -> None:
    closing, window = kept.tuner.closing, kept.desk.dock
    closing._watched = lambda: window
    event = QEvent(QEvent.Type.Close)
    answer(Answer.STAY)
    assert closing.eventFilter(window, event)
    answer(Answer.END)
    assert not closing.eventFilter(window, event)
    assert not closing.eventFilter(window, event)  # Qt may send it again
    assert asked == ["The tuned model is not saved."] * 2


def test_closing_the_window_saves_it(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer(Answer.GO_ON)
    choose_path(monkeypatch, tmp_path / "mine.safetensors")
    assert kept.tuner.closing.may_close()
    assert load_checkpoint(tmp_path / "mine.safetensors")
    assert kept.tuner.closing.may_close()
    assert len(asked) == 1


def test_one_question_is_asked_for_a_tuning_and_the_model_it_began_from(
    kept: TuningDesk, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept.viewer.layers["retina labels"].paint((9, 7), 1)
    kept.wait(kept.tab.foot.button.isEnabled)
    kept.done(*BETTER)
    answer(Answer.STAY)
    assert not kept.tuner.closing.may_close()
    assert len(asked) == 1
    assert "neither kept nor saved" in asked[0]
    assert "began from is not saved either" in asked[0]
    kept.desk.click(kept.tab.outcome.discard_button)
    choose_path(monkeypatch, tmp_path / "first.safetensors")
    kept.desk.click(kept.desk.segmenting.tab.model.save_button)
    kept.wait(lambda: shown(kept) == "first.safetensors")
    assert load_checkpoint(tmp_path / "first.safetensors").sha256 == (
        kept.desk.session.model.sha256
    )


def test_it_is_named_after_what_it_began_from(
    fundus_model: LoadedModel, volume_model: LoadedModel
) -> None:
    assert tuned_title(fundus_model, 1) == TITLE
    said = tuned_title(volume_model, 3)
    assert said == "Pelvis CT, tuned on your 3 images (not saved)"


def test_a_loss_on_its_own_case_is_said_before_keep(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    process.train()
    process.finish(*BETTER, own=Change("all", "rim", 1, 0, 0.97, 0.949))
    tuning.wait_for(State.DONE)
    outcome = tuning.tab.outcome
    said = "Worse on its own case, which it was trained on: rim 0.970 -> 0.949 (-0.021)"
    assert outcome.own_cases.text() == f"▼ {said}."
    assert outcome.own_cases.property("tone") == "caution"
    assert sum("▼ worse" in text for text in column_of(outcome.table, 2)) == 1
    assert outcome.legend.text().startswith("* fewer than 10 cases")
    assert outcome.keep_button.isEnabled()  # it is known, and theirs to decide
