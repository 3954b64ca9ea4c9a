"""A window that is killed leaves neither a child nor images of patients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dead_ones import dead_process

from napari_dmoe.imaging.disk.owners import is_alive, machine, owner_tag
from napari_dmoe.training.child.private import private_folder, remove_abandoned

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

_PATIENCE = 60

_CHILD = """
import os, sys, time
from pathlib import Path
from napari_dmoe.progress import Progress
from napari_dmoe.training.child.serving import be_child

folder = Path(sys.argv[1])
(folder / "begun").touch()
if (folder / "imports").exists():
    time.sleep(600)  # as torch does, a little longer

def work(folder, reporter):
    (folder / "at-work").touch()
    for done in range(100 if (folder / "alone").exists() else 10**6):
        reporter.on_progress(Progress(done, 10**6), stage="counting")
        time.sleep(0.01)
    (folder / "result.txt").write_text("counted")
    return {}

be_child(work)
"""

_WINDOW = """
import sys, time
from pathlib import Path
from pydantic import BaseModel
from napari_dmoe.training.child.process import ChildProcess, Farewell, private_folder

class Nothing(BaseModel):
    pass

how, wanted = sys.argv[1:3]
folder = private_folder("tuning")
(folder / "cases").mkdir()
(folder / "cases" / "1.npz").write_bytes(b"a patient")
(folder / how).touch()
child = None if how == "stopped" else ChildProcess("a_child", folder, Nothing())
while child is not None and not (folder / wanted).exists():
    time.sleep(0.01)
if how == "alone":
    child.finish_alone(Farewell(copies={"result.txt": sys.argv[3]}, failed="failed"))
print(folder, child.pid if child else 0, flush=True)
time.sleep(600)
"""

Start = Callable[..., tuple[subprocess.Popen[str], Path, int]]


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a window's stand-in; give it, its private folder and its child."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "a_child.py").write_text(_CHILD)
    (tmp_path / "temporary").mkdir()
    path = os.pathsep.join([str(tmp_path / "modules"), *sys.path])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    children: list[int] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], Path, int]:
        command = [sys.executable, "-c", _WINDOW, *arguments]
        begun = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert begun.stdout is not None
        folder, child = begun.stdout.readline().split()
        children.append(int(child))
        return begun, Path(folder), int(child)

    yield start
    for child in children:
        if child and is_alive(child):
            os.kill(child, signal.SIGKILL)


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def until(is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


@pytest.mark.parametrize("how", ["imports", "works"])
def test_a_killed_windows_child_ends_and_removes_the_images(
    window: Start, how: str
) -> None:
    process, folder, child = window(how, "begun" if how == "imports" else "at-work")
    assert list(folder.rglob("*.npz"))
    killed(process)
    assert until(lambda: not is_alive(child))
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the system wakes it on Linux only")
@pytest.mark.parametrize("how", ["imports", "works"])
def test_so_does_a_child_that_was_stopped(window: Start, how: str) -> None:
    process, folder, child = window(how, "begun" if how == "imports" else "at-work")
    os.kill(child, signal.SIGSTOP)
    killed(process)
    assert until(lambda: not is_alive(child))
    assert not folder.exists()


def test_a_window_that_is_killed_with_no_child_is_swept_after_by_the_next(
    window: Start,
) -> None:
    process, folder, _ = window("stopped", "")
    assert remove_abandoned() == 0  # its window lives
    killed(process)
    assert list(folder.rglob("*.npz"))
    own = private_folder("tuning")
    assert not folder.exists()
    assert own.exists()
    assert remove_abandoned() == 0


def test_a_killed_child_whose_window_was_killed_too_is_swept_after(
    window: Start,
) -> None:
    process, folder, child = window("imports", "begun")
    os.kill(child, signal.SIGKILL)
    killed(process)
    assert until(lambda: not is_alive(child))
    assert list(folder.rglob("*.npz"))
    assert remove_abandoned() == 1
    assert not folder.exists()


def test_a_child_that_finishes_alone_is_not_swept(
    window: Start, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.txt"
    process, folder, child = window("alone", "at-work", str(kept))
    killed(process)
    assert remove_abandoned() == 0
    assert folder.exists()
    assert until(lambda: not is_alive(child))
    assert kept.read_text() == "counted"
    assert not folder.exists()


def test_a_child_that_is_stopped_and_nobodys_is_woken_by_the_next_start(
    window: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, folder, child = window("imports", "begun")
    woken: list[tuple[int, int]] = []
    monkeypatch.setattr("napari_dmoe.training.child.private.is_gone", lambda _: True)
    monkeypatch.setattr(os, "kill", lambda *asked: woken.append(asked))
    assert remove_abandoned() == 0
    assert set(woken) == {(child, signal.SIGCONT)}
    monkeypatch.undo()
    killed(process)
    assert until(lambda: not is_alive(child))
    assert not folder.exists()


def test_only_what_is_ours_and_nobodys_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = f"{machine()}-{dead_process()}"
    kept = [
        f"napari-dmoe-tuning-{owner_tag()}-abc",
        f"napari-dmoe-tuning-{machine()}-{os.getppid()}-abc",
        f"napari-dmoe-tuning-00000000-{dead_process()}-abc",
        "napari-dmoe-tuning-abc12345",
        f"napari-dmoe-{dead}-abc",
    ]
    for name in kept:
        (tmp_path / name).mkdir()
    (tmp_path / f"napari-dmoe-tuning-{dead}-link").symlink_to(tmp_path / kept[0])
    (tmp_path / f"napari-dmoe-tuning-{dead}-file").write_text("theirs")
    if os.getuid() == 0:  # it takes root to make what is another's
        theirs = tmp_path / f"napari-dmoe-tuning-{dead}-theirs"
        theirs.mkdir()
        os.chown(theirs, 12345, 12345)
    before = sorted(tmp_path.iterdir())
    (tmp_path / f"napari-dmoe-tuning-{dead}-abc").mkdir()
    assert remove_abandoned() == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_child_that_was_stopped_at_its_very_first_moment_is_woken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"napari-dmoe-tuning-{machine()}-{dead_process()}-x"
    folder.mkdir()
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=-1)
    os.kill(child.pid, signal.SIGSTOP)
    (folder / "child.txt").write_text(str(child.pid))
    assert child.stdin is not None
    child.stdin.close()
    assert remove_abandoned() == 1
    assert child.wait(60) == 1  # the end of its input reached it
    assert not folder.exists()
