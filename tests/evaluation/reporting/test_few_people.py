"""Reports of few people: which groups are hidden, and what else would tell of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_dmoe.evaluation.evaluating.scored import Evaluated
from napari_dmoe.evaluation.reporting.options import ReportOptions
from napari_dmoe.evaluation.reporting.report import ReportFiles, write_report
from napari_dmoe.patient import Patient

from evaluations import make_evaluated  # isort: skip

QUICK = ReportOptions(
    n_resamples=20, by=("race",), metrics=("dice", "hd95"), n_worst=2, date="2026-01-02"
)


def document(files: ReportFiles) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.json.read_text("utf-8"))
    return found


def region(files: ReportFiles, name: str) -> dict[str, Any]:
    """Return the Dice of a region."""
    regions = document(files)["models"][0]["regions"]
    own: dict[str, Any] = next(r for r in regions if r["region"] == name)
    return own


def few(n_few: int = 3) -> Evaluated:
    """Return cases of which few are of one race."""
    found = make_evaluated(60)
    races = ["Asian"] * n_few + ["Black"] * (25 - n_few) + ["White"] * 35
    cases = [
        replace(case, patient=Patient(race=race))
        for case, race in zip(found, races, strict=True)
    ]
    return replace(found, cases=tuple(cases))


def test_small_groups_and_what_gives_them_away_are_hidden(tmp_path: Path) -> None:
    files = write_report(few(), tmp_path, options=QUICK.model_copy(update={"by": None}))
    groups = [g for g in region(files, "rim")["groups"] if g["attribute"] == "race"]
    assert [(g["value"], g["is_hidden"]) for g in groups] == [
        ("Asian", True),
        ("Black", True),
        ("White", False),
    ]
    assert groups[0]["n"] is groups[0]["mean"] is groups[1]["n"] is None
    assert region(files, "rim")["gap"] is None
    assert region(files, "rim")["worst_group"] is None, "one alone is not the worst"
    with files.csv.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["value"] in ("Asian", "Black")]
    assert rows
    assert all(not r["n"] and not r["mean"] and not r["low"] for r in rows)
    page = files.html.read_text("utf-8")
    assert "Asian (3)" not in page
    assert "n 3<" not in page
    assert any("fewer than 5 cases are hidden" in notice for notice in files.notices)


def test_rare_words_of_a_column_and_days_are_not_told(tmp_path: Path) -> None:
    found = make_evaluated(60)
    cases = [
        replace(
            case,
            further={
                "origin": "Rarotonga" if n == 7 else "AB"[n % 2],
                "seen": f"2021-03-{1 + n % 9:02d}",
            },
        )
        for n, case in enumerate(found)
    ]
    options = QUICK.model_copy(update={"by": None})
    files = write_report(replace(found, cases=tuple(cases)), tmp_path, options=options)
    for path in (files.html, files.csv, files.json):
        text = path.read_text("utf-8")
        assert "Rarotonga" not in text
        assert "2021-03" not in text
    groups = [g for g in region(files, "rim")["groups"] if g["attribute"] == "origin"]
    assert [(g["value"], g["is_hidden"]) for g in groups][-1] == ("others", True)
    asked = QUICK.model_copy(update={"by": ("seen",)})
    again = write_report(replace(found, cases=tuple(cases)), tmp_path, options=asked)
    assert "2021-03" in again.json.read_text("utf-8")


def test_small_groups_are_shown_where_that_is_asked_for(tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"small_cells": True, "by": ("race",)})
    files = write_report(few(), tmp_path, options=options)
    groups = region(files, "rim")["groups"]
    assert groups[0]["n"] == 3
    assert any("may be known again" in notice for notice in files.notices)


def test_groupings_with_hidden_cells_are_not_compared_and_named(tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"by": ("race", "centre")})
    told = document(write_report([few(), few()], tmp_path, options=options))
    compared = told["comparisons"][0]
    assert {row["grouping"] for row in compared["rows"]} == {"all", "centre"}
    assert any("by race they are not compared" in note for note in compared["notes"])


def test_few_cases_that_both_models_have_are_not_told(tmp_path: Path) -> None:
    first, second = make_evaluated(60), make_evaluated(60, seed=2, title="other")
    races = dict.fromkeys(c.patient.race for c in first if c.patient.race)
    rare = [c.number for c in first if c.patient.race == next(iter(races))][3:]
    second = replace(
        second,
        cases=tuple(
            replace(c, scores=(), status="failed") if c.number in rare else c
            for c in second
        ),
    )
    files = write_report([first, second], tmp_path / "hidden", options=QUICK)
    rows = document(files)["comparisons"][0]["rows"]
    assert [row["grouping"] for row in rows] == ["all", "all"]
    shown = QUICK.model_copy(update={"small_cells": True})
    files = write_report([first, second], tmp_path / "shown", options=shown)
    assert min(r["n"] for r in document(files)["comparisons"][0]["rows"]) < 5
