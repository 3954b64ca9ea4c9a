"""The Fine-tune tab: from two clicks to Keep or Discard, with a fake process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from desk import IMAGE
from napari.layers import Layer
from napari.utils.notifications import Notification
from qtpy.QtCore import Qt
from tuning_desk import BETTER, TuningDesk

from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress
from napari_dmoe.training.tuning.corrected import StoredCases
from napari_dmoe.viewer.fine_tune import pairs_control
from napari_dmoe.viewer.fine_tune.state import State
from napari_dmoe.viewer.ui import measuring

pytestmark = pytest.mark.gui


def test_two_clicks_start_a_tuning(tuning: TuningDesk) -> None:
    tuning.open()
    process = tuning.start()
    assert tuning.state is State.TRAINING
    assert process.task.guard.title == "12 fundus phantoms"
    assert process.task.settings.train == "everything"
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
    tuning.wait(tuning.tab.foot.button.isEnabled)
    tuning.tab.pairs.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert "Tick at least one image" in tuning.said
    tuning.tab.pairs.list.item(0).setCheckState(Qt.CheckState.Checked)
    tuning.wait(tuning.tab.foot.button.isEnabled)
    tuning.desk.dock._session.set_model(None)
    assert "Open a model" in tuning.said


def test_a_driver_that_no_ticked_pair_knows_is_told_before_start(
    tuning: TuningDesk, models: dict[str, LoadedModel]
) -> None:
    (severity,) = models["fundus"].card.attributes
    sex = CardAttribute(name="sex", values=("female", "male"))
    card = models["fundus"].card.model_copy(update={"attributes": (severity, sex)})
    models["two"] = LoadedModel(models["fundus"].network, card, "dmoe-vit")
    tuning.desk.load("two")
    tuning.open()
    facts = tuning.tab.tune.facts
    told = "The sex is known of no ticked image, but drives the model: nothing is "
    told += "learnt of its values. Enter the patient's in the Segment tab, if you know"
    tuning.wait(lambda: told in facts.text())
    assert tuning.tab.foot.button.isEnabled()
    session, image = tuning.desk.session, tuning.viewer.layers["retina"]
    session.set_patient(image, session.patient_of(image).with_value("Gender", "F"))
    tuning.wait(lambda: "no ticked image" not in facts.text())


def test_routers_alone_are_not_tuned_where_nothing_is_known(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    tuning = make_tuning()
    tuning.paint()
    tuning.open()
    tuning.wait(tuning.tab.foot.button.isEnabled)
    tuning.tab.tune.presets.button(0).click()
    assert not tuning.tab.foot.button.isEnabled()
    assert tuning.said.startswith("Routers learn only where the severity is known")
    tuning.know()
    tuning.wait(tuning.tab.foot.button.isEnabled)


def test_steps_follow_from_the_ticked_cases_until_somebody_sets_them(
    tuning: TuningDesk,
) -> None:
    tuning.open()
    facts = tuning.tab.tune.facts
    assert facts.text().startswith("40 steps in 10 rounds")
    assert "1 case teaches what that image looks like" in facts.text()
    tuning.viewer.add_image(tuning.viewer.layers["retina"].data.copy(), name="other")
    tuning.paint("other")
    tuning.wait(lambda: facts.text().startswith("60 steps in 10 rounds"))
    assert "2 cases teach how such images look" in facts.text()
    form = tuning.tab.advanced.form
    assert form is not None
    form.inputs["epochs"].value = 3
    tuning.wait(lambda: facts.text().startswith("18 steps in 3 rounds"))
    tuning.tab.pairs.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert facts.text().startswith("18 steps in 3 rounds")


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
    tuning.desk.dock.show()  # what nobody sees is not drawn
    plot = tuning.tab.curves.plot
    tuning.wait(lambda: plot.figure is not None)
    labels = [text.get_text() for text in plot.figure.legends[0].get_texts()]
    assert labels == ["healthy (n 12)", "glaucoma (n 12)"]
    assert tuning.tab.curves.note.text().startswith("Dice on cases of the guard (n 24)")
    assert tuning.tab.outcome.look_button.isVisibleTo(tuning.tab)


def test_rounds_are_counted_in_whole_numbers_from_the_first(tuning: TuningDesk) -> None:
    tuning.open()
    tuning.start().train(1)
    tuning.desk.dock.show()
    plot = tuning.tab.curves.plot
    tuning.wait(lambda: plot.figure is not None)
    ticks = plot.figure.axes[1].get_xticks()
    assert [tick % 1 for tick in ticks] == [0] * len(ticks)


def test_how_long_it_takes_is_shown_before_and_while_it_runs(
    make_tuning: Callable[..., TuningDesk],
) -> None:
    at = [0.0]
    tuning = make_tuning(now=lambda: at[0])
    tuning.know()
    tuning.paint()
    tuning.open()
    facts = tuning.tab.tune.facts
    work_said = "40 steps in 10 rounds; how long is known once it runs"
    assert facts.text().splitlines()[0] == work_said
    process = tuning.start()

    def goes_on(at_: float, part: str, done: int, total: int) -> None:
        tuning.tab.foot.show_status("")
        at[0], told = at_, []
        hook = work.phases(told.append).of(part)
        if part == "training":
            hook = work.training_phases(hook).of("steps")
        hook(Progress(done, total, "x"))
        process.say("progress", stage=part, **asdict(told[0]))
        tuning.wait(lambda: tuning.said.startswith("X"))

    work = tuning.tuner.tune._planned
    assert work is not None
    goes_on(0, "guard", 0, 12)
    assert "left" not in tuning.said  # nobody knows yet
    goes_on(2.4, "guard", 12, 12)
    for done in range(1, 14):  # at the usual paces of planes
        goes_on(2.4 + 0.2 * done, "before", done, 13)
    assert "left" in tuning.said  # 40 steps of 0.8 s, and 13 cases
    for done in range(1, 41):
        goes_on(5 + 2.4 * done, "training", done, 40)
    process.train()
    for done in range(1, 14):
        goes_on(101 + 0.2 * done, "after", done, 13)
    process.finish(*BETTER)
    tuning.wait_for(State.DONE)
    # Drawing 2.4 s, 40 steps of 2.4 s, 13 cases of 0.2 s before and after.
    assert facts.text().splitlines()[0] == "40 steps in 10 rounds, about 2 min"
    tuning.desk.click(tuning.tab.outcome.discard_button)
    process = tuning.start()
    goes_on(104, "guard", 0, 12)
    assert "about 2 min left" in tuning.said  # at once


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
    assert tuning.fake.last.task.mode == "resume"
    tuning.fake.last.end("stopped")
    tuning.wait_for(State.STOPPED)
    tuning.desk.click(tuning.tab.foot.compare_button)
    assert tuning.fake.last.task.mode == "compare"
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
    process.end("error", message="the loss became nan: lower the learning rate")
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


def test_large_labels_are_looked_through_aside(
    tuning: TuningDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "AT_ONCE", 0)
    threads, look = [], pairs_control.look_through

    def noted(*arguments: object) -> object:
        threads.append(threading.get_ident())
        assert not [each for each in arguments if isinstance(each, Layer)]
        return look(*arguments)

    monkeypatch.setattr(pairs_control, "look_through", noted)
    tuning.open()
    assert "measuring …" in tuning.tab.pairs.list.item(0).text()
    tuning.wait(lambda: "rim" in tuning.tab.pairs.list.item(0).text())
    assert threading.get_ident() not in threads
    assert len(threads) == 1
    tuning.tuner.pairs.show()
    assert len(threads) == 1
