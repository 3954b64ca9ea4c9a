"""``napari-dmoe report``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_dmoe.evaluation.evaluating.case_table import write_evaluated

from cli_runs import run  # isort: skip
from evaluations import make_evaluated  # isort: skip

PUBLISHED = Path(__file__).parents[1] / "data" / "published_results"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as evaluate leaves it."""
    folder = tmp_path_factory.mktemp("evaluated")
    write_evaluated(folder, make_evaluated(30, regions=("rim",)))
    return folder


def test_it_writes_three_files_and_says_the_worst_group(tmp_path: Path) -> None:
    code, said, _ = run("report", PUBLISHED / "ham10000", "--output", tmp_path)
    assert code == 0
    assert "Dice of the lesion 0.792" in said
    assert "worst for 1 (0.451, n 2)" in said
    assert "ES 0.425 in the sum form" in said
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html", "report.csv", "report.json"}


def test_a_card_names_the_groups(tmp_path: Path) -> None:
    code, said, _ = run(
        "report", PUBLISHED / "fairseg", "--card", "fairseg-race", "-o", tmp_path
    )
    assert code == 0
    assert "by race, worst for White" in said


def test_json_is_the_report(tmp_path: Path, evaluated: Path) -> None:
    code, said, _ = run(
        "report", evaluated, "-o", tmp_path, "--json", "--by", "race", "--title", "T"
    )
    assert code == 0
    told = json.loads(said)
    assert told == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert told["title"] == "T"


def test_bands_and_crossed_groups_are_as_they_are_asked_for(
    tmp_path: Path, evaluated: Path
) -> None:
    code, said, _ = run(
        "report", evaluated, "-o", tmp_path, "--json", "--small-cells",
        "--by", "sex,age:40,60", "--cross", "race,sex",
    )  # fmt: skip
    assert code == 0
    regions = json.loads(said)["models"][0]["regions"]
    assert [by["attribute"] for by in regions[0]["by"]] == ["sex", "age", "race x sex"]
    ages = [g["value"] for g in regions[0]["groups"] if g["attribute"] == "age"]
    assert ages == ["under 40", "40-59", "60 and over"]


def test_the_cases_alone_are_enough(tmp_path: Path, evaluated: Path) -> None:
    alone = tmp_path / "cases.csv"
    alone.write_bytes((evaluated / "cases.csv").read_bytes())
    code, said, _ = run("report", alone, "-o", tmp_path / "out", "--by", "race")
    assert code == 0
    assert "by race, worst for Black" in said


def test_what_the_files_hold_of_people_is_said(tmp_path: Path, evaluated: Path) -> None:
    code, _, errors = run(
        "report", evaluated, "-o", tmp_path, "--by", "race", "--identifiers",
        "--small-cells",
    )  # fmt: skip
    assert code == 0
    assert "holds the identifiers of the cohort's cases" in errors
    assert "people in them may be known again" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing"], "missing: there is no such folder or table"),
        ([PUBLISHED], "holds nothing to report: expected cases.csv of evaluate"),
        ([PUBLISHED / "fairseg", "--card", "nobody"], "there is no card 'nobody'"),
        ([PUBLISHED / "fairseg", "--by", "shoe size"], "no case states 'shoe_size'"),
        ([PUBLISHED / "fairseg", "--by", "age:70,60"], "must begin at rising numbers"),
        ([PUBLISHED / "fairseg", "--convention", "ours"], "an option cannot be used"),
        ([PUBLISHED / "fairseg", "--cross", "category"], "two attributes or more"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, arguments: list[object], said: str
) -> None:
    code, _, errors = run("report", *arguments, "-o", tmp_path / "out")
    assert code == 2
    assert said in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
