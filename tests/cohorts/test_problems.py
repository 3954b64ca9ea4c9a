"""One table of problems: written whole, told in lines without patients' values."""

from __future__ import annotations

import csv
from pathlib import Path

from napari_dmoe.cohorts.problems import Problem, lines_told, refusal, write_problems

AGE = Problem(7, "age", "sixty", "years such as 63", is_private=True)
LOST = [Problem(n, "labels", f"m{n}.png", "a file that exists") for n in range(2, 7)]


def test_the_table_holds_every_value(tmp_path: Path) -> None:
    path = tmp_path / "problems.csv"
    write_problems(path, [*LOST, AGE, Problem(9, "image", "=1+1", "a file")])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert rows[5] == {
        "row": "7",
        "column": "age",
        "value": "sixty",
        "expected": "years such as 63",
    }
    assert rows[6]["value"] == "'=1+1"


def test_what_is_alike_is_told_once_and_patients_never() -> None:
    assert lines_told([*LOST, AGE]) == [
        "rows 2, 3, 4, ... (5), labels: expected a file that exists; found m2.png, "
        "m3.png, m4.png, ...",
        "row 7, age: expected years such as 63",
    ]
    assert "sixty" not in repr(AGE)
    assert AGE.shown == ""


def test_many_kinds_are_counted() -> None:
    many = [Problem(n, f"c{n}", "", "x") for n in range(2, 20)]
    assert lines_told(many, most=2)[2:] == ["and 16 further problems of other kinds"]


def test_a_refusal_counts_rows_and_says_where_all_stand() -> None:
    said = refusal([*LOST, AGE], where="OUT/problems.csv")
    assert said.startswith("the cohort has problems in 6 rows: rows 2, 3, 4")
    assert said.endswith("all of them: OUT/problems.csv")
