"""Interrupted is 130 and terminated 143, from the first moment on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import run

from napari_dmoe.cli.demo import refuse_dead_display

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

_SLOW = """
import sys, time
print("importing", flush=True)
try:
    time.sleep(600)
except BaseException:  # as libraries do that try one thing after the other
    print("swallowed", flush=True)
"""

ENDS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


def begun(command: list[str], **options: object) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


@pytest.mark.parametrize("heavy", ["typer", "torch", "numpy"])
@pytest.mark.parametrize(("number", "code", "word"), ENDS)
def test_a_command_that_still_imports_ends_at_once(
    tmp_path: Path, heavy: str, number: int, code: int, word: str
) -> None:
    (tmp_path / f"{heavy}.py").write_text(_SLOW)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "napari_dmoe.cli"]
    command += ["segment", "a.tif", "-c", "fundus-phantom", "-o", str(tmp_path / "o")]
    with begun(command, env={**os.environ, "PYTHONPATH": path}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        out, told = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert told == f"napari-dmoe: {word}\n"
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("number", "code", "word"), ENDS)
def test_a_command_at_work_leaves_neither_a_lock_nor_half_a_file(
    tmp_path: Path, number: int, code: int, word: str
) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from napari_dmoe.cli.signals import end_on_signals\n"
        "end_on_signals()\n"
        "import typer\n"
        "from napari_dmoe.cli.outcome import clear_errors\n"
        "from napari_dmoe.imaging.disk.atomic import atomic_path\n"
        "from napari_dmoe.imaging.disk.claims import claimed\n"
        "def work(folder: Path) -> None:\n"
        "    with clear_errors(), claimed(folder), atomic_path(folder / 'a') as part:\n"
        "        part.write_text('half'); print('working', flush=True)\n"
        "        time.sleep(600)\n"
        "typer.run(work)\n"
    )
    with begun([sys.executable, "-c", script, str(tmp_path / "o")]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        assert len(list((tmp_path / "o").iterdir())) == 2
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (code, f"napari-dmoe: {word}\n")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(("number", "code", "word"), ENDS)
def test_a_second_signal_does_not_wait_for_what_hangs(
    number: int, code: int, word: str
) -> None:
    script = (
        "import time\n"
        "from napari_dmoe.cli.signals import end_on_signals, unwound\n"
        "end_on_signals()\n"
        "try:\n"
        "    with unwound():\n"
        "        print('working', flush=True); time.sleep(600)\n"
        "finally:\n"
        "    print('hangs', flush=True); time.sleep(600)\n"
    )
    with begun([sys.executable, "-c", script]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (code, f"napari-dmoe: {word}\n")


@pytest.mark.skipif(sys.platform != "linux", reason="displays of X11")
def test_a_dead_display_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("qtpy")
    pytest.importorskip("napari")
    monkeypatch.setenv("DISPLAY", ":7654")
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    code, out, told = run("demo")
    assert (code, out) == (2, "")
    assert told.startswith("napari-dmoe: no window can be opened: ")
    assert "display :7654. Write files instead, with --output FOLDER" in told
    assert told.count("\n") == 1


def test_a_display_that_does_not_answer_is_dead_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_dmoe.cli.demo._OPEN_DISPLAY", "while True: pass")
    monkeypatch.setattr("napari_dmoe.cli.demo._DISPLAY_SECONDS", 0.5)
    with pytest.raises(OSError, match="did not answer within"):
        refuse_dead_display()
    monkeypatch.setattr("napari_dmoe.cli.demo._OPEN_DISPLAY", "pass")
    refuse_dead_display()


def test_next_to_nothing_is_imported_before_signals_are_obeyed() -> None:
    heavy = ("typing", "re", "threading", "contextlib", "pathlib", "importlib.metadata")
    script = (
        "import sys\n"
        "for name in list(sys.modules):\n"
        f"    name in {heavy} and sys.modules.pop(name)\n"
        "import napari_dmoe.cli\n"
        f"print([name for name in {heavy} if name in sys.modules])\n"
    )
    command = [sys.executable, "-S", "-c", script]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        command, env=os.environ | path, capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
