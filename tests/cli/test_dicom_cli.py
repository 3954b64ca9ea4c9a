"""DICOM on the command line: series as images, and whom their headers tell of."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_runs import run

pytest.importorskip("pydicom")
from dicom_files import WHO, write, write_series

from napari_dmoe.imaging.files import read_image, read_labels

SHAPE = (3, 48, 40)
VOLUME = np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.int16)


@pytest.fixture
def age_net(tiny_checkpoint: Callable[..., Path]) -> list[object]:
    """Return the options that name a tiny network driven by age."""
    return ["--checkpoint", tiny_checkpoint(5, 2), "--card", "ham10000-age"]


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3)).astype(np.uint8)
    who = {"PatientAge": "063Y", "PatientSex": "F", "EthnicGroup": "CAUCASIAN"}
    return write(tmp_path / "skin.dcm", pixels, Modality="XC", **who, **WHO)


def test_what_is_not_given_comes_from_the_header_and_is_told_by_name(
    tmp_path: Path, photograph: Path, age_net: list[object]
) -> None:
    out = tmp_path / "out"
    code, said, errors = run("segment", photograph, *age_net, "-o", out)
    assert code == 0
    notice = "sex and age are taken from the DICOM header ('unknown' leaves one out)"
    assert f"notice: {notice}" in errors
    assert "segmented for age 60-79" in said
    record = (out / "skin.labels.json").read_text()
    assert '"60-79"' in record
    private = [*WHO.values(), "CAUCASIAN", "063Y", "63.0", "female", "1.2.826"]
    written = [p.read_bytes() for p in out.iterdir() if p.suffix != ".csv"]
    for value in private:
        assert not any(value.encode() in content for content in written)
        assert value not in said + errors
    table = (out / "segment.csv").read_text()
    assert not [value for value in (*WHO.values(), "CAUCASIAN") if value in table]


def test_what_is_given_wins(
    tmp_path: Path, photograph: Path, age_net: list[object]
) -> None:
    out = tmp_path / "out"
    given = ["--age", "30", "--sex", "unknown"]
    code, said, errors = run("segment", photograph, *age_net, "-o", out, *given)
    assert code == 0
    assert "taken from" not in errors
    assert "segmented for age 20-39" in said


def test_a_sweep_takes_it_from_the_header_too(
    tmp_path: Path, photograph: Path, age_net: list[object]
) -> None:
    arguments = [photograph, *age_net, "--attribute", "age", "-o", tmp_path / "out"]
    code, _, errors = run("sweep", *arguments)
    assert code == 0
    assert "notice: sex and age are taken from the DICOM header" in errors


def test_a_table_names_series_by_their_folders(
    tmp_path: Path, race_net: list[object]
) -> None:
    for n in range(2):
        write_series(tmp_path / f"p{n}", VOLUME + n, PatientSex="F")
    (tmp_path / "cohort.csv").write_text("image,race\np0,Asian\np1/IM0001.dcm,\n")
    out = tmp_path / "out"
    code, _, errors = run("segment", tmp_path, *race_net, "-o", out)
    assert code == 0, errors
    assert "taken from" not in errors  # a blank cell means unknown
    with (out / "segment.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["segmented"] * 2
    mask = read_labels(out / rows[0]["labels"])
    assert mask.data.shape == SHAPE
    assert mask.spacing == pytest.approx(read_image(tmp_path / "p0").spacing)
    record = json.loads((out / rows[0]["record"]).read_text())
    assert record["image"]["axes"] == ["z", "y", "x"]


def test_several_images_of_a_file_are_a_clear_error(
    tmp_path: Path, race_net: list[object]
) -> None:
    for n in range(2):
        write_series(tmp_path / "study" / f"s{n}", VOLUME, SeriesNumber=n)
    (tmp_path / "cohort.csv").write_text("image\nstudy\n")
    code, _, errors = run("segment", tmp_path, *race_net, "-o", tmp_path / "out")
    assert code == 2
    assert "study holds 2 images: CT, series 0, 3 slices of 48 x 40" in errors
    assert "Name one of them by any of its files" in errors


def test_series_are_evaluated_with_series_as_their_truth(tmp_path: Path) -> None:
    shape = (16, 32, 32)
    scan = np.random.default_rng(0).integers(-100, 200, shape).astype(np.int16)
    truth = np.zeros(shape, np.int16)
    truth[4:12, 8:24, 8:24] = 1
    write_series(tmp_path / "p" / "ct", scan)
    write_series(tmp_path / "p" / "seg", truth)
    (tmp_path / "cohort.csv").write_text("image,labels,severity\np/ct,p/seg,T2\n")
    arguments = ["--checkpoint", "pelvis-phantom", "--output", tmp_path / "out"]
    code, said, errors = run("evaluate", tmp_path, *arguments)
    assert code == 0, errors
    assert said.startswith("1 of 1 cases scored")
    assert "HD95 (mm)" in said
