"""Pictures that are there under several ids, as a network sees them.

A picture that is trained on is no measure of anything, whatever it is called. Nor is
one of a subject that is trained on.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from napari_dmoe.cohorts.tables.subjects import subject_key
from napari_dmoe.foreign import printable
from napari_dmoe.models.refusals import listed
from napari_dmoe.training.cases.pool import Pool, part_of

Kind = Literal["cases", "slices", "training"]
"""What is measured: held-out cases, held-out slices, or what is trained on too."""

MEASURED_ON_TRAINING = (
    "nothing is held out: the Dice is that of what was trained on, and promises "
    "nothing for other cases"
)

_MOST_NOTICES = 5
"""Pictures that are told one by one."""

_SHOWN = 3
"""Ids that a notice names where many are alike."""


@dataclass(frozen=True)
class Apart:
    """What is measured beside a training, and what a person should know of it."""

    watched: Pool | None
    kind: Kind
    notices: tuple[str, ...] = ()


def without_leaks(pool: Pool, watched: Pool | None) -> Apart:
    """Take out of what is to be measured the pictures and subjects that are trained on.

    Where nothing would be left, everything is measured and nothing is held out; where
    there is nothing to measure, slices may be held out yet. Pictures that are there
    twice are told of.
    """
    trained = _hashes(pool)
    if watched is None:
        return Apart(None, "slices", _notices_of_pictures([pool], trained))
    measured = _hashes(watched)
    subjects = set(map(subject_key, pool.subjects)) - {None}
    seen = {i for i, own in enumerate(measured) if own in set(trained)}
    own_keys = map(subject_key, watched.subjects)
    known = {i for i, own in enumerate(own_keys) if own in subjects} - seen
    left = [i for i in range(len(watched)) if i not in seen | known]
    if not left:
        notices = (*_notices_of_pictures([pool], trained), MEASURED_ON_TRAINING)
        return Apart(watched, "training", notices)
    notices = _notices_of_pictures([pool, watched], trained + measured)
    for places, what in ((seen, "picture"), (known, "subject")):
        if places:
            names = listed((watched.ids[place] for place in sorted(places)), _SHOWN)
            notices += (f"not measured, as their {what} is trained on: {names}",)
    return Apart(part_of(watched, left), "cases", notices)


def _notices_of_pictures(
    pools: Sequence[Pool], pictures: Sequence[bytes]
) -> tuple[str, ...]:
    """Say which pictures are there under several ids, and what differs."""
    places = defaultdict(list)
    for place, own in enumerate(pictures):
        places[own].append(place)
    alike = [each for each in places.values() if len(each) > 1]
    cases = [
        (pool.ids[i], pool.labels[i], pool.category[i])
        for pool in pools
        for i in range(len(pool))
    ]
    notices = [_same_picture([cases[i] for i in e]) for e in alike[:_MOST_NOTICES]]
    if (more := len(alike) - _MOST_NOTICES) > 0:
        notices.append(f"{more} more pictures are there under several ids")
    return tuple(notices)


def _same_picture(cases: Sequence[tuple[str, Tensor, Tensor]]) -> str:
    ids, labels, categories = zip(*cases, strict=True)
    names = f"{printable(ids[0])} and {listed(ids[1:], _SHOWN)}"
    differ = [
        what
        for what, parts in (("labels", labels), ("attributes", categories))
        if any(_differ(parts[0], part) for part in parts[1:])
    ]
    if differ:
        what = " and ".join(differ)
        return f"cases {names} are the same picture with different {what}: keep one"
    return f"cases {names} are the same picture: keep one"


def _differ(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or bool((one != other).any())


def _hashes(pool: Pool) -> list[bytes]:
    """Return a hash of the pixels of each case."""
    return [
        hashlib.sha256(
            str(tuple(image.shape)).encode() + image.contiguous().numpy().tobytes()
        ).digest()
        for image in pool.images
    ]
