"""Each line of the table in docs/formats.md has a test, and says what it shows.

A test of a line is marked with the line's first cell: ``@pytest.mark.formats("BMP")``.
A parametrised one marks its parameters: ``pytest.param(..., marks=formats("BMP"))``,
where ``formats = pytest.mark.formats``.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from places import REPOSITORY

PAGE = REPOSITORY / "docs" / "formats.md"
OUTCOMES = {"read", "converted", "refused", "asked", "written"}


def rows_of_the_page() -> list[list[str]]:
    lines = PAGE.read_text("utf-8").splitlines()
    table = [line for line in lines if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [row for row in rows if row[0] != "file"]


def marked(path: Path) -> Iterator[str]:
    """Yield every text that a file gives to ``formats(...)``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name == "formats":
            yield from (
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant)
            )


def test_each_line_says_one_thing_once() -> None:
    rows = rows_of_the_page()
    assert {row[1] for row in rows} <= OUTCOMES
    assert [row for row in rows if len(row) != 3 or not row[2]] == []
    named = Counter(row[0] for row in rows)
    assert {name: n for name, n in named.items() if n > 1} == {}


def test_each_line_has_a_test_and_each_test_its_line() -> None:
    tests = sorted((REPOSITORY / "tests").rglob("test_*.py"))
    shown = {name for path in tests for name in marked(path)}
    assert {row[0] for row in rows_of_the_page()} == shown
