"""The process that tunes: told what to do, stopped, killed, left alone, orphaned."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from training_cases import CARD, PLAIN, square, squares, tiny_model, weights

from napari_dmoe.models.checkpoint import load_checkpoint
from napari_dmoe.models.saving import TRAINING_KEY, save_checkpoint
from napari_dmoe.models.weights import read_weights
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.cases.annotation import Annotation
from napari_dmoe.training.loop.folder import LAST
from napari_dmoe.training.settings import TrainSettings
from napari_dmoe.training.tuning import job as tuning_job
from napari_dmoe.training.tuning.corrected import annotated_case, write_cases
from napari_dmoe.training.tuning.order import (
    CASES,
    EVENTS,
    FINISH,
    MODEL,
    ORDER,
    REPORT,
    RUN,
    STOP,
    TUNED_MODEL,
    Farewell,
    TuningOrder,
    leave,
)
from napari_dmoe.training.tuning.process import TuningProcess, private_folder
from napari_dmoe.training.tuning.report import TuningReport

SHORT = PLAIN.model_copy(update={"epochs": 2, "steps_per_epoch": 2})
LONG = PLAIN.model_copy(update={"epochs": 100_000, "steps_per_epoch": 2})
PATIENCE_S = 120


def prepared(folder: Path, settings: TrainSettings = SHORT) -> TuningOrder:
    save_checkpoint(folder / MODEL, tiny_model())
    cases = [annotated_case(case, CARD, Annotation()) for case in squares(2)]
    write_cases(folder / CASES, cases)
    return TuningOrder(settings=settings, source="fundus.pth", sha256="ab" * 32)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = private_folder()
    yield path
    tuning_job.shutil.rmtree(path, ignore_errors=True)


def run_here(folder: Path, order: TuningOrder) -> tuple[int, list[dict]]:
    """Run the job's own main in this process."""
    (folder / ORDER).write_text(order.model_dump_json())
    status = tuning_job.main([str(folder)])
    events = folder / EVENTS
    lines = events.read_text().splitlines() if events.exists() else []
    return status, [json.loads(line) for line in lines]


def wait_for(process: TuningProcess, is_so: Callable[[list], bool]) -> list:
    """Poll until something was said; the process has its own time."""
    said: list = []
    for _ in range(PATIENCE_S * 20):
        said += process.events()
        if is_so(said):
            return said
        Event().wait(0.05)
    raise TimeoutError(f"the process said {said[-3:]} and {process.last_words()}")


def kinds(said: list) -> list[str]:
    return list(dict.fromkeys(event["event"] for event in said))


def test_the_private_folder_is_its_owners_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


def test_a_job_leaves_the_tuned_model_its_report_and_its_parent(folder: Path) -> None:
    status, said = run_here(folder, prepared(folder))
    assert status == 0
    assert kinds(said) == ["began", "progress", "epoch", "done"]
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
    order = prepared(folder)
    for path in (folder / CASES).iterdir():
        path.unlink()
    status, said = run_here(folder, order)
    assert status == 1
    assert said[-1]["event"] == "failed"
    assert said[-1]["message"].startswith("there are no cases to train on")


