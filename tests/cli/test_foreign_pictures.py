"""Pictures that are something else, turned or in inks, as whole runs meet them."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from cli_runs import run
from PIL import Image

from napari_dmoe.cohorts.datasets import read_cohort

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"


def pixels() -> np.ndarray:
    y, x = np.mgrid[:30, :44]
    return np.stack([4 * x, 5 * y, 200 - 2 * x], -1).astype(np.uint8)


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that would appear if Ghostscript were started."""
    mark, tools = tmp_path / "started", tmp_path / "tools"
    tools.mkdir()
    for name in ("gs", "gswin64c", "gswin32c"):
        tool = tools / name
        tool.write_text(f"#!/bin/sh\necho ran > '{mark}'\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    return mark


def test_neither_a_file_nor_a_folder_nor_a_cohort_starts_an_interpreter(
    tmp_path: Path, race_net: list[object], started: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").write_bytes(POSTSCRIPT)
    Image.fromarray(pixels()).save(folder / "b.png")
    given = (*race_net, "--race", "White")
    code, _, err = run("segment", folder / "a.png", *given, "-o", out)
    assert code == 2
    assert "it is PostScript" in err
    code, _, err = run("segment", folder, *given, "-o", tmp_path / "second")
    assert code == 2
    assert "it is PostScript" in err
    with (tmp_path / "second" / "segment.csv").open() as file:
        rows = {row["image"]: row["outcome"] for row in csv.DictReader(file)}
    assert "PostScript" in rows["a"]
    assert "PostScript" not in rows["b"]
    (folder / "cohort.csv").write_text("image,id,race\na.png,1,White\nb.png,2,White\n")
    code, _, err = run("segment", folder, *race_net, "-o", tmp_path / "third")
    assert code == 2
    assert "it is PostScript" in err
    assert not started.exists()


def test_image_and_labels_of_a_training_pair_are_turned_alike(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    mask = (pixels()[..., 0] > 60).astype(np.uint8)
    Image.fromarray(pixels()).save(tmp_path / "a.jpg", exif=exif, quality=95)
    Image.fromarray(mask).save(tmp_path / "m.png", exif=exif)
    (tmp_path / "cohort.csv").write_text("image,labels,id\na.jpg,m.png,1\n")
    (case,) = read_cohort(tmp_path)
    assert case.labels is not None
    np.testing.assert_array_equal(case.labels.data, np.rot90(mask, -1))
    turned = np.rot90(pixels(), -1).astype(int)
    assert np.abs(case.image.data - turned).mean() < 5
    assert "orientation 6 was applied" in case.image.notices[0]


def test_what_was_converted_is_recorded_with_the_result(
    tmp_path: Path, race_net: list[object]
) -> None:
    exif = Image.Exif()
    exif[274] = 8
    picture = Image.fromarray(pixels()).convert("CMYK")
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    out = tmp_path / "out"
    run("segment", tmp_path / "a.jpg", *race_net, "--race", "White", "-o", out)
    record = (out / "a.labels.json").read_text()
    table = (out / "segment.csv").read_text()
    for words in ("CMYK was converted to RGB", "orientation 8 was applied"):
        assert words in record
        assert words in table
    assert "opacity" not in record
