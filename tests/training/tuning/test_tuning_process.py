"""The process that tunes: what it leaves, how it is stopped, resumed, left alone."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from child_runs import kinds, served
from training_cases import CARD, PLAIN, square, squares, tiny_model, weights

from napari_dmoe.imaging.disk.claims import FolderError
from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import TRAINING_KEY, save_checkpoint
from napari_dmoe.models.weights import read_weights
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.training.child.process import FINISH, Farewell, private_folder
from napari_dmoe.training.guarding.report import TuningReport
from napari_dmoe.training.loop.folder import LAST
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.tuning.corrected import annotated_case, write_cases
from napari_dmoe.training.tuning.process import (
    CASES,
    GRACE_SECONDS,
    MODEL,
    REPORT,
    RUN,
    SAVING_SECONDS,
    TUNED_MODEL,
    TuningProcess,
    TuningTask,
)
from napari_dmoe.training.tuning.serve import work

SHORT = PLAIN.model_copy(update={"epochs": 2, "steps_per_epoch": 2})
LONG = PLAIN.model_copy(update={"epochs": 100_000, "steps_per_epoch": 2})
PATIENCE_S = 120


def prepared(folder: Path, settings: TrainSettings = SHORT) -> TuningTask:
    save_checkpoint(folder / MODEL, tiny_model())
    cases = [annotated_case(case, CARD, Annotation()) for case in squares(2)]
    write_cases(folder / CASES, cases)
    return TuningTask(settings=settings, source="fundus.pth", sha256="ab" * 32)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = private_folder("tuning")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def wait_for(process: TuningProcess, is_so: Callable[[list], bool]) -> list:
    """Look until something was said; the process has its own time."""
    said: list = []
    for _ in range(PATIENCE_S * 20):
        said += process.new_events()
        if is_so(said):
            return said
        Event().wait(0.05)
    raise TimeoutError(f"the process said {said[-3:]} and {process._last_words()}")


def test_a_tuning_leaves_the_tuned_model_its_report_and_its_parent(
    folder: Path,
) -> None:
    status, said = served(work, folder, prepared(folder))
    assert status == 0
    assert kinds(said) == ["start", "progress", "epoch", "done"]
    tuned = load_checkpoint(folder / TUNED_MODEL)
    assert tuned.card.name == "tiny-tuned"
    assert (weights(tuned) != weights(tiny_model())).any()
    record = json.loads(read_weights(folder / TUNED_MODEL).header[TRAINING_KEY])
    assert record["started_from"] == "ab" * 32
    assert record["started_from_file"] == "fundus.pth"
    assert len(record["history"]) == 2
    report = TuningReport.from_json((folder / REPORT).read_text())
    assert report.parent == "ab" * 32
    assert TuningReport.from_json(json.dumps(record["tuning"])) == report


def test_an_error_is_told_in_its_own_words(folder: Path) -> None:
    task = prepared(folder)
    for path in (folder / CASES).iterdir():
        path.unlink()
    status, said = served(work, folder, task)
    assert status == 2
    assert said[-1]["event"] == "error"
    assert said[-1]["message"].startswith("there are no cases to train on")


def test_a_stop_stops_it_at_its_first_step(folder: Path) -> None:
    status, said = served(work, folder, prepared(folder, LONG), "stop")
    assert (status, said[-1]) == (130, {"event": "stopped"})
    assert not (folder / TUNED_MODEL).exists()


def test_a_farewell_leaves_model_and_report_where_it_says(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Farewell] = []
    monkeypatch.setattr(TuningProcess, "__init__", lambda *_: None)
    monkeypatch.setattr(
        TuningProcess, "finish_alone", lambda _, farewell: said.append(farewell)
    )
    target = tmp_path / "mine.safetensors"
    TuningProcess(folder, TuningTask(settings=SHORT)).save_alone(target)
    task = prepared(folder)
    (folder / FINISH).write_text(said[0].model_dump_json())
    assert served(work, folder, task)[0] == 0
    assert not folder.exists()
    assert load_checkpoint(target).card.name == "tiny-tuned"
    TuningReport.from_json((tmp_path / "mine.report.json").read_text())
    assert said[0].failed == str(tmp_path / "mine.failed.txt")


def test_it_is_given_longer_where_something_would_be_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dmoe.training.child.process._started", lambda *_: None)
    process = TuningProcess(folder, TuningTask(settings=SHORT))
    assert process.patience == GRACE_SECONDS
    process._note([{"event": "progress", "stage": "training"}])
    assert process.patience == SAVING_SECONDS  # its first epoch is saved nowhere
    (folder / RUN).mkdir()
    (folder / RUN / LAST).touch()
    assert process.patience == GRACE_SECONDS
    process._note([{"event": "stopping"}])
    assert process.patience == SAVING_SECONDS


def test_a_process_trains_stops_within_two_seconds_and_resumes(folder: Path) -> None:
    task = prepared(folder, LONG)
    process = TuningProcess(folder, task)
    wait_for(process, lambda said: "epoch" in kinds(said))
    process.stop()
    said = wait_for(process, lambda _: process.has_ended)
    # On a machine that is busy it may be killed in between two saves.
    assert kinds(said)[-1] == "stopped"
    load_checkpoint(folder / RUN / LAST)
    compare = task.model_copy(update={"mode": "compare"})
    process = TuningProcess(folder, compare)
    said = wait_for(process, lambda said: kinds(said)[-1:] == ["done"])
    assert "epoch" not in kinds(said)
    load_checkpoint(folder / TUNED_MODEL)


def test_a_process_finishes_alone_and_cleans_up(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("numpy", "torch", "sitecustomize"):
        (here / f"{name}.py").write_text("open('was-run', 'w'); raise SystemExit")
    monkeypatch.chdir(here)
    process = TuningProcess(folder, prepared(folder))
    target = tmp_path / "alone.safetensors"
    process.save_alone(target)
    process._process.wait(PATIENCE_S)
    assert load_checkpoint(target).card.name == "tiny-tuned"
    assert not folder.exists()
    assert not (here / "was-run").exists()  # nothing of the working folder is run


def test_a_case_without_labels_is_not_written(tmp_path: Path) -> None:
    case = square(0)
    with pytest.raises(ValueError, match="has no labels"):
        write_cases(tmp_path, [type(case)("a", case.image, None, case.patient)])


def test_cases_that_the_disk_has_no_room_for_are_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = annotated_case(square(0), CARD, Annotation())
    room = case.image.data.nbytes
    monkeypatch.setattr(
        "napari_dmoe.imaging.disk.claims.shutil.disk_usage",
        lambda _: SimpleNamespace(free=room),
    )
    with pytest.raises(FolderError, match=r"has room for .* make room"):
        write_cases(tmp_path / "cases", [case])
    assert list((tmp_path / "cases").iterdir()) == []


def test_a_case_on_a_disk_that_fills_up_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        write_cases(tmp_path, [annotated_case(square(0), CARD, Annotation())])
    assert list(tmp_path.iterdir()) == []
