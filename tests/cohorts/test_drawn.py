"""Phantoms on disk are known again by their files, and no other picture is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_dmoe.cli import app
from napari_dmoe.cohorts.datasets import Cohort, read_cohort
from napari_dmoe.cohorts.drawn import DRAWN
from napari_dmoe.cohorts.writing import write_cohort
from napari_dmoe.imaging.files import write_tiff
from napari_dmoe.phantoms.fundus.cohort import fundus_race_case
from napari_dmoe.phantoms.kinds import KINDS
from napari_dmoe.phantoms.samples import (
    sample_ct,
    sample_fundus,
    sample_mr,
    sample_pelvis,
    sample_skin,
)

SMALL = {"size": (48, 48)}


def kinds(table: Path) -> list[str | None]:
    return [case.phantom for case in read_cohort(table)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    cases = KINDS["skin"].cohort(3, seed=4, **SMALL)
    return write_cohort(tmp_path / "drawn", cases)


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawn_case_knows_its_kind(kind: str) -> None:
    size = {"shape": (12, 40, 48)} if kind == "pelvis" else SMALL
    (case,) = KINDS[kind].cohort(1, seed=0, **size)
    assert case.phantom == kind


def test_fundi_drawn_by_other_factors_are_of_no_kind() -> None:
    factors = {"Asian": 0.5, "Black": 1.0, "White": 2.0}
    assert fundus_race_case(0, 0, **SMALL, disc_factors=factors).phantom is None


def test_phantoms_are_known_again_from_disk(table: Path) -> None:
    assert kinds(table) == ["skin"] * 3
    assert read_cohort(table).title == "cohort.csv"


def test_the_command_writes_cohorts_that_say_so(tmp_path: Path) -> None:
    said = CliRunner().invoke(
        app, ["phantoms", str(tmp_path / "eyes"), "--kind", "fundus-race", "-n", "1"]
    )
    assert said.exit_code == 0
    assert kinds(tmp_path / "eyes") == ["fundus-race"]


def test_a_picture_put_among_phantoms_is_none(table: Path) -> None:
    images = sorted((table.parent / "images").iterdir())
    write_tiff(images[1], np.zeros((48, 48, 3), np.uint8), axes="yxc")
    assert kinds(table) == ["skin", None, "skin"]


def test_phantoms_are_known_in_another_table_and_under_another_name(
    table: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(table.parent, moved)
    (moved / "images/00000.tif").rename(moved / "images/patient.tif")
    (tmp_path / "mixed.csv").write_text("image\nmoved/images/patient.tif\nreal.tif\n")
    write_tiff(tmp_path / "real.tif", np.zeros((48, 48), np.uint8), axes="yx")
    assert kinds(tmp_path / "mixed.csv") == ["skin", None]


def test_phantoms_without_their_list_are_not_known(table: Path) -> None:
    (table.parent / DRAWN).unlink()
    assert kinds(table) == [None] * 3


def test_cases_that_are_no_phantoms_are_written_without_a_list(tmp_path: Path) -> None:
    drawn = next(KINDS["skin"].cohort(1, seed=0, **SMALL))
    real = type(drawn)(drawn.id, drawn.image, drawn.labels, drawn.patient)
    table = write_cohort(tmp_path / "real", [real])
    assert not (table.parent / DRAWN).exists()
    assert kinds(table) == [None]


@pytest.mark.parametrize("text", ["", "[]", '{"images": {"a": 1}}', '{"images": 7}'])
def test_a_damaged_list_names_no_phantom_and_is_told(
    table: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (table.parent / DRAWN).write_text(text)
    assert kinds(table) == [None] * 3
    assert "phantoms.json beside the images is no list of phantoms" in caplog.text


def test_the_samples_that_are_drawn_say_so() -> None:
    drawn = (sample_fundus(), sample_skin(2), sample_pelvis(1))
    assert [case.phantom for case in drawn] == ["fundus", "skin", "pelvis"]
    assert sample_ct().phantom is sample_mr().phantom is None


def test_a_slice_of_a_cohort_keeps_its_title(table: Path) -> None:
    part = read_cohort(table)[:2]
    assert isinstance(part, Cohort)
    assert part.title == "cohort.csv"


def altered(table: Path) -> list[bool]:
    return [case.is_altered for case in read_cohort(table)]


def test_other_labels_or_patients_alter_a_phantom(table: Path) -> None:
    assert altered(table) == [False] * 3
    labels = sorted((table.parent / "labels").iterdir())
    write_tiff(labels[1], np.ones((48, 48), np.uint8), axes="yx")
    header, *rows = table.read_text().splitlines()
    sexes = {"female": "male", "male": "female"}
    cells = dict(zip(header.split(","), rows[2].split(","), strict=True))
    cells["sex"] = sexes[cells["sex"]]
    table.write_text("\n".join([header, *rows[:2], ",".join(cells.values())]))
    assert kinds(table) == ["skin"] * 3
    assert altered(table) == [False, True, True]
    again = write_cohort(table.parent / "again", read_cohort(table))
    assert kinds(again) == ["skin"] * 3
    assert altered(again) == [False, True, True]


def test_what_is_left_out_of_a_table_alters_nothing(table: Path) -> None:
    part = table.with_name("part.csv")
    part.write_text("image\nimages/00002.tif\n")
    assert kinds(part) == ["skin"]
    assert altered(part) == [False]


def test_a_list_of_images_alone_alters_nothing(table: Path) -> None:
    path = table.parent / DRAWN
    images = json.loads(path.read_text())["images"]
    path.write_text(json.dumps({"images": images}))
    assert kinds(table) == ["skin"] * 3
    assert altered(table) == [False] * 3
    path.write_text(json.dumps({"images": images, "patients": _of_nobody(images)}))
    assert altered(table) == [True] * 3


def _of_nobody(images: dict[str, str]) -> dict[str, dict[str, float]]:
    return {key: {"age": -5.0} for key in images}
