"""What is wrong with a cohort's rows, in one table: row, column, value, expected.

A cohort is looked through before anything is done with it, and all that is wrong is
told at once, so that it can be mended at once. Values stand in the table alone, which
lies in the user's own folder: a patient's never ends in a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_dmoe.foreign import printable
from napari_dmoe.imaging.tables import write_table

PROBLEMS = "problems.csv"
"""Name of the table's file."""

_COLUMNS = ("row", "column", "value", "expected")

_SHOWN = 10
"""Problems that are printed, and kinds of them."""

_ROWS = 3
"""Rows that a line names."""

_LONGEST = 120
"""Characters of a value that a line repeats."""


@dataclass(frozen=True)
class Problem:
    """One cell, or one file that it names, that cannot be used."""

    row: int
    """As in :class:`~napari_dmoe.cohorts.case.CaseRow`; 0 is the whole table."""
    column: str
    """As the table calls it; of a list ``name``, of an archive the key."""
    value: str = field(repr=False)
    """What was found there. It may be a patient's."""
    expected: str
    """What should be there, or what is wrong, as a phrase."""
    is_private: bool = False
    """Whether the value is a patient's: then it is written to the table alone."""

    @property
    def shown(self) -> str:
        """The value as messages may repeat it; empty for a patient's."""
        return "" if self.is_private else printable(self.value, _LONGEST)


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write problems as CSV.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    rows = [
        {
            "row": str(p.row),
            "column": p.column,
            "value": p.value,
            "expected": p.expected,
        }
        for p in problems
    ]
    write_table(path, rows, _COLUMNS)


def lines_told(problems: Sequence[Problem], *, most: int = _SHOWN) -> list[str]:
    """Return lines for the screen: what is alike in many rows is told once.

    Examples
    --------
    >>> lines_told([Problem(n, "labels", f"{n}.png", "a file") for n in (2, 3, 4, 5)])
    ['rows 2, 3, 4, ... (4), labels: expected a file; found 2.png, 3.png, 4.png, ...']
    """
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.column, problem.expected), []).append(problem)
    lines = [_line(each) for each in alike.values()]
    if len(lines) > most:
        rest = sum(len(each) for each in [*alike.values()][most:])
        lines[most:] = [f"and {rest:,} further problems of other kinds"]
    return lines


def refusal(problems: Sequence[Problem], *, where: str = "") -> str:
    """Return one sentence that refuses a cohort for its problems.

    `where` says where all of them can be read.
    """
    n_rows = len({problem.row for problem in problems})
    rows = f"{n_rows:,} row{'s' * (n_rows != 1)}"
    all_told = f"; all of them: {where}" if where else ""
    told = "; ".join(lines_told(problems, most=3))
    return f"the cohort has problems in {rows}: {told}{all_told}"


def _line(alike: Sequence[Problem]) -> str:
    first, n = alike[0], len(alike)
    numbers = ", ".join(str(each.row) for each in alike[:_ROWS])
    more = ", ..." if n > _ROWS else ""
    where = f"row {numbers}" if n == 1 else f"rows {numbers}{more} ({n:,})"
    if not first.row:
        where = "the whole"
    column = f", {printable(first.column, 40)}" if first.column else ""
    values = [each.shown for each in alike[:_ROWS] if each.shown]
    found = f"; found {', '.join(dict.fromkeys(values))}{more}" if values else ""
    return f"{where}{column}: expected {first.expected}{found}"
