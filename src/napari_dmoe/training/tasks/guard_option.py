"""The guard of a task, as a command names it."""

from __future__ import annotations

import re
from pathlib import Path

from napari_dmoe.models.card import ModelCard
from napari_dmoe.training.cases.annotation import TrainingError
from napari_dmoe.training.guarding.guard import Guard, phantom_guard

DRAWN = "phantoms"
MOST_DRAWN = 5_000
"""Phantoms that are drawn at most: they are kept in memory."""

_DRAWN = re.compile(rf"{DRAWN}(?::(?P<n>.*))?")


def guard_named(text: str, card: ModelCard, *, subject: str | None = None) -> Guard:
    """Return the guard that an option names.

    Parameters
    ----------
    text : str
        Folder or table of a cohort, ``phantoms``, or ``phantoms:60``.
    card : ModelCard
        Of the model that is tuned, which says whether it was trained on phantoms.
    subject : str, optional
        The column of its table that tells of whom or what a case is.

    Raises
    ------
    TrainingError
        When it may be a folder as well as the word, when there are no such phantoms,
        or when it is blank.
    """
    found = _DRAWN.fullmatch(text.strip())
    if found is None:
        if not text.strip():
            raise TrainingError(
                "--guard is blank: name a labelled cohort, or leave it out"
            )
        return Guard(kind="cohort", name=text, subject=subject)
    if Path(text).exists():
        raise TrainingError(
            f"--guard {text}: that is a file or folder here, and also stands for cases "
            f"that are drawn: write {Path('.', text).absolute()} for the cohort, or "
            "work in another folder"
        )
    drawn = phantom_guard(card)
    if drawn is None:
        raise TrainingError(
            f"--guard {text}: {card.name} was not trained on phantoms, so that they "
            "cannot tell whether a group of its patients got worse: name a labelled "
            "cohort"
        )
    if found["n"] is None:
        return drawn
    return drawn.model_copy(update={"n": _number(found["n"])})


def _number(text: str) -> int:
    stated = text.strip()
    n = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 9 else 0
    if not 1 <= n <= MOST_DRAWN:
        raise TrainingError(
            f"--guard {DRAWN}:{text}: expected a number from 1 to {MOST_DRAWN:,}, such "
            f"as {DRAWN}:60"
        )
    return n
