"""Real sets are measured as they should be; shown on phantoms laid out like them."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

import plain_unet
import real_figures
import real_images
import real_page
import real_sets
from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.tables.rows import CohortRow
from napari_dmoe.evaluation.evaluating.scored import (
    Evaluated,
    EvaluationFacts,
    ScoredCase,
)
from napari_dmoe.evaluation.scoring.mask_pair import Presence
from napari_dmoe.evaluation.scoring.metrics import Score
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient
from napari_dmoe.phantoms.kinds import KINDS

SEX = CardAttribute(name="sex", values=("female", "male"))
AGE = CardAttribute(name="age", values=("young", "old"), edges=(40.0,), unit="years")
N = 6


def write_set(folder: Path, n: int = N) -> None:
    """Write phantoms of skin as ISIC's photographs are laid out."""
    lines = ["image_id,age,sex"]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, case in enumerate(KINDS["skin"].cohort(n, seed=3)):
        name = f"ISIC_{number:07}"
        iio.imwrite(folder / "images" / f"{name}.jpg", np.asarray(case.image.data))
        mask = (np.asarray(case.labels.data) > 0) * np.uint8(255)
        iio.imwrite(folder / "masks" / f"{name}.png", mask)
        age = "" if number == 0 else f"{case.patient.age:g}"
        lines.append(f"{name},{age},{('female', 'male')[number % 2]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def write_held_out(path: Path, numbers: range) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "sex"])
        writer.writerows([f"ISIC_{number:07}.jpg", ""] for number in numbers)
    return path


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    write_set(folder / "isic2017")
    return folder


def cohort_of(patients: list[Patient]) -> Cohort:
    rows = (CohortRow(n, str(n), Path(), None, p) for n, p in enumerate(patients))
    return Cohort(tuple(rows))


def test_a_wrong_value_is_that_of_another_case_and_never_ones_own() -> None:
    sexes = ["male", *["female"] * 6]
    patients = [Patient(sex=sex, age=20 + 8 * n) for n, sex in enumerate(sexes)]
    found = real_sets.told_another(cohort_of(patients), [SEX, AGE])
    for row, own in zip(found.rows, patients, strict=True):
        assert row.patient.sex != own.sex
        assert AGE.category_of(row.patient) != AGE.category_of(own)
        assert row.patient.age in {p.age for p in patients}
    other = real_sets.told_another(cohort_of(patients), [SEX])
    assert [row.patient.age for row in other.rows] == [p.age for p in patients]
    with pytest.raises(CohortError, match="all cases have one sex"):
        real_sets.told_another(cohort_of(patients[1:]), [SEX])


def test_who_is_not_known_is_left_out_and_nothing_is_told_of_the_others() -> None:
    patients = [Patient(sex="female"), Patient(age=30), Patient(sex="male", age=50)]
    known = real_sets.known_of(cohort_of(patients), [SEX])
    assert [row.id for row in known.rows] == ["0", "2"]
    nothing = real_sets.told_nothing(known, [SEX])
    assert [row.patient.known() for row in nothing.rows] == [{}, {"age": 50.0}]


def test_some_of_a_set_are_the_same_every_time_and_only_what_may_be_taken(
    sets: Path, tmp_path: Path
) -> None:
    isic = real_sets.SETS["isic"]
    some = real_sets.open_set(sets, isic, number=4)
    assert len(some) == 4
    again = real_sets.open_set(sets, isic, number=4)
    assert [row.id for row in some.rows] == [row.id for row in again.rows]
    only = real_sets.held_out_of(write_held_out(tmp_path / "held.csv", range(2, 4)))
    held = real_sets.open_set(sets, isic, only=only)
    assert [row.image.stem for row in held.rows] == ["ISIC_0000002", "ISIC_0000003"]
    with pytest.raises(CohortError, match="none of the images"):
        real_sets.open_set(sets, isic, only=frozenset({"another"}))


def test_a_folder_without_a_table_is_paired_by_what_files_are_called(
    tmp_path: Path,
) -> None:
    picture, mask = np.zeros((8, 8, 3), np.uint8), np.eye(8, dtype=np.uint8)
    for name in ("images", "masks"):
        (tmp_path / "ph2" / name).mkdir(parents=True)
    for name in ("IMD1", "IMD2", "IMD3"):
        iio.imwrite(tmp_path / "ph2" / "images" / f"{name}.bmp", picture)
    for name in ("IMD1", "IMD3"):
        iio.imwrite(tmp_path / "ph2" / "masks" / f"{name}_lesion.bmp", mask)
    found = real_sets.open_set(tmp_path, real_sets.SETS["ph2"])
    assert [row.id for row in found.rows] == ["IMD1", "IMD3"]
    assert found.rows[1].labels.name == "IMD3_lesion.bmp"


def scored(dices: list[float], sexes: list[str], said: str = "") -> Evaluated:
    cases = tuple(
        ScoredCase(
            id=str(n),
            number=n,
            said=said if n == 0 else "",
            patient=Patient(sex=sex or None),
            scores=(Score("lesion", "dice", dice, Presence.BOTH),),
        )
        for n, (dice, sex) in enumerate(zip(dices, sexes, strict=True))
    )
    facts = EvaluationFacts(title="a model", source="model", metrics=("dice",))
    return Evaluated(cases, facts)


def test_figures_are_of_all_cases_and_of_every_group() -> None:
    dices = [0.2, 0.9, 0.8, 0.7, 0.9, 0.4, math.nan]
    sexes = ["female", "male", "female", "male", "male", "", "male"]
    unlike = "for this model, the image is unlike the images it was trained on: far"
    found = real_figures.figures(scored(dices, sexes, unlike), "lesion", ("sex", "age"))
    assert found["n"] == 6
    assert found["mean"] == pytest.approx(3.9 / 6)
    assert found["low"] < found["mean"] < found["high"]
    assert found["median"] == pytest.approx(0.75)
    assert found["lost"] == pytest.approx(2 / 6)
    assert found["unlike"] == pytest.approx(1 / 7)
    (female, male) = found["groups"]["sex"]
    assert (female["name"], female["n"], female["lost"]) == ("female", 2, 0.5)
    assert male["mean"] == pytest.approx(2.5 / 3)


def test_changed_pixels_are_counted_in_the_image_and_in_the_region(
    tmp_path: Path,
) -> None:
    one, other = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    one[:4, :4], other[:4, 2:6] = 1, 1
    other[9, 9] = 2
    paths = []
    for name, mask in (("one", one), ("other", other)):
        iio.imwrite(tmp_path / f"{name}.png", mask)
        paths.append(tmp_path / f"{name}.png")
    a, b = (ScoredCase("x", 0, prediction=path) for path in paths)
    assert real_figures.changed_pixels(a, b, (1,)) == pytest.approx((0.16, 16 / 24))
    assert real_figures.changed_pixels(a, b, (1, 2)) == pytest.approx((0.17, 17 / 25))
    without = replace(a, prediction=None)
    assert all(map(math.isnan, real_figures.changed_pixels(without, b, (1,))))


def test_a_bundled_model_is_measured_and_the_page_says_so(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [str(sets), "--sets", "isic", "--model", "skin-phantom", "--number", "5"]
    asked += ["--work", str(tmp_path / "work"), "--docs", str(tmp_path / "docs")]
    real_images.main(asked)
    found = json.loads(capsys.readouterr().out)
    (row,) = found["figures"]
    assert (row["set"], row["region"], row["n"]) == ("ISIC 2017", "lesion", 5)
    assert row["licence"] == "CC0 1.0"
    assert row["mean"] > 0.8  # phantoms are what it was trained on
    drivers = [each["driver"] for each in found["sensitivity"]]
    assert drivers == ["sex", "age", "sex and age"]
    for each in found["sensitivity"]:
        assert each["wrong"]["mean"] == pytest.approx(
            each["right"] - each["wrong"]["loss"]
        )
        assert 0 < each["wrong"]["of_mask"] < 1
        assert each["wrong"]["pixels"] < each["wrong"]["of_mask"]
    assert all(each["unlike"] > 0.9 for each in found["others"])
    page = (tmp_path / "docs" / "real-images.md").read_text()
    assert str(tmp_path) not in page
    assert f"| ISIC 2017 | skin-phantom | lesion | 5 | {row['mean']:.3f}" in page
    assert "--sets isic --model skin-phantom --number 5" in page
    assert json.loads((tmp_path / "docs" / "real-images.json").read_text()) == found


def test_of_a_set_that_a_model_learned_only_the_held_out_part_is_measured(
    sets: Path, tmp_path: Path
) -> None:
    isic = real_sets.SETS["isic"]
    model = real_figures.Measured("skin-isic2017", "skin", tmp_path)
    asked = real_images.options().parse_args([str(sets)])
    with pytest.raises(CohortError, match="name what its run held out"):
        real_images.opened(model, "isic", isic, asked)
    held_out = write_held_out(tmp_path / "held_out.csv", range(1, 3))
    asked = real_images.options().parse_args([str(sets), "--held-out", str(held_out)])
    cohort, part = real_images.opened(model, "isic", isic, asked)
    assert (len(cohort), part) == (2, "held out")
    other = replace(model, name="skin-phantom")
    assert len(real_images.opened(other, "isic", isic, asked)[0]) == N


def test_words_around_the_figures_stay(tmp_path: Path) -> None:
    found = {"commands": ["one"], "figures": [], "sensitivity": [], "others": []}
    found["first_mask"] = []
    page = tmp_path / real_page.PAGE
    page.write_text(f"Before.\n{real_page.BEGIN}\nold\n{real_page.END}\nAfter.\n")
    real_page.write(tmp_path, found)
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "`one`" in text
    assert "old" not in text
    page.write_text("Nothing.")
    with pytest.raises(ValueError, match="no marks"):
        real_page.write(tmp_path, found)


def test_figures_of_other_sets_stay_and_their_own_are_replaced(tmp_path: Path) -> None:
    def row(model: str, of: str, mean: float) -> dict[str, object]:
        return {"model": model, "set": of, "mean": mean}

    empty: dict[str, list[object]] = {"sensitivity": [], "others": [], "first_mask": []}
    earlier = [row("a", "x", 0.1), row("a", "y", 0.2), row("b", "x", math.nan)]
    there = {"commands": ["one"], **empty, "figures": earlier}
    text = json.dumps(real_page.in_json(there))
    (tmp_path / real_page.FIGURES).write_text(text)
    new = {"figures": [row("a", "x", 0.9)], "seconds": 1}
    found = {"commands": ["two"], **empty, **new}
    whole = real_page.with_earlier(tmp_path, found)
    assert whole["commands"] == ["one", "two"]
    assert whole["seconds"] == 1
    shown = [(each["model"], each["set"]) for each in whole["figures"]]
    assert shown == [("a", "y"), ("b", "x"), ("a", "x")]
    means = [each["mean"] for each in whole["figures"]]
    assert means == [0.2, pytest.approx(math.nan, nan_ok=True), 0.9]


def test_the_plain_network_learns_what_was_not_held_out_and_is_scored_beside(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held_out = write_held_out(tmp_path / "held_out.csv", range(4, N))
    before = torch.get_num_threads()
    asked = [str(sets), "--held-out", str(held_out), "--out", str(tmp_path / "unet")]
    asked += ["--sets", "isic", "--seconds", "1", "--threads", "1"]
    try:
        plain_unet.main(asked)
    finally:
        torch.set_num_threads(before)
    found = json.loads(capsys.readouterr().out)
    training = found["training"]
    assert training["trained_on"].startswith("4 photographs")
    assert training["parameters"] == 1_625_737
    assert training["steps"] >= 1
    assert found["masks"] == {"isic": 2}
    masks = tmp_path / "unet" / "masks"
    written = iio.imread(masks / "isic" / "ISIC_0000004.png")
    assert written.shape == iio.imread(sets / "isic2017/masks/ISIC_0000004.png").shape
    assert set(np.unique(written)) <= {0, 255}
    asked = [str(sets), "--sets", "isic", "--model", "skin-phantom"]
    asked += ["--masks", f"plain-unet={masks}", "--no-attributes"]
    asked += ["--held-out", str(held_out), "--work", str(tmp_path / "work")]
    asked = real_images.options().parse_args(asked)
    models = {each.name: each for each in real_images.models_of(asked)}
    cohort, part = real_images.opened(
        models["plain-unet"], "isic", real_sets.SETS["isic"], asked
    )
    run = models["plain-unet"].run(cohort, "isic")
    assert part == "held out"
    assert [case.status for case in run] == ["scored"] * 2
    assert models["plain-unet"].trained_on == training["trained_on"]
    assert math.isnan(real_figures.figures(run, "lesion")["unlike"])
