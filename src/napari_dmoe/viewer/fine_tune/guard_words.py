"""What is said of a guard before anything is trained. Knows no Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dmoe.evaluation.groups import SMALL_GROUP, groups_of, values_in

if TYPE_CHECKING:
    from napari_dmoe.models.card import ModelCard
    from napari_dmoe.patient import Patient
    from napari_dmoe.viewer.fine_tune.pairs import Pair

NO_GUARD = "Nothing will be said of how other patients fare."
LOOKING = "Looking at the guard's cases …"
DRAWN = "Made-up cases as those that are ticked, which the model has never seen."
_MOST_GROUPS = 6


@dataclass(frozen=True)
class SeenGuard:
    """What was found out about a cohort that can guard."""

    patients: tuple[Patient, ...]
    """Of each of its cases."""
    notices: tuple[str, ...] = ()
    """What a person should know of them, in sentences without a full stop."""


def unusable(error: Exception) -> str:
    """Say that a guard cannot be used, and why."""
    return f"The guard cannot be used: {str(error).rstrip('.')}."


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


def cohort_note(
    seen: SeenGuard, card: ModelCard, trained: Sequence[Patient]
) -> str:
    """Say how many cases there are of whom, and of whom nothing will be said.

    `trained` are the patients of what is ticked.
    """
    from napari_dmoe.training.tuning.guard_groups import (
        as_known,
        groups_to_compare,
        groups_trained_on,
    )

    by = groups_to_compare(seen.patients, card)
    found = groups_of([as_known(p, by) for p in seen.patients], by)
    counts = Counter(dict(zip(found.names, found.members.sum(0).tolist(), strict=True)))
    wanted = groups_trained_on(trained, card.attributes, card)
    missing = [group for group in wanted if not counts[group]]
    few = [g for g in found.names if 0 < counts[g] < SMALL_GROUP]
    n = len(seen.patients)
    said = [f"{n} {'case' if n == 1 else 'cases'}, never trained on."]
    if not any(counts.values()):
        said.append("Of none is it known to which group they belong.")
    if missing:
        names = _listed([values_in(group) for group in missing])
        said.append(f"No {names}: nothing will be said of them.")
    if few:
        names = _listed([f"{values_in(group)} {counts[group]}" for group in few])
        said.append(f"Few cases, fewer than {SMALL_GROUP}: {names}.")
    said += [f"{notice[:1].upper()}{notice[1:].rstrip('.')}." for notice in seen.notices]
    return " ".join(said)


def _listed(names: Sequence[str]) -> str:
    """List names, the first few of many."""
    if len(names) > _MOST_GROUPS:
        left = len(names) - _MOST_GROUPS + 1
        return f"{', '.join(names[: _MOST_GROUPS - 1])} and {left} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