def test_an_unknown_error_names_its_kind(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    order = prepared(folder)
    monkeypatch.setattr(tuning_job, "load_checkpoint", broken)
    _, said = run_here(folder, order)
    assert "not enough memory" in said[-1]["message"]
    assert "Traceback" in capsys.readouterr().err


def test_a_stop_file_stops_it_and_an_orphan_takes_its_folder_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = prepared(folder)
    (folder / STOP).touch()
    status, said = run_here(folder, order)
    assert (status, kinds(said)) == (0, ["began", "stopping", "stopped"])
    (folder / STOP).unlink()
    monkeypatch.setattr(os, "getppid", iter(range(9, 99)).__next__)
    assert run_here(folder, order)[0] == 1
    assert not folder.exists()


def test_an_orphan_that_was_told_to_finish_goes_on(folder: Path) -> None:
    (folder / FINISH).touch()
    reporter = tuning_job.Reporter(folder, io.StringIO(), os.getppid() + 1)
    reporter.on_progress("before", Progress(0, 1))
    (folder / FINISH).unlink()
    with pytest.raises(Cancelled):
        reporter.on_progress("before", Progress(0, 1))


def test_progress_is_not_told_too_often(folder: Path) -> None:
    file = io.StringIO()
    reporter = tuning_job.Reporter(folder, file, os.getppid())
    for done in range(1000):
        reporter.on_progress("training", Progress(done, 1000))
    reporter.on_progress("training", Progress(1000, 1000))
    assert 2 <= len(file.getvalue().splitlines()) < 100


def test_a_farewell_leaves_the_result_where_it_says(
    folder: Path, tmp_path: Path
) -> None:
    leave(folder)  # nobody said farewell
    target = tmp_path / "mine.safetensors"
    farewell = Farewell(save_to=str(target)).model_dump_json()
    order = prepared(folder)
    (folder / FINISH).write_text(farewell)
    assert run_here(folder, order)[0] == 0
    assert not folder.exists()
    assert load_checkpoint(target).card.name == "tiny-tuned"
    TuningReport.from_json((tmp_path / "mine.report.json").read_text())
    folder.mkdir()
    (folder / FINISH).write_text(farewell)
    leave(folder, failed="the disk was full")
    assert "the disk was full" in (tmp_path / "mine.failed.txt").read_text()
    assert not folder.exists()


def test_a_process_trains_stops_within_two_seconds_and_resumes(folder: Path) -> None:
    order = prepared(folder, LONG)
    process = TuningProcess(folder, order)
    wait_for(process, lambda said: "epoch" in kinds(said))
    process.stop()
    said = wait_for(process, lambda _: not process.is_alive)
    said += process.events()
    # On a machine that is busy it may be killed in between two saves.
    assert kinds(said)[-1:] == ["stopped"] or process.exit_code != 0
    load_checkpoint(folder / RUN / LAST)
    compare = order.model_copy(update={"mode": "compare"})
    process = TuningProcess(folder, compare)
    said = wait_for(process, lambda said: kinds(said)[-1:] == ["done"])
    assert "epoch" not in kinds(said)
    load_checkpoint(folder / TUNED_MODEL)


def test_a_process_that_is_killed_says_nothing_but_its_exit_code(folder: Path) -> None:
    process = TuningProcess(folder, prepared(folder, LONG))
    wait_for(process, lambda said: "began" in kinds(said))
    process.kill()
    assert not process.is_alive
    assert process.exit_code != 0
    assert "failed" not in kinds(process.events())


def test_a_process_finishes_alone_and_cleans_up(folder: Path, tmp_path: Path) -> None:
    process = TuningProcess(folder, prepared(folder))
    target = tmp_path / "alone.safetensors"
    process.finish_alone(target)
    for _ in range(PATIENCE_S * 20):
        if not process.is_alive:
            break
        Event().wait(0.05)
    assert load_checkpoint(target).card.name == "tiny-tuned"
    assert not folder.exists()


def test_half_a_line_is_read_when_it_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TuningProcess, "_start", lambda _: _Over())
    process = TuningProcess(folder, TuningOrder(settings=SHORT))
    with (folder / EVENTS).open("w") as file:
        file.write('{"event": "began"}\n{"event": "do')
        file.flush()
        assert [e["event"] for e in process.events()] == ["began"]
        file.write('ne"}\n')
        file.flush()
        assert [e["event"] for e in process.events()] == ["done"]


class _Over:
    """A process that has ended."""

    pid = 0

    def poll(self) -> int:
        return 0


def test_a_case_without_labels_is_not_written(tmp_path: Path) -> None:
    case = square(0)
    with pytest.raises(ValueError, match="has no labels"):
        write_cases(tmp_path, [type(case)("a", case.image, None, case.patient)])
