"""How long so many cases are trained on, what is held out, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_cases import CARD, square, tiny_model

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.saving import save_checkpoint
from napari_dmoe.training.cases.held_out import ENOUGH_CASES
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.tasks.task import TrainingTask, run_task
from napari_dmoe.training.tuning.few_cases import (
    FEW,
    held_in_words,
    steps_for,
    what_so_many_can_do,
)
from napari_dmoe.training.tuning.presets import (
    DEFAULT_PRESET,
    fine_tuning,
    tuning_settings,
)


def steps_of(settings: TrainSettings) -> int:
    return settings.epochs * (settings.steps_per_epoch or 0)


def test_few_cases_get_few_steps_and_many_are_seen_thirty_times() -> None:
    steps = [steps_for(n, batch=4) for n in range(1, 400)]
    assert steps == sorted(steps)
    assert steps[:3] == [40, 60, 80]
    assert steps[398] * 4 / 399 == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize("n", [1, 5, 10, 20, 50])
def test_window_and_command_line_take_the_same_steps_and_rate(n: int) -> None:
    window = tuning_settings(DEFAULT_PRESET, CARD, n)
    command = fine_tuning(CARD, n)
    same = ("epochs", "steps_per_epoch", "batch", "learning_rate", "train")
    both = [[getattr(s, name) for name in same] for s in (window, command)]
    assert both[0] == both[1]
    assert window.augmentation == command.augmentation


def test_all_of_a_model_learns_more_gently_from_fewer_than_ten_cases() -> None:
    assert [fine_tuning(CARD, n).learning_rate for n in (5, 9, 10)] == [
        *(1e-4, 1e-4),
        3e-4,
    ]
    assert tuning_settings("balanced", CARD, 5).learning_rate == 3e-4
    assert tuning_settings("quick", CARD, 5).learning_rate == 1e-3
    assert fine_tuning(CARD, 5, train="routers,decoder").learning_rate == 3e-4
    assert fine_tuning(CARD, 5, learning_rate=2e-3).learning_rate == 2e-3
    volumes = CARD.model_copy(update={"dims": 3})
    assert fine_tuning(volumes, 5).learning_rate == 3e-4
    assert tuning_settings(DEFAULT_PRESET, volumes, 5).learning_rate == 3e-4


def test_cases_are_held_out_to_choose_by_from_ten_on_and_to_stop_by_from_twenty() -> (
    None
):
    held = [
        (s.hold_out, s.keep, s.patience)
        for s in (fine_tuning(CARD, n) for n in (1, 9, 10, 19, 20))
    ]
    assert held == [
        ("none", "last", None),
        ("none", "last", None),
        ("cases", "best", None),
        ("cases", "best", None),
        ("cases", "best", 4),
    ]
    windows = [tuning_settings(DEFAULT_PRESET, CARD, n) for n in (1, 9, 10, 19, 20)]
    assert [(s.hold_out, s.keep, s.patience) for s in windows] == held
    volumes = CARD.model_copy(update={"dims": 3})
    assert tuning_settings(DEFAULT_PRESET, volumes, 3).hold_out == "none"
    assert fine_tuning(volumes, 3).hold_out == "auto"  # slices cost no case
    assert fine_tuning(volumes, 3).batch == 2


def test_what_somebody_states_goes_before_what_follows_from_the_cases() -> None:
    own = fine_tuning(CARD, 3, epochs=7)
    assert (own.epochs, own.steps_per_epoch) == (7, None)
    assert own.hold_out == "none"
    own = fine_tuning(CARD, 3, hold_out="cases", patience=2)
    assert (own.hold_out, own.keep, own.patience) == ("cases", "best", 2)
    assert steps_of(own) == 80
    assert fine_tuning(CARD, 100, batch=8).steps_per_epoch == 40


@pytest.mark.parametrize(
    ("n", "begins", "advises"),
    [
        (1, "1 case teaches what that image looks like", "Correct 5 others, better 10"),
        (4, "4 cases teach how such images look", "Correct 10 or more, better 20"),
        (10, "10 cases help a model that does not know such", "correct 20 or more"),
    ],
)
def test_it_is_said_what_so_few_can_do(n: int, begins: str, advises: str) -> None:
    said = what_so_many_can_do(n)
    assert said.startswith(begins)
    assert advises in said
    assert what_so_many_can_do(11) == what_so_many_can_do(0) == ""


def test_the_command_says_it_before_it_trains(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "start.safetensors", tiny_model())
    write_cohort(tmp_path / "cohort", [square(i, "healthy") for i in range(2)])
    told: list[str] = []
    task = TrainingTask(
        kind="fine-tune",
        start=str(tmp_path / "start.safetensors"),
        cohort=tmp_path / "cohort",
        output=tmp_path / "out",
        settings={"train": "decoder"},
    )
    outcome = run_task(task, on_notice=told.append)
    assert what_so_many_can_do(2) in told
    held = "none of them is held out, and the last round is kept"
    assert f"2 cases: 60 steps in 10 rounds, learning rate 0.0003; {held}" in told
    assert len(outcome.fitted.history) == 10
    again = task.model_copy(
        update={
            "output": tmp_path / "other",
            "settings": {"train": "decoder", "epochs": 2},
        }
    )
    assert len(run_task(again).fitted.history) == 2


def test_what_is_held_out_is_said_alike_everywhere() -> None:
    said = [held_in_words(fine_tuning(CARD, n), n, 2) for n in (9, 10, 20)]
    assert said == [
        "none of them is held out, and the last round is kept",
        "one in 5 is held out to choose the round by",
        "one in 5 is held out to choose the round by; it ends once 4 rounds got no "
        "better",
    ]


@pytest.mark.parametrize(
    ("settings", "n", "dims", "words"),
    [
        ({}, 5, 2, "one in 5 is held out to choose the round by"),
        ({"patience": 1}, 5, 2, "to choose the round by; it ends once 1 round got no"),
        ({}, 4, 3, "annotated slices are held out to choose the round by"),
        ({}, 4, 2, "none of them is held out, and the round is chosen by the cases of"),
        ({"keep": "last"}, 12, 2, "is held out and measured, and the last round is"),
        ({"hold_out": "every", "hold_out_every": 3}, 4, 2, "one in 3 is held out to"),
        ({"hold_out": "none", "keep": "last"}, 50, 3, "none of them is held out, and"),
    ],
)
def test_what_is_held_out_is_said_of_any_settings(
    settings: dict[str, object], n: int, dims: int, words: str
) -> None:
    assert words in held_in_words(TrainSettings(**settings), n, dims)
    assert FEW == ENOUGH_CASES  # what "auto" goes by
