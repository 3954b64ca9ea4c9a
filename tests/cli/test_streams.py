"""What is printed, whatever the names, the encoding and the other end of a pipe are."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from cli_runs import run

from napari_dmoe.cli import printing
from napari_dmoe.cohorts.datasets import read_cohort
from napari_dmoe.cohorts.series.segmenting import Done

COMMAND = [sys.executable, "-m", "napari_dmoe.cli"]
PHANTOMS = ["phantoms", "--number", "2"]

posix = pytest.mark.skipif(os.name == "nt", reason="descriptors as POSIX has them")


def in_shell(
    redirection: str, arguments: Sequence[str], **environment: str
) -> tuple[int, str]:
    """Return the exit code and what reached the error stream."""
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, *arguments],
        capture_output=True,
        env=os.environ | environment,
        check=False,
    )
    return done.returncode, done.stderr.decode("latin-1")


@posix
@pytest.mark.parametrize("redirection", [">&- 2>&-", ">&-", "2>&-", "<&- >/dev/full"])
def test_closed_and_full_outputs_stop_no_work(tmp_path: Path, redirection: str) -> None:
    code, err = in_shell(redirection, [*PHANTOMS, str(tmp_path / "p")])
    assert (code, err) == (0, "")
    assert [case.image.data.shape for case in read_cohort(tmp_path / "p")]


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_stops_no_work(tmp_path: Path, unbuffered: str) -> None:
    arguments = [*COMMAND, *PHANTOMS, str(tmp_path / "p")]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, b"")
    assert len(read_cohort(tmp_path / "p")) == 2


@posix
def test_bad_input_ends_with_2_where_nobody_hears_of_it() -> None:
    assert in_shell(">&- 2>&-", ["inspect", "nothing"])[0] == 2


@posix
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_pipe_that_lacks_a_letter_gets_it_escaped(
    tmp_path: Path, encoding: str
) -> None:
    code, err = in_shell(
        ">&2", [*PHANTOMS, str(tmp_path / "Łódź")], PYTHONIOENCODING=encoding
    )
    assert code == 0
    assert "\\u0141" in err
    assert len(read_cohort(tmp_path / "Łódź")) == 2


def test_control_codes_and_half_characters_are_shown_escaped() -> None:
    text = "a\x1b]0;x\x07\x9b31m\r\nb\udcfc\u202egnp.exe"
    shown = "a\\x1b]0;x\\x07\\x9b31m\\r\\nb\\udcfc\\u202egnp.exe"
    assert printing.encodable(text) == shown
    assert printing.encodable("é Ł\u200d", None) == "é Ł\u200d"
    assert printing.encodable("é Ł", "cp1252") == "é \\u0141"


def test_streams_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = io.StringIO()
    monkeypatch.setattr(sys, "stdout", theirs)
    monkeypatch.setattr(sys, "stderr", theirs)
    printing.keep_streams()
    assert (sys.stdout, sys.stderr) == (theirs, theirs)


@posix
def test_names_in_another_encoding_and_control_codes_cost_nothing(
    tmp_path: Path, race_net: list[object]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    pixels = np.eye(20, dtype=np.uint8) * 200
    for name in (b"M\xfcller.png", b"red\x1b[31m\n.png", b"z.png"):
        iio.imwrite(folder / "new.png", pixels)
        os.rename(folder / "new.png", os.fsencode(folder) + b"/" + name)  # noqa: PTH104
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xe9.png")).write_bytes(b"no image")
    code, said, err = run("segment", folder, *race_net, "-o", out)
    assert code == 2
    assert err == (
        "napari-dmoe: b\\udce9: b\\udce9.png is damaged, or not the kind of file that "
        "its name says\n"
    )
    assert said.count("segmented for race unknown") == 3
    assert "\x1b" not in said
    with (out / "segment.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"M\\udcfcller", "red\\x1b[31m\n", "z", "b\\udce9"}
    assert all(
        (out / rows[name]["labels"]).is_file() for name in rows if "b" not in name
    )


@posix
def test_a_checkpoint_s_name_in_another_encoding_is_recorded_escaped(
    tmp_path: Path, race_file: Path, picture: Path
) -> None:
    named = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfc.pth"))
    named.write_bytes(race_file.read_bytes())
    out = tmp_path / "out"
    arguments = ["-c", named, "--card", "fairseg-race", "-o", out]
    assert run("segment", picture, *arguments)[0] == 0
    record = json.loads((out / "eye.labels.json").read_text())
    assert record["model"]["file"] == "M\\udcfc.pth"


def test_what_is_left_out_of_a_folder_is_told(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    arguments = ["segment", tmp_path, *race_net, "-o", tmp_path]
    assert run(*arguments)[2] == ""
    before = (tmp_path / "segment.csv").read_bytes()
    code, said, err = run(*arguments)
    assert (code, said.count("\n")) == (0, 1)
    assert err == ("notice: 1 left out, results of earlier runs: eye.labels.tif\n")
    assert (tmp_path / "segment.csv").read_bytes() == before


def test_an_error_in_many_rows_is_one_line(
    tmp_path: Path, race_net: list[object], picture: Path
) -> None:
    table, out = tmp_path / "people.csv", tmp_path / "out"
    lines = ["eye.png,63,0"] * 1286 + ["eye.png,old", "eye.png,63"]
    table.write_text("\n".join(["image,age", *lines]))
    code, said, err = run("segment", table, *race_net, "-o", out)
    assert (code, said.count("\n")) == (2, 1)
    first, second = err.splitlines()
    assert first == (
        "napari-dmoe: people.csv, 1,286 rows (2, 3, 4, ...): 3 cells, but the header "
        "has 2 columns"
    )
    assert second.startswith("napari-dmoe: people.csv, row 1288: age: the age cannot")
    with (out / "segment.csv").open(encoding="utf-8-sig", newline="") as file:
        outcomes = [row["outcome"] for row in csv.DictReader(file)]
    assert outcomes[3] == "people.csv, row 5: 3 cells, but the header has 2 columns"
    assert len(outcomes) == 1288


def test_not_more_is_said_than_a_screen_can_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    errors = [ValueError(f"reason {n // 2}") for n in range(100)]
    done = [Done(str(i), str(e), error=e) for i, e in enumerate(errors)]
    printing.say_failed(done, is_all=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "napari-dmoe: 0 and 1 further image: reason 0"
    assert len(lines) == printing.MOST_LINES + 1
    assert lines[-1] == "napari-dmoe: and 30 further errors: see segment.csv"


def test_damaged_images_are_one_line_and_a_row_is_named(
    tmp_path: Path, race_net: list[object]
) -> None:
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    _, _, err = run("segment", tmp_path, *race_net, "-o", tmp_path / "out")
    assert err.count("\n") == 1
    assert "a and 2 further images: a.png is damaged" in err
    iio.imwrite(tmp_path / "a.png", np.zeros((20, 24), np.uint8))
    table = tmp_path / "cohort.csv"
    table.write_text("id,image,race\none,a.png,Asian\ntwo,a.png,Blck\n")
    _, _, err = run("segment", table, *race_net, "-o", tmp_path / "out 2")
    assert "row 3, two: this model does not know that race" in err
