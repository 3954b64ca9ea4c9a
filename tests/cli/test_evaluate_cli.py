"""``napari-dmoe evaluate``: what it prints, writes, and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import run
from evaluation_runs import write_skin

from napari_dmoe.cli import outcome
from napari_dmoe.evaluation.evaluating import evaluate as evaluating
from napari_dmoe.evaluation.evaluating.case_table import read_evaluated
from napari_dmoe.evaluation.evaluating.journal import JOURNAL

MODEL = ("--checkpoint", "skin-phantom", "--device", "cpu")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_skin(tmp_path / "cohort", n=3)


def test_a_cohort_is_scored_and_summed_up(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, said, errors = run("evaluate", table, *MODEL, "--output", out)
    assert code == 0, errors
    assert "3 of 3 cases scored" in said
    assert "lesion Dice: mean 0." in said
    assert "lesion HD95 (px): mean" in said
    assert "lesion Absolute volume difference (px): mean" in said
    assert "sex unknown (2 values mixed)" in errors
    assert errors.count("cases that share lesion_id") == 1
    found = read_evaluated(out)
    assert [case.id for case in found] == ["im0.png", "im1.png", "im2.png"]
    assert found[0].prediction.is_file()


def test_json_is_one_document(table: Path, tmp_path: Path) -> None:
    how = ("--no-masks", "--batch", 2, "--convention", "reference", "--json")
    code, said, _ = run("evaluate", table, *MODEL, "-o", tmp_path / "out", *how)
    assert code == 0
    facts = json.loads(said)
    assert facts["n_cases"] == 3
    assert facts["statuses"] == {"scored": 3}
    assert facts["evaluation"]["convention"] == "reference"
    assert facts["evaluation"]["settings"]["batch"] == 2
    dice = next(r for r in facts["regions"] if r["metric"] == "dice")
    assert dice["region"] == "lesion"
    assert dice["n"] == 3
    assert not (tmp_path / "out" / "masks").exists()


def test_what_failed_is_said_at_the_end(table: Path, tmp_path: Path) -> None:
    whole = (table.parent / "im1.png").read_bytes()
    (table.parent / "im1.png").write_bytes(whole[: len(whole) // 2])
    code, said, errors = run("evaluate", table, *MODEL, "-o", tmp_path / "out")
    assert code == outcome.BAD_INPUT
    assert "2 of 3 cases scored" in said
    last = errors.strip().splitlines()[-1]
    assert last.startswith("napari-dmoe: im1.png: ")
    assert "cannot be read" in last
    assert "Traceback" not in errors


def test_problems_are_told_first_and_can_be_skipped(
    table: Path, tmp_path: Path
) -> None:
    (table.parent / "im1.png").unlink()
    out = tmp_path / "out"
    code, said, errors = run("evaluate", table, *MODEL, "-o", out)
    assert code == outcome.BAD_INPUT
    assert said == ""
    assert "problem: row 3, image: expected" in errors
    assert "im1.png" in (out / "problems.csv").read_text()
    code, said, errors = run("evaluate", table, *MODEL, "-o", out, "--skip-problems")
    assert code == 0, errors
    assert "2 of 2 cases scored" in said
    assert "1 row was left out" in errors


def test_a_whole_evaluation_is_kept_unless_it_is_to_be_replaced(
    table: Path, tmp_path: Path
) -> None:
    call = ("evaluate", table, *MODEL, "-o", tmp_path / "out")
    assert run(*call)[0] == 0
    first = (tmp_path / "out" / "evaluation.json").read_text()
    code, _, errors = run(*call)
    assert code == outcome.BAD_INPUT
    assert "holds another evaluation" in errors
    code, said, _ = run(*call, "--resume")
    assert code == 0
    assert "3 of 3 cases scored" in said
    assert (tmp_path / "out" / "evaluation.json").read_text() == first
    assert run(*call, "--overwrite")[0] == 0


def test_interrupted_it_ends_with_130_and_is_gone_on_with(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, out = evaluating.Journal.add, tmp_path / "out"

    def interrupted(self: evaluating.Journal, batch: object) -> None:
        true(self, batch)
        raise KeyboardInterrupt

    call = ("evaluate", table, *MODEL, "-o", out, "--batch", 2)
    with monkeypatch.context() as patch:
        patch.setattr(evaluating.Journal, "add", interrupted)
        code, _, errors = run(*call)
    assert code == 130
    assert errors.strip().splitlines()[-1] == "napari-dmoe: interrupted"
    assert (out / JOURNAL).is_file()
    code, said, _ = run(*call)
    assert code == 0
    assert "3 of 3 cases scored" in said


def test_masks_of_any_model_are_scored_without_a_checkpoint(
    table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("evaluate", table, *MODEL, "-o", out)[0] == 0
    ours = read_evaluated(out)
    code, _, errors = run(
        *("evaluate", table, "--predictions", out / "masks"),
        *("-o", tmp_path / "again", "--classes", "background,lesion"),
    )
    assert code == 0, errors
    again = read_evaluated(tmp_path / "again")
    assert again.facts.source == "predictions"
    for one, other in zip(ours, again, strict=True):
        dice = one.score("lesion", "dice").value
        assert other.score("lesion", "dice").value == pytest.approx(dice, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "there is nothing to evaluate: give a model by --checkpoint"),
        ((*MODEL, "--predictions", "masks"), "give one of them"),
        ((*MODEL, "--classes", "a,b"), "--classes is for --predictions"),
        ((*MODEL, "--convention", "strict"), "strict"),
        ((*MODEL, "--scored-at", "home"), "home"),
        ((*MODEL, "--batch", "0"), "batch"),
        ((*MODEL, "--layout", "dicom"), "dicom"),
        ((*MODEL, "--column", "sex"), "NAME=MEANING"),
        (("--checkpoint", "nobody"), "no such file"),
    ],
)
def test_bad_options_are_one_clear_line(
    table: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    code, said, errors = run("evaluate", table, "-o", tmp_path / "out", *options)
    assert code == outcome.BAD_INPUT
    assert said == ""
    lines = [line for line in errors.splitlines() if line.startswith("napari-dmoe: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out" / "cases.csv").exists()
