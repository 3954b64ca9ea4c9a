"""A training in its own process: its events, and the ways to stop it."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from pathlib import Path

import pytest
from training_cases import CARD, CONFIG, mixed_squares

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.child.stopping import Stop, stop_on_signals
from napari_dmoe.training.tasks.serve import TrainingProcess, serve
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


def served(task: TrainingTask, *lines: str) -> tuple[int, list[dict]]:
    """Serve a task in this process; its input stays open unless lines say stop."""
    reading, writing = os.pipe()
    events = io.StringIO()
    with os.fdopen(reading) as commands, os.fdopen(writing, "w") as said:
        said.write("\n".join([task.model_dump_json(), *lines]) + "\n")
        said.flush()
        code = serve(commands, events)
    return code, [json.loads(line) for line in events.getvalue().splitlines()]


def test_events_tell_the_whole_story(task: TrainingTask) -> None:
    code, events = served(task)
    kinds = [event["event"] for event in events]
    assert code == 0
    assert kinds[0] == "start"
    assert kinds[-1] == "done"
    assert kinds.count("epoch") == 2
    assert "progress" in kinds
    last = events[-1]
    loaded = load_checkpoint(last["model"])
    assert loaded.sha256 == last["sha256"]
    assert last["held_out"] == "cases"
    (first,) = [e for e in events if e["event"] == "epoch" and e["number"] == 0]
    assert set(first["dice"]) == {"rim", "cup"}


def test_errors_are_told_in_a_sentence(task: TrainingTask, tmp_path: Path) -> None:
    bad = task.model_copy(update={"cohort": tmp_path / "nowhere"})
    code, events = served(bad)
    assert code == 2
    assert events[-1]["event"] == "error"
    assert events[-1]["kind"] == "CohortError"
    assert "there is no cohort at" in events[-1]["message"]
    out = io.StringIO()
    assert serve(io.StringIO("nonsense\n"), out) == 2
    assert json.loads(out.getvalue())["kind"] == "ValidationError"


def test_a_line_that_says_stop_saves_and_stops(task: TrainingTask) -> None:
    long = task.model_copy(update={"settings": {**task.settings, "epochs": 5000}})
    code, events = served(long, "not json", '{"stop": true}')
    assert code == 130
    assert events[-1] == {"event": "stopped"}


def test_the_end_of_its_input_stops_it(task: TrainingTask) -> None:
    long = task.model_copy(update={"settings": {**task.settings, "epochs": 5000}})
    out = io.StringIO()
    assert serve(io.StringIO(long.model_dump_json() + "\n"), out) == 130
    assert '"stopped"' in out.getvalue()


def test_signals_ask_and_the_second_interrupt_insists() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        hook = stop.obeyed_by(lambda step: None)
        hook(Progress(1, 2))
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Cancelled):
            hook(Progress(2, 2))
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
    found: list[Stop] = []

    def elsewhere() -> None:
        with stop_on_signals() as stop:
            found.append(stop)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not found[0].is_asked


def test_a_process_is_stopped_resumed_and_killed(task: TrainingTask) -> None:
    long = {"settings": {**task.settings, "epochs": 3000}}
    job = TrainingProcess(task.model_copy(update=long))
    seen = []
    for event in job.events():
        seen.append(event["event"])
        if event["event"] == "epoch" and event["number"] == 1:
            job.stop()
    assert seen[0] == "start"
    assert seen[-1] == "stopped"
    assert not job.is_running
    job.stop()  # nobody listens any more, and nothing happens
    again = task.model_copy(update={"resume": True, "settings": {}})
    job = TrainingProcess(again)
    for event in job.events():
        if event["event"] == "epoch":
            assert event["number"] >= 2
            break
    job.kill()
    last = list(job.events())[-1]
    assert last["kind"] == "ProcessEnded"
    assert "ended with code -9" in last["message"]


def test_a_process_ends_when_the_other_one_is_gone(task: TrainingTask) -> None:
    long = {"settings": {**task.settings, "epochs": 3000}}
    job = TrainingProcess(task.model_copy(update=long))
    events = job.events()
    while next(events)["event"] != "epoch":
        pass
    job._process.stdin.close()
    assert list(events)[-1]["event"] == "stopped"
    assert (task.folder / "resume.safetensors").is_file()
