"""What is wrong with rows of a table: each row by itself, and many as one error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.problems import Problem

_SHOWN = 3
"""Rows and files that a message names where many are alike."""

_KINDS = 5
"""Different problems that one message names."""


class RowError(CohortError):
    """What is wrong with one row, in parts, so that many can be told as one.

    Parameters
    ----------
    table : str
        The table's file name.
    number : int
        Which row it is; the header is row 1.
    reason : str
        What is wrong.
    value : str
        The file that `reason` is said of. Never a patient's value.
    problems : sequence of Problem
        The cells that it is said of, for the table of problems alone.
    """

    def __init__(
        self,
        table: str,
        number: int,
        reason: str,
        value: str = "",
        *,
        problems: Sequence[Problem] = (),
    ) -> None:
        said = f"{value} {reason}" if value else reason
        super().__init__(f"{table}, row {number}: {said}")
        self.table, self.number = table, number
        self.reason, self.value = reason, value
        self.problems = tuple(problems) or (Problem(number, "", value, reason),)

    def __reduce__(self) -> tuple[type[RowError], tuple[str, int, str, str]]:
        """Let other processes be told; a patient's value stays here."""
        return RowError, (self.table, self.number, self.reason, self.value)


def one_error(problems: Sequence[RowError]) -> CohortError:
    """Return the problems of a table's rows as one error, each kind told once."""
    if len(problems) == 1:
        return problems[0]
    lines = told_once(problems)
    rest = len(lines) - _KINDS
    further = f"; and {rest:,} other problems" if rest > 0 else ""
    return CohortError(f"{problems[0].table}, {'; '.join(lines[:_KINDS])}{further}")


def told_once(problems: Iterable[RowError]) -> list[str]:
    """Return a line for each kind of problem, with the first rows that have it."""
    by_reason: dict[str, list[RowError]] = {}
    for problem in problems:
        by_reason.setdefault(problem.reason, []).append(problem)
    return [_told(alike) for alike in by_reason.values()]


def _told(alike: Sequence[RowError]) -> str:
    first, n = alike[0], len(alike)
    if n == 1:
        return str(first).removeprefix(f"{first.table}, ")
    more = ", ..." if n > _SHOWN else ""
    rows = ", ".join(str(problem.number) for problem in alike[:_SHOWN])
    values = ", ".join(problem.value for problem in alike[:_SHOWN] if problem.value)
    said = f"{first.reason} ({values}{more})" if values else first.reason
    return f"{n:,} rows ({rows}{more}): {said}"
