"""What is said of a guard before anything is trained. Knows no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_dmoe.evaluation.groups.membership import SMALL_GROUP, groups_of, values_in
from napari_dmoe.viewer.advice import in_dock

if TYPE_CHECKING:
    from napari_dmoe.estimate import SoFar
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.patient import Patient
    from napari_dmoe.training.guarding.at_work import Guarding
    from napari_dmoe.training.guarding.guard import Guard
    from napari_dmoe.viewer.fine_tune.pairs import Pair

NO_GUARD = "Nothing will be said of how other patients fare."
LOOKING = "Looking at the guard's cases …"
DRAWN = "Made-up cases as those that are ticked, which the model has never seen."
_SEEN_OF_TWELVE = 0.04
"""Half the 95 % interval of the mean change of 12 cases: 0.02 to 0.04 in the classes of
the bundled fundus model after a tuning on one case."""
_ONLY = "So the verdict can only be “not checked” or “worse”."
_MOST_GROUPS, _MOST_NOTICES = 6, 4
_WHOSE = "the guard: "
_COLUMNS = (
    "What its columns mean can be said in Segment, Many images, Table…; then choose it "
    "here again."
)


def unusable(why: object) -> str:
    """Say that a guard cannot be used, and why."""
    told = in_dock(str(why)).removeprefix(_WHOSE).rstrip(".")
    helps = f" {_COLUMNS}" if "column" in told else ""
    return f"The guard cannot be used: {told}.{helps}"


def looking(so_far: SoFar) -> str:
    """Say how far the look at a guard's cases is."""
    return f"{LOOKING} {so_far.left}".rstrip()


def not_drawn(kind: str, pairs: Sequence[Pair]) -> str:
    """Say why made-up cases cannot guard some pairs; nothing where they can."""
    others = [pair.names[0] for pair in pairs if pair.phantom != kind]
    if not others:
        return ""
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    are = "are" if more else "is"
    return (
        f"Made-up cases cannot guard: “{others[0]}”{more} {are} not known to be made "
        "up as they are, and they say nothing of real images. Choose a cohort."
    )


def drawn_note(guard: Guard, card: ModelCard) -> str:
    """Say what made-up cases tell, and whether there are too few of a group."""
    numbers = [guard.n // len(a.values) for a in card.attributes]
    if min(numbers, default=guard.n) >= SMALL_GROUP:
        return DRAWN
    counted = " and ".join(
        f"{n} of each {attribute.label.lower()}"
        for n, attribute in zip(numbers, card.attributes, strict=True)
    )
    cases = f"{guard.n} {'case' if guard.n == 1 else 'cases'}"
    loss = _SEEN_OF_TWELVE * (12 / guard.n) ** 0.5
    tells = f"they tell a loss of more than about {loss:.2f} Dice of all together, "
    return f"{DRAWN} {cases}, about {counted}: {tells}and of no group. {_ONLY}"


def why_nobody(guarding: Guarding) -> str:
    """Say why a guard that was looked at judges nothing; nothing where it does."""
    return "" if len(guarding.cases) else unusable("; ".join(guarding.reasons))


def cohort_note(guarding: Guarding, trained: Sequence[Patient]) -> str:
    """Say how many cases judge, and of whom nothing will be said for want of cases.

    `trained` are the patients of what is ticked.
    """
    from napari_dmoe.cohorts.datasets import patients_of
    from napari_dmoe.models.naming import as_known
    from napari_dmoe.training.guarding.groups import groups_trained_on

    by, whom = guarding.attributes, patients_of(guarding.cases)
    found = groups_of([as_known(p, by) for p in whom], by)
    numbers = found.members.sum(0).tolist()
    counts = dict(zip(found.names, numbers, strict=True))
    wanted = groups_trained_on(trained, by, guarding.card)
    missing = [values_in(group) for group in wanted if not counts[group]]
    few = {g: n for g, n in counts.items() if 0 < n < SMALL_GROUP}
    said = [f"{len(whom)} {'case' if len(whom) == 1 else 'cases'}, never trained on."]
    if not any(numbers):
        said.append("They belong to no group: nothing will be said of groups.")
    elif missing:
        said.append(f"No case of {_listed(missing)}: nothing will be said of them.")
    if few:
        named = [f"{values_in(group)} ({n})" for group, n in few.items()]
        said.append(f"Fewer than {SMALL_GROUP}, which say little: {_listed(named)}.")
    if any(numbers) and (missing or few.keys() & set(wanted)):
        said.append(_ONLY)
    return "\n".join((" ".join(said), *_notices(guarding)))


def _notices(guarding: Guarding) -> list[str]:
    """Return what else is to be known of a guard; of many the first ones."""
    from napari_dmoe.training.guarding.at_work import ONLY_PICTURES

    notices = map(in_dock, guarding.report((), ()).notices)
    told = [n for n in notices if ONLY_PICTURES not in n]
    said = [f"· {n.removeprefix(_WHOSE).rstrip('.')}" for n in told[:_MOST_NOTICES]]
    more = len(told) - len(said)
    return [*said, f"· and {more} more, which the report lists"] if more else said


def _listed(names: Sequence[str]) -> str:
    """List names, the first few of many."""
    left = len(names) - _MOST_GROUPS
    more = f" and {left} more" if left > 0 else ""
    return f"{', '.join(names[:_MOST_GROUPS])}{more}"
