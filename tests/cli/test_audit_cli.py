"""``audit`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from audits import tiny_cohort
from cli_runs import run

from napari_dmoe.evaluation.counterfactual.audit_files import FILES
from napari_dmoe.inference.what_if.sweep_result import BEHAVIOUR


def test_audit_writes_its_files_and_says_what_was_found(
    tmp_path: Path, race_net: list[object]
) -> None:
    tiny_cohort(tmp_path / "cohort", 3)
    out = tmp_path / "out"
    code, said, errors = run("audit", tmp_path / "cohort", *race_net, "-o", out)
    assert (code, "Race" in said, BEHAVIOUR in said) == (0, True, True)
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert all(str(out / name) in said for name in FILES)
    code, _, errors = run("audit", tmp_path / "cohort", *race_net, "-o", out)
    assert code == 2
    assert "earlier audit" in errors
    assert "Traceback" not in errors


def test_audit_prints_json_and_takes_groups(
    tmp_path: Path, race_net: list[object]
) -> None:
    tiny_cohort(tmp_path / "cohort", 4)
    which = ("--attribute", "race", "--by", "age:25,30", "--by", "sex", "--json")
    code, said, _ = run(
        "audit", tmp_path / "cohort", *race_net, "-o", tmp_path / "out", *which
    )
    assert code == 0
    facts = json.loads(said)
    assert facts["schema_version"] == 1
    assert [each["name"] for each in facts["groupings"]] == ["race", "age", "sex"]


def test_audit_refuses_a_cohort_with_problems_or_leaves_them_out(
    tmp_path: Path, race_net: list[object]
) -> None:
    cohort = tiny_cohort(tmp_path / "cohort", 3)
    cohort.rows[0].image.unlink()
    out = tmp_path / "out"
    code, _, errors = run("audit", tmp_path / "cohort", *race_net, "-o", out)
    assert code == 2
    assert "problems.csv" in errors
    assert (out / "problems.csv").is_file()
    code, _, _ = run(
        "audit", tmp_path / "cohort", *race_net, "-o", out, "--skip-problems"
    )
    assert code == 0
    facts = json.loads((out / "audit.json").read_text("utf-8"))["facts"]
    assert facts["n_cases"] == 2
    assert any("left out" in notice for notice in facts["notices"])


def test_audit_names_the_drivers_where_one_is_asked_for_that_is_none(
    tmp_path: Path, race_net: list[object]
) -> None:
    tiny_cohort(tmp_path / "cohort", 1)
    code, _, errors = run(
        *("audit", tmp_path / "cohort", *race_net, "-o", tmp_path / "out"),
        *("--attribute", "sex"),
    )
    assert code == 2
    assert errors.strip().endswith("its drivers are race")
