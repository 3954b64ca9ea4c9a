"""However a command ends, it repeats neither a patient nor an image."""

from __future__ import annotations

import csv
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from cli_runs import run
from pydantic import BaseModel

SECRET = "Jane Doe 1947"
DEPTHS = [
    "napari_dmoe.cohorts.series.listing.entries_of",
    "napari_dmoe.models.checkpoint.load_checkpoint",
    "napari_dmoe.cohorts.series.segmenting.choose_routers",
    "napari_dmoe.cohorts.series.segmenting.claimed",
    "napari_dmoe.cohorts.series.segmenting.SeriesTable.add",
]
OF_ONE_IMAGE = [
    "napari_dmoe.cohorts.series.segmenting.read_image",
    "napari_dmoe.cohorts.series.segmenting.segment",
    "napari_dmoe.inference.running.plane_inputs.prepare",
    "napari_dmoe.inference.running.forward.Forward.__call__",
    "napari_dmoe.cohorts.series.segmenting.save_segmentation",
]


class _Form(BaseModel):
    age: int


def _wrong_form(*_: object, **__: object) -> None:
    _Form(age=SECRET)  # type: ignore[arg-type]


def _lookup(*_: object, **__: object) -> None:
    {}[SECRET, str(np.full(3, 7777))]


def _number(*_: object, **__: object) -> None:
    float(SECRET)


CAUSES = [_wrong_form, _lookup, _number]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        iio.imwrite(folder / f"{name}.png", np.eye(20, dtype=np.uint8) * 200)
    return folder


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("place", [*DEPTHS, *OF_ONE_IMAGE])
def test_a_crash_shows_its_kind_and_place_and_nothing_else(
    folder: Path,
    tmp_path: Path,
    race_net: list[object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    cause: Callable[..., None],
    place: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(place, cause)
    out = tmp_path / "out"
    code, said, err = run("segment", folder, *race_net, "--race", "White", "-o", out)
    assert code in (1, 2)
    shown = said + err + caplog.text
    table = out / "segment.csv"
    written = table.read_text() if table.exists() else ""
    for secret in (SECRET, "Doe", "7777", "Traceback"):
        assert secret not in shown + written
    assert "this is a fault of napari-dmoe" in err or "age: must be a whole" in err


def test_an_image_that_crashes_stops_no_other(
    folder: Path,
    tmp_path: Path,
    race_net: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_dmoe.cohorts.series import segmenting as series

    read = series.read_image

    def crashes(path: Path) -> object:
        return _lookup() if path.name == "a.png" else read(path)

    monkeypatch.setattr(series, "read_image", crashes)
    out = tmp_path / "out"
    code, _, err = run("segment", folder, *race_net, "--race", "White", "-o", out)
    assert code == 2
    assert "KeyError in cohorts/series/segmenting.py" in err
    rows = list(csv.DictReader((out / "segment.csv").open()))
    assert [bool(row["labels"]) for row in rows] == [False, True]
    assert "this is a fault of napari-dmoe" in rows[0]["outcome"]


@pytest.mark.parametrize(
    ("patched", "place"),
    [
        ("napari_dmoe.models.checkpoint.load_checkpoint", "cli/inspect.py:"),
        ("napari_dmoe.cli.outcome.unwound", "cli/outcome.py:"),
        ("napari_dmoe.cli.commands.app", "cli/__init__.py:"),
    ],
)
def test_a_command_that_crashes_ends_with_1_and_prints_no_traceback(
    tmp_path: Path, patched: str, place: str
) -> None:
    module, _, name = patched.rpartition(".")
    script = tmp_path / "crash.py"
    script.write_text(
        "import sys\n"
        f"import {module} as patched\n"
        "def crash(*_, **__):\n"
        f"    return {{}}['{SECRET}']\n"
        f"patched.{name} = crash\n"
        "from napari_dmoe.cli import main\n"
        "sys.argv = ['napari-dmoe', 'inspect', 'fundus-phantom']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr.startswith(f"napari-dmoe: KeyError in {place}")
    assert len(done.stderr.splitlines()) == 1
    all_of_it = {**os.environ, "NAPARI_DMOE_TRACEBACK": "1"}
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=False,
        env=all_of_it,
    )
    assert "Traceback" in done.stderr
