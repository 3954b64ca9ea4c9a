"""What a tuning's report counts, and what it dares to say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from napari_dmoe.models.card import CardAttribute
from napari_dmoe.training.guarding.report import Change, TuningReport, changes
from napari_dmoe.training.guarding.scores import (
    CaseScore,
    Scores,
    remember,
    remembered,
)

SEX = CardAttribute(name="sex", values=("male", "female", "other"))


def scores(*rows: tuple[str, float]) -> list[CaseScore]:
    return [
        CaseScore(str(i), (f"sex={sex}",), {"cup": dice})
        for i, (sex, dice) in enumerate(rows)
    ]


def report(*guard: Change, **others: object) -> TuningReport:
    return TuningReport(cases=(), guard=guard, **others)


def test_means_by_group_with_what_does_not_count() -> None:
    before = scores(("female", 0.8), ("male", 0.6), ("female", math.nan))
    after = scores(("female", 0.9), ("male", 0.4), ("female", 0.5))
    everybody, male, female = changes(before, after, [SEX])
    assert [c.group for c in (everybody, male, female)] == [
        "all",
        "sex=male",
        "sex=female",
    ]
    assert (everybody.n, everybody.n_nan) == (3, 1)
    assert everybody.before == pytest.approx(0.7)
    assert everybody.after == pytest.approx(0.65)  # of the same cases as before
    assert female.after == pytest.approx(0.9)
    assert male.gain == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("after", "verdict"), [(0.795, "no group got worse"), (0.78, "worse")]
)
def test_a_fall_beyond_the_tolerance_is_worse(after: float, verdict: str) -> None:
    found = report(
        Change("all", "cup", 40, 0, 0.8, 0.8, 0.0, 0.0),
        Change("sex=male", "cup", 20, 0, 0.8, after, after - 0.804, after - 0.796),
    )
    assert found.verdict == verdict
    assert [c.group for c in found.worse] == (
        ["sex=male"] if verdict == "worse" else []
    )


def test_a_guard_that_knows_no_group_checks_none() -> None:
    assert report(Change("all", "cup", 4, 0, 0.8, 0.9)).verdict == "not checked"
    assert report().verdict == "not checked"


def test_what_is_no_number_is_neither_better_nor_worse() -> None:
    change = Change("sex=male", "cup", 2, 2, math.nan, math.nan)
    assert not change.is_worse(0.0)
    assert report(change).worst_group is None


def test_the_worst_group_may_be_another_one_afterwards() -> None:
    found = report(
        Change("sex=male", "cup", 2, 0, 0.7, 0.9),
        Change("sex=male", "disc", 2, 0, 0.9, 0.9),
        Change("sex=female", "cup", 2, 0, 0.85, 0.8),
        Change("sex=female", "disc", 2, 0, 0.85, 0.8),
    )
    assert found.worst_group == (
        ("sex=male", pytest.approx(0.8)),
        ("sex=female", pytest.approx(0.8)),
    )


def test_a_report_survives_json() -> None:
    found = TuningReport(
        cases=(Change("all", "cup", 1, 1, math.nan, 0.5),),
        guard=(Change("sex=male", "cup", 2, 0, 0.8, 0.7),),
        guard_title="people",
        n_cases=1,
        missing=("sex=female",),
        notices=("a notice",),
    )
    again = TuningReport.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert "NaN" not in found.to_json()
    assert again.guard == found.guard
    assert math.isnan(again.cases[0].before)


def test_a_report_of_the_first_version_is_still_read() -> None:
    change = {"group": "sex=male", "region": "cup", "n": 30, "n_nan": 0}
    facts = {"schema_version": 1, "cases": [], "guard_title": "people"}
    facts["guard"] = [{**change, "before": 0.8, "after": None}]
    found = TuningReport.from_json(json.dumps(facts))
    assert found.guard[0].n == 30
    assert math.isnan(found.guard[0].after)
    assert math.isnan(found.guard[0].low)
    assert found.verdict == "not checked"


def test_json_has_the_verdict_and_the_words_that_everything_shows() -> None:
    found = report(Change("sex=male", "cup", 20, 0, 0.8, 0.7, -0.12, -0.08))
    facts = json.loads(found.to_json())
    assert (facts["schema_version"], facts["verdict"]) == (2, "worse")
    assert facts["said"] == found.said
    assert facts["reasons"] == list(found.reasons)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 3}'])
def test_something_else_is_no_report(text: str) -> None:
    with pytest.raises(ValueError, match="no report of a tuning"):
        TuningReport.from_json(text)


def test_scores_survive_a_stop(tmp_path: Path) -> None:
    score = CaseScore("a", ("sex=male",), {"cup": 0.5}, ("cup",), 3)
    remember(tmp_path / "run", Scores((score,), ()))
    assert remembered(tmp_path / "run", True) == Scores((score,), ())
    assert remembered(tmp_path / "run", False) is None
    assert remembered(None, True) is None
    unknown = replace(score, dice={"cup": math.nan})
    remember(tmp_path, Scores((), (unknown,)))
    assert "NaN" not in (tmp_path / "before.json").read_text()
    (found,) = remembered(tmp_path, True).guard
    assert math.isnan(found.dice["cup"])


def test_scores_that_an_older_version_kept_are_measured_anew(tmp_path: Path) -> None:
    old = {"cases": [], "guard": [{"id": "a", "groups": [], "dice": {"cup": 0.5}}]}
    (tmp_path / "before.json").write_text(json.dumps(old))
    assert remembered(tmp_path, True) is None


def test_a_loss_on_what_was_trained_on_is_said_and_read_back() -> None:
    rim = Change("all", "rim", 1, 0, 0.97, 0.949)
    found = TuningReport((rim, Change("all", "cup", 1, 0, 0.8, 0.9)), n_cases=1)
    said = "worse on its own case, which it was trained on: rim 0.970 -> 0.949 (-0.021)"
    assert found.said_of_cases == f"{said}."
    assert json.loads(found.to_json())["said_of_cases"] == found.said_of_cases
    assert TuningReport.from_json(found.to_json()) == found
    assert TuningReport((), n_cases=1).said_of_cases == ""
