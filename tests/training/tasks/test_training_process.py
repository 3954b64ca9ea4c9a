"""A training in its own process: its events, and the ways to stop it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from child_runs import served
from training_cases import CARD, CONFIG, mixed_squares

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.training.child.serving import serve
from napari_dmoe.training.tasks.serve import TrainingProcess, work
from napari_dmoe.training.tasks.task import TrainingTask


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    write_cohort(tmp_path / "cohort", mixed_squares(9))
    recipe = tmp_path / "recipe.json"
    stated = {"card": CARD.model_dump(mode="json"), "config": CONFIG.model_dump()}
    recipe.write_text(json.dumps(stated))
    return TrainingTask(
        kind="train",
        cohort=tmp_path / "cohort",
        output=tmp_path / "out",
        recipe=str(recipe),
        settings={"epochs": 2, "batch": 4, "augmentation": "none"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "private").mkdir()
    return tmp_path / "private"


def lasting(task: TrainingTask) -> TrainingTask:
    return task.model_copy(update={"settings": {**task.settings, "epochs": 5000}})


def test_events_tell_the_whole_story(task: TrainingTask, folder: Path) -> None:
    code, events = served(work, folder, task)
    kinds = [event["event"] for event in events]
    assert code == 0
    assert kinds[0] == "start"
    assert events[0]["folder"] == str(task.folder)
    assert kinds[-1] == "done"
    assert kinds.count("epoch") == 2
    assert "progress" in kinds
    last = events[-1]
    loaded = load_checkpoint(last["model"])
    assert loaded.sha256 == last["sha256"]
    assert last["held_out"] == "cases"
    (first,) = [e for e in events if e["event"] == "epoch" and e["number"] == 0]
    assert set(first["dice"]) == {"rim", "cup"}


def test_errors_are_told_in_a_sentence(
    task: TrainingTask, tmp_path: Path, folder: Path
) -> None:
    bad = task.model_copy(update={"cohort": tmp_path / "nowhere"})
    code, events = served(work, folder, bad)
    assert code == 2
    assert events[-1]["event"] == "error"
    assert events[-1]["kind"] == "CohortError"
    assert "there is no cohort at" in events[-1]["message"]
    code, events = served(work, folder, "nonsense")
    assert (code, events[-1]["kind"]) == (2, "ValidationError")


def test_a_line_that_says_stop_saves_and_stops(
    task: TrainingTask, folder: Path
) -> None:
    code, events = served(work, folder, lasting(task), "stop")
    assert code == 130
    assert events[-1] == {"event": "stopped"}


def test_the_end_of_its_input_stops_it(task: TrainingTask, folder: Path) -> None:
    (folder / "task.json").write_text(lasting(task).model_dump_json())
    with (folder / "task.json").open() as over:
        over.read()
        assert serve(work, folder, over) == 130
    assert not folder.exists()


def test_a_process_is_stopped_resumed_and_killed(task: TrainingTask) -> None:
    training = TrainingProcess(lasting(task))
    seen = []
    for event in training.events():
        seen.append(event["event"])
        if event["event"] == "epoch" and event["number"] == 1:
            training.stop()
    assert seen[0] == "start"
    assert seen[-1] == "stopped"
    assert not training.is_running
    assert not training.folder.exists()
    training.stop()  # nobody listens any more, and nothing happens
    again = task.model_copy(update={"resume": True, "settings": {}})
    training = TrainingProcess(again)
    for event in training.events():
        if event["event"] == "epoch":
            assert event["number"] >= 2
            break
    training.kill()
    last = list(training.events())[-1]
    assert last["kind"] == "ProcessEnded"
    assert "it was killed" in last["message"]
    assert not training.folder.exists()


def test_a_process_ends_when_the_other_one_is_gone(task: TrainingTask) -> None:
    training = TrainingProcess(lasting(task))
    events = training.events()
    while next(events)["event"] != "epoch":
        pass
    training._process.stdin.close()
    training._process.wait(60)
    assert (task.folder / "resume.safetensors").is_file()
    assert not training.folder.exists()


def test_nothing_of_the_working_folder_is_run(
    task: TrainingTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "torch", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('was-run', 'w'); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    events = list(TrainingProcess(task).events())
    assert events[-1]["event"] == "done"
    assert not (tmp_path / "was-run").exists()
