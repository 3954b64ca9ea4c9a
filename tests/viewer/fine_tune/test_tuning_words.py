"""The words, the clock and the folder of a tuning, none of which knows Qt."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from napari_dmoe.cohorts.case import Case
from napari_dmoe.estimate import Estimate
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress
from napari_dmoe.training.cases.annotation import Annotation, TrainingError
from napari_dmoe.training.guarding.guard import Guard
from napari_dmoe.training.guarding.report import Change, TuningReport
from napari_dmoe.training.loop.history import Epoch
from napari_dmoe.training.pacing import Pacing, n_steps
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.viewer.fine_tune.folder import TuningFolder, hand_over
from napari_dmoe.viewer.fine_tune.paces import KnownPaces
from napari_dmoe.viewer.fine_tune.words import (
    REPORT_COLUMNS,
    acceptance,
    at_work,
    before_start,
    legend,
    measured_on,
    report_lines,
    work_to_come,
)

SETTINGS = TrainSettings(epochs=4, steps_per_epoch=10)


def report(*guard: Change, **facts: object) -> TuningReport:
    own = (Change("all", "cup", 1, 1, math.nan, 0.9),)
    return TuningReport(own, guard, guard_title="people", n_cases=1, **facts)


def change(group: str, after: float, region: str = "cup", n: int = 20) -> Change:
    ends = after - 0.82, after - 0.78
    return Change(group, region, n, 0, 0.8, after, *ends)


def test_without_a_guard_there_is_nothing_to_accept() -> None:
    found = TuningReport((change("all", 0.1),), n_cases=1)
    assert acceptance(found) == ""


def own_case(after: float, *, n: int = 1) -> TuningReport:
    rim = Change("all", "rim", n, 0, 0.97, after)
    cup = Change("all", "cup", n, 0, 0.8, 0.9)
    return TuningReport((rim, cup), n_cases=n)


def test_what_got_worse_on_its_own_case_is_marked_in_words_sign_and_colour() -> None:
    found = own_case(0.949)
    said = "worse on its own case, which it was trained on: rim 0.970 -> 0.949 (-0.021)"
    assert found.said_of_cases == f"{said}."
    assert own_case(0.949, n=2).said_of_cases.startswith("worse on its own cases")
    rim, cup = report_lines(found)[1:]
    assert rim.cells["change"] == ".970→.949 ▼ worse"
    assert rim.worse == ("change",)
    assert "change" in rim.bold
    assert cup.cells["change"] == ".800→.900"
    assert not cup.worse


def test_a_loss_within_the_tolerance_is_none() -> None:
    found = own_case(0.965)
    assert found.said_of_cases == ""
    assert not any(line.worse for line in report_lines(found))


def test_the_legend_explains_the_mark_where_there_is_one() -> None:
    assert legend(own_case(0.97)) == "* fewer than 10 cases: says little"
    many = Change("all", "cup", 20, 0, 0.8, 0.9)
    assert legend(TuningReport((many,), n_cases=20)) == ""


def test_what_got_worse_is_named_once_and_has_to_be_accepted() -> None:
    found = report(
        change("all", 0.7),
        change("sex=male", 0.7),
        change("sex=male", 0.7, "disc"),
        change("race=Black", 0.75),
        change("race=Asian", 0.85),
        missing=("sex=female",),
    )
    assert acceptance(found) == "male and Black got worse"
    alone = report(change("all", 0.7), change("sex=male", 0.8))
    assert acceptance(alone) == "all together got worse"


def test_what_fell_in_a_few_cases_has_to_be_accepted_too() -> None:
    found = report(change("all", 0.8), change("sex=male", 0.7, n=3))
    assert found.verdict == "not checked"
    assert acceptance(found) == "male got worse"


def test_what_could_not_be_checked_needs_no_further_click() -> None:
    found = report(change("all", 0.8), change("sex=male", 0.8, n=3))
    assert found.verdict == "not checked"
    assert acceptance(found) == ""


def test_the_table_marks_what_is_worse_few_and_without_a_score() -> None:
    rows = report_lines(report(change("all", 0.8), change("sex=male", 0.7, n=3)))
    assert [row.cells["group"] for row in rows if row.is_heading] == [
        "Guard: people",
        "Trained on: 1 corrected case",
    ]
    male = next(row for row in rows if row.cells["group"] == "male")
    assert (male.cells["change"], male.cells["n"]) == (".800→.700 ▼ worse", "3*")
    assert male.cells["interval"] == "-.12…-.08"
    assert male.bold == ("group", "change")
    assert male.worse == ("change",)
    assert "says little" in male.help["change"]
    assert rows[-1].cells["change"] == "–→.900"
    assert rows[-1].cells["interval"] == ""  # they were trained on
    assert "1 without a score" in rows[-1].help["n"]
    assert {key for row in rows for key in row.cells} == {c.key for c in REPORT_COLUMNS}


def test_the_cases_of_a_mean_are_those_with_a_score_before_and_after() -> None:
    lost = Change("sex=male", "cup", 20, 8, 0.8, 0.8, -0.002, 0.002, n_absent=3)
    none = Change("sex=female", "cup", 1, 0, 0.8, 0.8)
    rows = report_lines(report(change("all", 0.8), lost, none))
    male, female = rows[2], rows[3]
    assert male.cells["n"] == "12*"  # 9 say something
    assert "8 without a score" in male.help["n"]
    assert "3 have none" in male.help["n"]
    assert male.cells["interval"] == "-.00…+.00"
    assert female.cells["interval"] == "–"  # one case has no interval


def test_the_curves_say_what_they_are_measured_on() -> None:
    epochs = [Epoch(0, 1.0, {"cup": 0.5}, n=5)]
    for guard in (None, Guard()):
        said = measured_on(guard, epochs)
        assert said.startswith("Dice on the cases trained on (n 5)")
        assert "held" not in said
    cohort = Guard(kind="cohort", name="people")
    assert measured_on(cohort, epochs).startswith("Dice on cases of the guard (n 5)")
    assert "(n" not in measured_on(cohort, [Epoch(0, 1.0, {})])  # of older versions
    held = measured_on(cohort, epochs, has_held=True)
    assert held.startswith("Dice on the cases held out (n 5)")


def test_what_is_held_out_is_said_before_start() -> None:
    said = before_start("400 steps in 10 rounds", 20, "", "one in 5 is held out")
    assert said == "400 steps in 10 rounds\nOne in 5 is held out."
    assert before_start("work", 30, "Unknown.") == "work\nUnknown."


def test_how_long_it_takes_is_said_once_it_is_known() -> None:
    said = work_to_come(SETTINGS, 40, None)
    assert said == "40 steps in 4 rounds; how long is known once it runs"
    assert work_to_come(SETTINGS, 40, 120) == "40 steps in 4 rounds, about 2 min"
    assert at_work("epoch 1 of 4, loss 0.700") == "Round 1 of 4, loss 0.700"


def test_steps_are_counted_as_training_counts_them() -> None:
    assert n_steps(SETTINGS, 3) == 40
    all_cases = SETTINGS.model_copy(
        update={"steps_per_epoch": None, "batch": 4, "accumulate": 2}
    )
    assert n_steps(all_cases, 9) == 4 * 2


def told(work: Pacing, rates: dict[str, float]) -> Pacing:
    """Return some work with the paces of a run whose kinds went at some rates."""
    return replace(work, paces=work.learnt(rates.get))


def test_work_is_counted_in_all_its_parts(fundus_model: LoadedModel) -> None:
    guard = Guard(kind="phantoms", name="fundus", n=12)
    work = KnownPaces().work(fundus_model, SETTINGS, guard, n_cases=1, n_trained=2)
    assert (work.n_drawn, work.n_guard, work.n_steps) == (12, 12, 40)
    seconds = work.seconds
    assert seconds["before"] == seconds["after"] == 13 * work.paces.measuring
    assert list(seconds) == ["guard", "before", "training", "after"]


def test_paces_are_learnt_from_how_fast_each_kind_of_work_was(
    fundus_model: LoadedModel,
) -> None:
    work = KnownPaces().work(fundus_model, SETTINGS, Guard(), n_cases=1, n_trained=1)
    twice = told(work, {"steps": 2 * work.in_all})
    assert twice.paces.steps == pytest.approx(2 * work.paces.steps)
    assert twice.paces.measuring == work.paces.measuring  # not seen at work


def test_a_pace_is_known_for_tunings_of_its_kind_alone(
    fundus_model: LoadedModel,
) -> None:
    paces, clock = KnownPaces(), [0.0]
    estimate = Estimate(now=lambda: clock[0])
    assert paces.of(fundus_model, SETTINGS) is None
    work = paces.work(fundus_model, SETTINGS, Guard(), n_cases=1, n_trained=1)
    steps = work.phases(estimate.note).of("training")
    for number in range(11):
        steps(Progress(number, 40))
        clock[0] += 5.0
    paces.note(fundus_model, SETTINGS, work, estimate)
    assert paces.of(fundus_model, SETTINGS) is not None
    larger = SETTINGS.model_copy(update={"batch": 2 * SETTINGS.batch})
    assert paces.of(fundus_model, larger) is None


@pytest.fixture
def folder() -> Iterator[TuningFolder]:
    folder = TuningFolder()
    yield folder
    folder.remove()


def case(name: str, value: int = 1) -> Case:
    labels = np.zeros((8, 8), np.uint8)
    labels[2:4, 2:4] = value
    image = SpatialImage(np.zeros((8, 8), np.uint8), ("y", "x"))
    return Case(
        name,
        image,
        SpatialImage(labels, ("y", "x")),
        Patient(severity="suspect", sex="male"),
    )


def test_kept_cases_stay_and_everything_else_goes(
    fundus_model: LoadedModel, folder: TuningFolder
) -> None:
    assert not folder.exists
    assert folder.rehearsed() == ()
    assert folder.tuned_model() is None
    for number in ("1", "2.3"):
        hand_over(
            folder.path, fundus_model, [case(number)], Annotation(), lambda _: None
        )
        (folder.path / "tuned.safetensors").touch()
        folder.keep()
    assert folder.kept_model() is not None  # it may still be saved
    assert folder.rehearsed() == ("1", "2.3")
    assert folder.rehearsed([2]) == ("1",)
    folder.discard()
    left = sorted(entry.name for entry in folder.path.iterdir())
    assert left == ["kept.safetensors", "replay"]
    path = folder.path
    folder.remove()
    assert not path.exists()


def test_labels_that_cannot_be_trained_on_are_not_handed_over(
    fundus_model: LoadedModel, folder: TuningFolder
) -> None:
    cases = [case("1"), case("2", value=9)]
    with pytest.raises(TrainingError, match="case 2: labels reach from 0 to 9"):
        hand_over(folder.path, fundus_model, cases, Annotation(), lambda _: None)
    assert not list(folder.path.iterdir())
