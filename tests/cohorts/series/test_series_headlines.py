"""A series says of each image what came out: in its table and on the command line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cli_runs import run

from napari_dmoe.cohorts.series import segmenting as series
from napari_dmoe.imaging.files import read_labels, stated_classes
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.phantoms.samples import sample_fundus

MODEL = "fundus-race-phantom"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """Return a fundus phantom as a file."""
    path = tmp_path / "in" / "eye.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, sample_fundus().image.data, photometric="rgb")
    return path


def as_labels(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[np.ndarray], None]
) -> None:
    """Let the next runs give other labels."""
    real = series.segment

    def segment(*arguments: object, **options: object) -> Segmentation:
        made = real(*arguments, **options)
        change(made.labels)
        return made

    monkeypatch.setattr(series, "segment", segment)


def row_of(out: Path) -> dict[str, str]:
    with (out / "segment.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    return row


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels.fill(0), "Nothing found"),
        (lambda labels: labels.fill(1), "Implausible: disc is 100 % of the picture"),
        (lambda labels: np.minimum(labels, 1, out=labels), "rim "),
    ],
    ids=["nothing", "all", "no cup"],
)
def test_table_and_line_say_what_came_out(
    tmp_path: Path,
    picture: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[np.ndarray], None],
    said: str,
) -> None:
    as_labels(monkeypatch, change)
    out = tmp_path / "out"
    code, line, _ = run("segment", picture, "-c", MODEL, "-o", out, "--race", "white")
    assert code == 0
    row = row_of(out)
    head = ["id", "image", "file", "status", "headline", "outcome"]
    assert list(row)[:9] == [*head, "race", "severity", "model"]
    assert (row["status"], row["race"]) == ("segmented", "White")
    assert row["severity"] == "unknown"
    assert row["headline"].startswith(said)
    assert row["outcome"].startswith("segmented for race White")
    assert f"eye.labels.tif: {row['headline']}; {row['outcome']}" in line


def test_a_mask_that_is_kept_says_the_same(tmp_path: Path, picture: Path) -> None:
    out = tmp_path / "out"
    asked = "segment", picture, "-c", MODEL, "-o", out, "--race", "white"
    run(*asked)
    made = row_of(out)["headline"]
    assert made.startswith("rim ")
    code, said, _ = run(*asked, "--resume")
    assert code == 0
    assert "1 of 1 masks were there already" in said
    assert row_of(out)["headline"] == made


def test_the_mask_names_its_classes_and_is_stored_as_labels(
    tmp_path: Path, picture: Path
) -> None:
    out = tmp_path / "out"
    run("segment", picture, "-c", MODEL, "-o", out, "--race", "white")
    mask = out / "eye.labels.tif"
    assert tifffile.imread(mask).dtype == np.uint32
    assert stated_classes(mask) == ("background", "rim", "cup")
    assert read_labels(mask).data.max() == 2


def test_inspect_says_how_large_the_classes_were() -> None:
    _, said, _ = run("inspect", "fundus-phantom")
    assert "sizes         disc 0.27 % to 21 % of the picture (n = 1,359), rim" in said
    _, said, _ = run("inspect", "pelvis-phantom")
    assert "sizes         target 1.82–122 mL (n = 84)" in said
