"""How long a model is tuned on so many cases, and what so many can do.

One place for the window and the command line. A few cases may be learnt by heart within
some tens of steps, at other patients' cost, so the steps follow from the cases; what is
measured of that stands in ``docs/fine-tune.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_dmoe.training.settings import TrainSettings

ROUNDS = 10
"""Rounds that the steps are split into; it is measured after each."""

FIRST_STEPS, STEPS_A_CASE = 20, 20
MOST_STEPS = 400
"""Steps for any case at all and for each of them, and the most of them, until every
case was seen so often:"""

TIMES = 30

FEW_RATE = 1e-4
"""Largest learning rate where all of a 2D model is tuned on so few cases that none is
held out: a larger one gains no more, and harms a model that knows such images more. Of
volumes it was not measured."""

ENOUGH_TO_HOLD_OUT = 10
"""From so many cases on, one in five is held out, and the best round is kept."""

ENOUGH_TO_STOP = 20
"""From so many on, a training ends early where the held-out ones get no better."""

PATIENCE = 4
"""Rounds that it waits for that."""

ONE, FEW, SOME = 1, 5, 10
"""Up to so many cases are one, a few, and some: see :func:`what_so_many_can_do`."""


def steps_for(n_cases: int, batch: int) -> int:
    """Return the steps of the optimiser that so many cases are good for.

    Examples
    --------
    >>> [steps_for(n, batch=4) for n in (1, 5, 10, 20, 50, 400)]
    [40, 120, 220, 400, 400, 3000]
    """
    often = -(-n_cases * TIMES // batch)
    few = FIRST_STEPS + STEPS_A_CASE * n_cases
    return max(min(few, MOST_STEPS), often)


def rounds_for(n_cases: int, batch: int, *, share: float = 1.0) -> dict[str, int]:
    """Return the rounds, and the steps of each, as settings of a training.

    `share` is that of :func:`steps_for` which is wanted.
    """
    steps = max(1, round(share * steps_for(n_cases, batch) / ROUNDS))
    return {"epochs": ROUNDS, "steps_per_epoch": steps}


def rate_for(n_cases: int, dims: int, *, usual: float) -> float:
    """Return the largest learning rate for so many cases; `usual` is that of many.

    Examples
    --------
    >>> [rate_for(n, dims=2, usual=3e-4) for n in (5, 9, 10)]
    [0.0001, 0.0001, 0.0003]
    """
    is_gentle = dims == 2 and n_cases < ENOUGH_TO_HOLD_OUT
    return min(usual, FEW_RATE) if is_gentle else usual


def choice_for(n_cases: int, dims: int) -> Mapping[str, Any]:
    """Return what is held out to choose a round by, as settings of a training.

    Too few cases are all trained on: one or two that are held out choose by chance.
    Of volumes slices can be held out, which costs no case.
    """
    if n_cases >= ENOUGH_TO_HOLD_OUT:
        stops = PATIENCE if n_cases >= ENOUGH_TO_STOP else None
        return {"hold_out": "cases", "keep": "best", "patience": stops}
    held = "auto" if dims == 3 and n_cases < FEW else "none"
    return {"hold_out": held, "keep": "last", "patience": None}


def held_in_words(settings: TrainSettings, n_cases: int, dims: int) -> str:
    """Say what is held out, which round is kept, and whether training ends early."""
    held = what_is_held_out(settings, n_cases, dims)
    if not held:
        by = "the last round is kept"
        if settings.keep == "best":
            by = "the round is chosen by the cases of the curves"
        return f"none of them is held out, and {by}"
    if settings.keep == "best":
        said = f"{held} to choose the round by"
    else:
        said = f"{held} and measured, and the last round is kept"
    if settings.patience is None:
        return said
    n = settings.patience
    return f"{said}; it ends once {n} round{'s' * (n != 1)} got no better"


def what_is_held_out(settings: TrainSettings, n_cases: int, dims: int) -> str:
    """Say it of so many cases of a model of so many dimensions; "" for nothing."""
    rule = settings.hold_out
    if rule == "auto":
        rule = "slices" if dims == 3 else "none"
        rule = "cases" if n_cases >= FEW else rule
    if rule in ("cases", "every"):
        return f"one in {settings.hold_out_every} is held out"
    return "annotated slices are held out" if rule == "slices" else ""


def what_so_many_can_do(n_cases: int) -> str:
    """Say what a model learns from so many cases; nothing where they are enough.

    Examples
    --------
    >>> what_so_many_can_do(1)[:40]
    '1 case teaches what that image looks lik'
    """
    if n_cases > SOME or n_cases < 1:
        return ""
    if n_cases <= ONE:
        said = "1 case teaches what that image looks like, and little of other patients"
        return f"{said}: few steps are taken. Correct 5 others, better 10 or more"
    if n_cases <= FEW:
        said = f"{n_cases} cases teach how such images look, and little of how patients"
        return f"{said} differ: few steps are taken. Correct 10 or more, better 20"
    said = f"{n_cases} cases help a model that does not know such images, and may harm"
    return f"{said} one that does: check the result on others, and correct 20 or more"
