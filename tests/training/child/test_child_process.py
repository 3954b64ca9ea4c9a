"""The process that a task is done in: told, stopped, killed, left alone, orphaned."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from child_runs import kinds, served
from pydantic import BaseModel

import napari_dmoe
from napari_dmoe.progress import Cancelled, Progress
from napari_dmoe.training.child.interpreter import python_command, python_environment
from napari_dmoe.training.child.process import (
    EVENTS,
    FINISH,
    ChildProcess,
    Farewell,
    leave,
    private_folder,
    silent_end,
)
from napari_dmoe.training.child.serving import Reporter, serve
from napari_dmoe.training.child.stopping import Stop, stop_on_signals

_MODULE = """
import os, time
from napari_dmoe.progress import Progress
from napari_dmoe.training.child.serving import be_child

def work(folder, reporter):
    n = int((folder / "task.json").read_text().split(":")[1].strip(" }"))
    reporter.say("start", pid=os.getpid(), nice=os.nice(0), cwd=os.getcwd())
    for done in range(n):
        reporter.on_progress(Progress(done, n), stage="counting")
        time.sleep(0.01)
    (folder / "result.txt").write_text("counted")
    if n == 0:
        os._exit(7)
    return {"n": n}

be_child(work)
"""


class Count(BaseModel):
    n: int


@pytest.fixture
def folder() -> Iterator[Path]:
    path = private_folder("test")
    yield path
    leave_nothing(path)


def leave_nothing(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink()
    if folder.exists():
        folder.rmdir()


@pytest.fixture
def start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], ChildProcess]]:
    """Start a real process that counts."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "counting_child.py").write_text(_MODULE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(modules), *sys.path]))
    started: list[ChildProcess] = []

    def begin(n: int) -> ChildProcess:
        started.append(ChildProcess("counting_child", folder, Count(n=n)))
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def until(process: ChildProcess, event: str) -> list:
    said = []
    for each in process.events():
        said.append(each)
        if each["event"] == event:
            break
    return said


def test_a_private_folder_is_its_owners_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


def test_a_process_tells_its_story_nicely_and_is_reaped(
    start: Callable[[int], ChildProcess], folder: Path
) -> None:
    process = start(3)
    said = list(process.events())
    assert kinds(said) == ["start", "progress", "done"]
    assert said[0]["pid"] == process.pid
    assert said[0]["nice"] >= 5
    assert said[-1]["n"] == 3
    assert not process.is_running
    assert process.new_events() == list(process.events()) == []
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, 0)
    assert (folder / "result.txt").exists()


