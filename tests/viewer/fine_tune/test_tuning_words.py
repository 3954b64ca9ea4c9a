"""The words, the clock and the folder of a tuning, none of which knows Qt."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from napari_dmoe.cohorts.case import Case
from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import Progress
from napari_dmoe.training.cases.annotation import Annotation, TrainingError
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.tuning.report import Change, TuningReport
from napari_dmoe.viewer.fine_tune.clock import TuningClock, in_words
from napari_dmoe.viewer.fine_tune.folder import TuningFolder, hand_over
from napari_dmoe.viewer.fine_tune.words import (
    NOT_CHECKED,
    Pace,
    acceptance,
    report_rows,
    verdict,
    work_to_come,
)

SETTINGS = TrainSettings(epochs=4, steps_per_epoch=10)


def report(*guard: Change, **facts: object) -> TuningReport:
    own = (Change("all", "cup", 1, 1, math.nan, 0.9),)
    return TuningReport(own, guard, guard_title="people", n_cases=1, **facts)


def change(group: str, after: float, region: str = "cup", n: int = 20) -> Change:
    return Change(group, region, n, 0, 0.8, after)


def test_without_a_guard_it_is_never_said_that_no_group_got_worse() -> None:
    found = TuningReport((change("all", 0.9),), n_cases=1)
    assert verdict(found) == NOT_CHECKED
    assert "worse" not in NOT_CHECKED
    assert acceptance(found) == ""


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
    said = verdict(found)
    assert said.startswith("Worse: male and Black, by more than 0.01 Dice.")
    assert "Worst group: male 0.800 before, male 0.700 after." in said
    assert "Not checked, because the guard has no case of them: female." in said
    alone = report(change("all", 0.7), change("sex=male", 0.8))
    assert acceptance(alone) == "all together got worse"


def test_the_table_marks_what_is_worse_few_and_without_a_score() -> None:
    rows = report_rows(report(change("all", 0.8), change("sex=male", 0.7, n=3)))
    assert [row.group for row in rows if row.is_heading] == [
        "Guard: people",
        "Trained on: 1 corrected case",
    ]
    male = next(row for row in rows if row.group == "male")
    assert (male.change, male.n, male.is_worse) == (".800→.700 worse", "3*", True)
    assert "says little" in male.help
    assert rows[-1].change == "–→.900"
    assert "1 without a score" in rows[-1].help


def test_how_long_it_takes_is_said_once_it_is_known() -> None:
    options = {"n_cases": 1, "n_guard": 9}
    assert "known once it runs" in work_to_come(SETTINGS, pace=None, **options)
    said = work_to_come(SETTINGS, pace=Pace(step=2.0, measuring=2.0), **options)
    assert said == "40 steps in 4 rounds, about 2 min"
    assert in_words(0.2) == "about 1 s"


def test_the_clock_counts_the_measuring_that_comes_after() -> None:
    now = [0.0]
    clock = TuningClock(lambda: now[0])
    assert (clock.fraction, clock.seconds_left) == (0.0, None)
    clock.note("before", Progress(0, 4))
    now[0] = 10.0
    clock.note("before", Progress(2, 4))
    assert clock.seconds_left is None  # how fast a step is, nobody knows
    now[0] = 20.0
    clock.note("training", Progress(0, 10))
    now[0] = 40.0
    clock.note("training", Progress(5, 10))
    assert clock.seconds_left == pytest.approx(20 + 20)
    assert clock.fraction == pytest.approx(0.5)
    now[0] = 60.0
    clock.note("after", Progress(0, 4))
    now[0] = 70.0
    clock.note("after", Progress(2, 4))
    assert clock.seconds_left == pytest.approx(10)
    assert clock.took("training") == (40.0, 10)
    assert clock.took("never") == (0.0, 0)


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
    assert folder.replayed() == ()
    assert folder.tuned_model() is None
    for number in ("1", "2.3"):
        hand_over(
            folder.path, fundus_model, [case(number)], Annotation(), lambda _: None
        )
        (folder.path / "tuned.safetensors").touch()
        folder.keep()
    assert folder.tuned_model() is not None  # it may still be saved
    assert folder.replayed() == ("1", "2.3")
    assert folder.replayed([2]) == ("1",)
    folder.discard()
    assert [entry.name for entry in folder.path.iterdir()] == ["replay"]
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
