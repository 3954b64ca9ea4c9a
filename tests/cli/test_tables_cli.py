"""Tables as they were published, from the command line: ``--column``, ``inspect``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import run
from training_cases import SEVERITY, square, tiny_model

from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.models.saving import save_checkpoint

RNG = np.random.default_rng(0)
LINES = "image_id,lesion_id,dx,sex", "a,L1,nv,F", "b,L1,mel,M", "gone,L2,nv,M"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder as it was downloaded: a table, images, masks, one file more."""
    here = tmp_path / "published"
    for name in ("images/a.tif", "images/b.tif", "images/z.tif", "masks/a.tif"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        mask = (pixels[..., 0] > 128).astype(np.uint8)
        is_mask = name.startswith("masks")
        write_tiff(here / name, mask if is_mask else pixels, axes="yxc"[: 3 - is_mask])
    (here / "metadata.csv").write_text("\n".join(LINES))
    return here


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "start.safetensors", tiny_model())
    return tmp_path / "start.safetensors"


def outcomes(folder: Path) -> dict[str, str]:
    with (folder / "segment.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["image"]: row["outcome"] for row in csv.DictReader(file)}


def test_a_folder_as_it_was_downloaded_is_segmented(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    begin = ("segment", folder, "--checkpoint", "skin-phantom")
    code, _, told = run(*begin, "--output", out)
    assert code == 0, told
    assert "metadata.csv, the table of this folder" in told
    assert "1 row (4) left out, as there is no image of that name" in told
    assert "1 image of the folder without a row left out: z.tif" in told
    found = outcomes(out)
    assert list(found) == ["a", "b"]
    assert found["a"].startswith("segmented for sex female")


def test_files_without_a_row_are_segmented_if_wished(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    begin = ("segment", folder, "--checkpoint", "skin-phantom", "--unlisted")
    code, _, told = run(*begin, "--output", out)
    assert code == 0, told
    assert "without a row segmented as unknown patients: z.tif" in told
    found = outcomes(out)
    assert list(found) == ["a", "b", "z"]
    assert "sex unknown" in found["z"]


def test_a_column_is_what_the_option_says(folder: Path, tmp_path: Path) -> None:
    table, out = folder / "metadata.csv", tmp_path / "out"
    table.write_text(table.read_text().replace("sex", "group"))
    begin = ("segment", table, "--checkpoint", "skin-phantom", "--output", out)
    code, _, told = run(*begin, "--column", "group=sex", "--column", "dx=")
    assert code == 0, told
    assert "columns read: group as sex" in told
    assert outcomes(out)["b"].startswith("segmented for sex male")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["dx"], "--column needs NAME=MEANING, such as dx=severity"),
        (["dx=sex", "dx=age"], "--column gives dx two meanings"),
        (["dy=sex"], "metadata.csv: there is no column 'dy'"),
        (["dx=agee"], "there is no attribute 'agee': is age meant?"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_a_line(
    folder: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    out = tmp_path / "out"
    begin = ("segment", folder, "--checkpoint", "skin-phantom", "--output", out)
    code, _, told = run(*begin, *(x for o in options for x in ("--column", o)))
    assert (code, told.count("\n")) == (2, 1)
    assert said in told
    assert not out.exists()


def test_unlisted_is_of_tables_alone(folder: Path, tmp_path: Path) -> None:
    begin = ("segment", folder / "images", "--checkpoint", "skin-phantom")
    code, _, told = run(*begin, "--output", tmp_path / "out", "--unlisted")
    assert (code, told.count("\n")) == (2, 1)
    assert "images has no table" in told


def test_inspect_tells_what_a_table_is_read_as(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    code, out, told = run("inspect", folder, "--checkpoint", "skin-phantom")
    assert (code, told) == (0, "")
    for line in (
        "table         metadata.csv",
        "rows          3",
        "images        2 found, 1 of them with a truth",
        "not there     the images of 1 row",
        "without a row 1 image (see --unlisted): z.tif",
        "column        image_id: image, by what is in it; stated in 3 rows",
        "column        lesion_id: patient or lesion, by its name; stated in 3 rows",
        "column        dx: not used; stated in 3 rows",
        "column        sex: sex, by its name; stated in 3 rows; drives the model",
        "unknown       age, which drives the model: no column tells it",
    ):
        assert line in out.splitlines()
    assert "nv" not in out
    assert sorted(folder.rglob("*")) == before


def test_inspect_tells_it_as_json(folder: Path) -> None:
    stated = ("--column", "dx=severity", "--json")
    code, out, _ = run("inspect", folder / "metadata.csv", *stated)
    assert code == 0
    facts = json.loads(out)
    assert (facts["n_rows"], facts["n_images"], facts["n_truths"]) == (3, 2, 1)
    assert facts["unlisted"] == ["z.tif"]
    by_name = {column["name"]: column for column in facts["columns"]}
    assert by_name["dx"]["meaning"] == "severity"
    assert by_name["dx"]["how"] == "as you said"
    assert "examples" not in by_name["dx"]


def test_inspect_of_a_table_without_images_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("number,sex\n7,F\n")
    code, out, _ = run("inspect", tmp_path / "t.csv")
    assert code == 2
    assert "refused       t.csv has no column 'image'" in out
    assert "column        sex: sex, by its name; stated in 1 row" in out
    code, _, told = run("inspect", "skin-phantom", "--column", "dx=sex")
    assert (code, told.count("\n")) == (2, 1)


def published(folder: Path, cases: object) -> Path:
    """Write a cohort whose columns are called otherwise than what they mean."""
    table = write_cohort(folder, cases).parent / "cohort.csv"
    text = table.read_text(encoding="utf-8-sig")
    header, rest = text.split("\n", 1)
    header = header.replace("severity", "Grading").replace("labels", "Drawn")
    table.write_text(f"{header}\n{rest}")
    return folder


@pytest.mark.parametrize("guard_alone", [False, True])
def test_what_columns_mean_holds_for_cohort_and_guard(
    tmp_path: Path, checkpoint: Path, guard_alone: bool
) -> None:
    cases = [square(i, SEVERITY.values[i // 2 % 3]) for i in range(12)]
    cohort = published(tmp_path / "cohort", cases)
    others = [square(200 + i, SEVERITY.values[i % 3]) for i in range(6)]
    guard = published(tmp_path / "guard", others)
    if guard_alone:
        table = guard / "cohort.csv"
        table.write_text(table.read_text().replace("Grading", "Level"))
    stated = ["--column", "grading=severity", "--column", "Drawn=labels"]
    stated += ["--guard-column", "Level=severity"] if guard_alone else []
    out = ("--output", tmp_path / "o", "--epochs", 1, "--json")
    begin = ("fine-tune", checkpoint, cohort, "--guard", guard)
    code, said, told = run(*begin, *out, *stated)
    assert code == 0, told
    facts = json.loads(said)
    groups = {row["group"] for row in facts["report"]["guard"]}
    assert {f"severity={value}" for value in SEVERITY.values} <= groups
    assert "Grading as severity" in told
    assert json.loads((tmp_path / "o" / "task.json").read_text())["columns"] == {
        "grading": "severity",
        "Drawn": "labels",
    }