@pytest.mark.parametrize("path", ["", ":{0}", "{0}::", "{0}:.", "{0}:./", "{0}:{1}"])
def test_nothing_of_the_working_folder_is_run(
    start: Callable[[int], ChildProcess],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    for name in ("pydantic", "json", "sitecustomize", "numpy", "napari_dmoe", "torch"):
        (tmp_path / f"{name}.py").write_text("open('was-run', 'w'); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    if path:
        stated = path.replace(":", os.pathsep)
        before = os.environ["PYTHONPATH"]
        monkeypatch.setenv("PYTHONPATH", stated.format(before, tmp_path))
    said = list(start(1).events())
    assert said[0]["cwd"] == str(tmp_path)
    assert said[-1]["event"] == "done"
    assert not (tmp_path / "was-run").exists()


def test_a_grandchild_runs_nothing_of_the_working_folder_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("print('hostile')")
    monkeypatch.chdir(tmp_path)
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', {0!r}])"
    inner = "import sys; print([p for p in sys.path if not p])"
    found = subprocess.run(
        python_command("-c", script.format(inner)),
        env=python_environment({**os.environ, "PYTHONPATH": os.pathsep}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[]\n"


def test_a_folder_that_the_package_runs_from_stays_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(napari_dmoe.__file__).parents[1]
    monkeypatch.chdir(source)
    stated = os.pathsep.join([str(source), "napari_dmoe"])
    found = python_environment({"PYTHONPATH": stated})["PYTHONPATH"]
    assert found.split(os.pathsep) == [str(source), str(source / "napari_dmoe")]
    monkeypatch.chdir(tmp_path)
    assert "PYTHONPATH" not in python_environment({"PYTHONPATH": ""})


def test_a_finished_process_is_reaped_when_its_last_event_was_read(
    start: Callable[[int], ChildProcess],
) -> None:
    process, said = start(1), []
    while not process.has_ended:  # as a window looks, which then looks no more
        said += process.new_events()
    assert said[-1]["event"] == "done"
    thread = process._reaper
    if thread is not None:
        thread.join(60)
    with pytest.raises(ChildProcessError):
        os.waitpid(process.pid, 0)


def test_a_process_stops_when_told_to(start: Callable[[int], ChildProcess]) -> None:
    process = start(100_000)
    until(process, "progress")
    process.stop()
    process.stop()
    assert kinds(list(process.events()))[-2:] == ["stopping", "stopped"]
    assert not process.is_running
    process.stop()  # nobody listens any more, and nothing happens


def test_sigterm_stops_it_too(start: Callable[[int], ChildProcess]) -> None:
    process = start(100_000)
    until(process, "progress")
    os.kill(process.pid, signal.SIGTERM)
    assert kinds(list(process.events()))[-2:] == ["stopping", "stopped"]


def test_one_that_does_not_stop_in_time_is_killed_and_counts_as_stopped(
    start: Callable[[int], ChildProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChildProcess, "patience", 1e-9)
    process = start(100_000)
    until(process, "progress")
    os.kill(process.pid, signal.SIGSTOP)
    process.stop()
    assert kinds(list(process.events()))[-1] == "stopped"
    assert not process.is_running


def test_a_process_that_is_killed_is_said_to_be(
    start: Callable[[int], ChildProcess],
) -> None:
    process = start(100_000)
    until(process, "progress")
    process.kill()
    assert not process.is_running
    last = list(process.events())[-1]
    assert last["kind"] == "ProcessEnded"
    assert "without a word (it was killed, perhaps for want of mem" in last["message"]


def test_a_process_that_dies_without_a_word_is_given_one(
    start: Callable[[int], ChildProcess],
) -> None:
    last = list(start(0).events())[-1]
    assert last["message"].endswith("ended without a word (exit code 7).")
    end = silent_end(1, "Traceback\nSegmentation fault", was_stopped=False)
    assert end["message"].endswith("(exit code 1). It said: Segmentation fault")
    end = silent_end(1, "napari-dmoe: no torch\nKeyError: Doe", was_stopped=False)
    assert end["message"].endswith("It said: no torch")
    end = silent_end(1, "KeyError: 'Jane Doe'", was_stopped=False)
    assert end["message"].endswith("without a word (exit code 1).")


def test_an_orphan_stops_and_takes_its_folder_away(
    start: Callable[[int], ChildProcess], folder: Path
) -> None:
    process = start(100_000)
    until(process, "progress")
    process._close_input()  # as the system does when a process is gone
    process._process.wait(60)
    assert not folder.exists()


def test_a_process_finishes_alone_and_cleans_up(
    start: Callable[[int], ChildProcess], folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    farewell = Farewell(
        copies={"result.txt": str(kept)}, failed=str(tmp_path / "failed.txt")
    )
    process = start(20)
    process.finish_alone(farewell)
    process._process.wait(60)
    assert kept.read_text() == "counted"
    assert not folder.exists()
    assert not (tmp_path / "failed.txt").exists()


def test_a_farewell_to_one_that_has_ended_leaves_what_there_is(
    start: Callable[[int], ChildProcess], folder: Path, tmp_path: Path
) -> None:
    kept, failed = tmp_path / "kept.txt", tmp_path / "failed.txt"
    farewell = Farewell(copies={"result.txt": str(kept)}, failed=str(failed))
    process = start(1)
    list(process.events())
    process.finish_alone(farewell)
    assert kept.read_text() == "counted"
    folder.mkdir()
    process = start(0)
    list(process.events())
    process.finish_alone(farewell)
    assert "exit code 7" in failed.read_text()
    assert not folder.exists()


def test_half_a_line_is_read_when_it_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "napari_dmoe.training.child.process._started", lambda *_: _Over()
    )
    process = ChildProcess("none", folder, Count(n=1))
    with (folder / EVENTS).open("w") as file:
        file.write('{"event": "done"}\n{"event": "do')
        file.flush()
        assert [e["event"] for e in process.new_events()] == ["done"]
        file.write('ne"}\n')
        file.flush()
        assert [e["event"] for e in process.new_events()] == ["done"]


class _Over:
    """A process that has ended."""

    pid = 0
    returncode = 0
    stdin = None

    def poll(self) -> int:
        return 0


def test_an_unknown_error_names_its_kind(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(error: Exception) -> Callable[..., dict]:
        def work(*_: object) -> dict:
            raise error

        return work

    status, said = served(broken(RuntimeError("CUDA out of memory")), folder, "{}")
    assert status == 2
    assert "not enough memory" in said[-1]["message"]
    said = served(broken(KeyError("Jane Doe")), folder, "{}")[1]
    assert said[-1]["kind"] == "KeyError"
    where = "KeyError in training/child/serving.py"
    assert said[-1]["message"].startswith(where)
    printed = "".join(capsys.readouterr())
    assert "Doe" not in said[-1]["message"] + printed
    assert "Traceback" not in printed
    assert served(broken(ValueError()), folder, "{}")[1][-1]["message"]
    assert served(broken(KeyboardInterrupt()), folder, "{}")[0] == 130


def test_an_orphan_that_was_told_to_finish_goes_on(folder: Path) -> None:
    reporter = Reporter(folder, io.StringIO(), Stop())
    reporter.listen(io.StringIO(""))
    (folder / FINISH).touch()
    reporter.on_progress(Progress(0, 1))
    (folder / FINISH).unlink()
    with pytest.raises(Cancelled):
        reporter.on_progress(Progress(0, 1))


def test_progress_is_not_told_too_often(folder: Path) -> None:
    file = io.StringIO()
    reporter = Reporter(folder, file, Stop())
    for done in range(1000):
        reporter.on_progress(Progress(done, 1000), stage="training")
    reporter.on_progress(Progress(1000, 1000), stage="training")
    assert 2 <= len(file.getvalue().splitlines()) < 100
    assert json.loads(file.getvalue().splitlines()[0])["stage"] == "training"


def test_a_failure_is_left_where_a_farewell_says(folder: Path, tmp_path: Path) -> None:
    leave(folder)  # nobody said farewell
    assert folder.exists()
    farewell = Farewell(copies={}, failed=str(tmp_path / "mine.failed.txt"))
    (folder / FINISH).write_text(farewell.model_dump_json())
    leave(folder, failed="the disk was full")
    assert "the disk was full" in (tmp_path / "mine.failed.txt").read_text()
    assert not folder.exists()


def test_a_stop_that_comes_first_is_obeyed_at_the_first_step(folder: Path) -> None:
    def work(_: Path, reporter: Reporter) -> dict:
        for _ in range(10**6):
            reporter.on_progress(Progress(0, 1))
        return {}

    status, said = served(work, folder, "{}", "stop")
    assert (status, kinds(said)[-2:]) == (130, ["stopping", "stopped"])
    assert serve(work, folder, io.StringIO("")) == 130
    assert not folder.exists()


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
