"""A cohort looked through before it is evaluated: its problems are told all at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.cohorts.datasets import Cohort
from napari_dmoe.cohorts.problems import PROBLEMS, refusal, write_problems


def checked(cohort: Cohort, folder: Path, *, skip_problems: bool = False) -> Cohort:
    """Return a cohort without problems.

    Parameters
    ----------
    cohort : Cohort
        The cohort, as it was opened.
    folder : Path
        Where ``problems.csv`` is written if there are any.
    skip_problems : bool
        Leave their rows out, which the cohort's notices then say.

    Raises
    ------
    CohortError
        When there are problems and they are not skipped.
    OSError
        When their table cannot be written.
    """
    if not cohort.problems:
        return cohort
    path = folder / PROBLEMS
    write_problems(path, cohort.problems)
    if not skip_problems:
        raise CohortError(refusal(cohort.problems, where=str(path)))
    n = len({problem.row for problem in cohort.problems})
    rows = "row was" if n == 1 else "rows were"
    said = f"{n:,} {rows} left out for their problems: {PROBLEMS} tells which"
    return replace(cohort, problems=(), notices=(*cohort.notices, said))
