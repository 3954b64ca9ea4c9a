"""``inspect`` and ``phantoms`` of cohorts in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import run
from layouts import archive, fairseg, ham


def test_inspect_tells_layout_and_problems(tmp_path: Path) -> None:
    fairseg(tmp_path, test=["data_00001.npz", "data_00009.npz"])
    archive(tmp_path / "FairSeg" / "data_00001.npz", pickled=["language"])
    code, said, _ = run("inspect", str(tmp_path), "--list", "test.txt")
    assert code == 0
    assert "layout        fairseg: test.txt" in said
    assert "problem       row 2, name: expected the name of an archive" in said
    assert "language is unknown: it is stored as a pickled object" in said


def test_inspect_prints_json_without_patients(tmp_path: Path) -> None:
    ham(tmp_path, "A,HAM10000_images/A.jpg,M,17,back", "B,HAM10000_images/B.jpg,F,0,")
    code, said, _ = run("inspect", str(tmp_path), "--json")
    assert code == 0
    facts = json.loads(said)
    assert (facts["layout"], facts["n_cases"], facts["n_truths"]) == ("ham10000", 1, 1)
    (problem,) = facts["problems"]
    assert (problem["row"], problem["column"]) == (2, "Age_multi")
    assert problem["value"] == ""


def test_inspect_of_a_table_says_its_layout(tmp_path: Path) -> None:
    run("phantoms", str(tmp_path / "skin"), "--kind", "skin", "-n", "2")
    code, said, _ = run("inspect", str(tmp_path / "skin"))
    assert code == 0
    assert said.startswith("layout        folder")


@pytest.mark.parametrize(
    "arguments", [("--column", "race=group"), ("--checkpoint", "fundus-phantom")]
)
def test_known_layouts_take_no_columns(
    tmp_path: Path, arguments: tuple[str, str]
) -> None:
    code, _, said = run("inspect", str(fairseg(tmp_path)), *arguments)
    assert code == 2
    assert "this layout is known" in said


def test_phantoms_are_written_in_a_layout(tmp_path: Path) -> None:
    where = tmp_path / "eyes"
    options = ["--layout", "fairseg", "--kind", "fundus-race", "-n", "2"]
    code, said, _ = run("phantoms", str(where), *options)
    assert code == 0
    assert "test.txt" in said
    code, said, _ = run("inspect", str(where))
    assert code == 0
    assert "cases         2, 2 with an image" in said


def test_phantoms_that_a_layout_does_not_hold_are_refused(tmp_path: Path) -> None:
    code, _, said = run("phantoms", str(tmp_path / "x"), "--layout", "ham10000")
    assert code == 2
    assert "does not hold fundus phantoms" in said
