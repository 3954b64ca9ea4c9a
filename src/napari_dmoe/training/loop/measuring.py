"""What is measured after an epoch, which of its groups decide, and a list of it."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.cohorts.tables.subjects import subject_key
from napari_dmoe.evaluation.groups.membership import Groups, crossed, groups_of
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.refusals import listed
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.pool import Pool
from napari_dmoe.training.cases.same_pictures import Kind

ENOUGH_TO_DECIDE = 5
"""Measured cases of a group from which on it may choose the best epoch, and how often
it is shown: the mean of fewer is mostly that of single cases."""

COLUMNS = ("id", "subject")
"""What the list of held-out cases begins with."""

_SHOWN = 3
"""Groups that a notice names where many are alike."""

_WORDS = {
    "cases": "held-out cases",
    "slices": "volumes with held-out slices",
    "training": "measured cases",
}


@dataclass(frozen=True)
class Measured:
    """What is measured after an epoch."""

    pool: Pool
    """Held-out cases, or volumes of which only held-out slices are annotated."""
    kind: Kind
    """``"training"`` where all of it is trained on too."""
    groups: Groups
    """Groups that the Dice is told for; a case may belong to several."""
    group: Tensor
    """The group (N,) of each case that sampling goes by, -1 for one that no training
    case belongs to, and for one of too few cases."""
    deciding: tuple[str, ...]
    """Groups that have enough cases to choose the best epoch."""
    attributes: tuple[CardAttribute, ...]
    """What the groups are made of."""
    notices: tuple[str, ...]
    """Which groups have too few cases."""
    unmeasured: tuple[int, ...] = ()
    """Classes that no case is labelled with, though they may be there."""

    @property
    def held_out(self) -> Literal["cases", "slices"]:
        """What is held out, where anything is."""
        return "slices" if self.kind == "slices" else "cases"

    @property
    def n_held_out(self) -> int:
        """How many cases are held out, or have slices that are."""
        return 0 if self.kind == "training" else len(self.pool)


def measured_beside(
    pool: Pool,
    watched: Pool,
    *,
    kind: Kind,
    attributes: Sequence[CardAttribute],
    by: Sequence[CardAttribute],
    sampling: str,
    unmeasured: tuple[int, ...] = (),
) -> Measured:
    """Return what is measured of a pool beside the one that is trained on.

    Parameters
    ----------
    pool, watched : Pool
        What is trained on, and what is measured.
    kind : {"cases", "slices", "training"}
        What the latter is.
    attributes : sequence of CardAttribute
        Whose groups the Dice is told for.
    by : sequence of CardAttribute
        Which of them make up the groups of sampling.
    sampling : str
        The rule of sampling.
    unmeasured : tuple of int
        Classes that no case is labelled with, though they may be there.
    """
    shows = torch.tensor([_shows_a_class(labels) for labels in watched.labels])
    groups = groups_of(watched.patients, attributes)
    whose = _subjects(watched)[shows.numpy()]
    counts = {
        name: _Size.of(whose[own])
        for name, own in zip(groups.names, groups.members[shows.numpy()].T, strict=True)
    }
    of_training = groups_of(pool.patients, attributes)
    is_there = np.logical_or(of_training.members.any(0), groups.members.any(0))
    there = dict(itertools.compress(counts.items(), is_there.tolist()))
    notices = _notices_of_choice(there, _WORDS[kind])
    group, small = _sampled_by(pool.patients, watched, by, shows)
    if sampling == "worst-group":
        notices += _notices_of_sampling(small, bool((group >= 0).any()), _WORDS[kind])
    return Measured(
        watched,
        kind,
        groups,
        group,
        deciding=tuple(name for name, size in counts.items() if size.is_enough),
        attributes=tuple({a.name: a for a in (*attributes, *by)}.values()),
        notices=tuple(notices),
        unmeasured=unmeasured,
    )


class _Size(NamedTuple):
    """How many measured cases a group has, and of how many subjects."""

    n: int
    n_subjects: int

    @classmethod
    def of(cls, whose: NDArray[np.int64]) -> _Size:
        """Return the size of a group by the subject of each of its cases."""
        return cls(len(whose), len(np.unique(whose)))

    @property
    def is_enough(self) -> bool:
        """Whether its mean is more than that of single cases, or of one subject."""
        return self.n >= ENOUGH_TO_DECIDE and self.n_subjects > 1

    def __str__(self) -> str:
        is_one = self.n_subjects == 1 < self.n
        return f"{self.n} of one subject" if is_one else str(self.n)


def _subjects(pool: Pool) -> NDArray[np.int64]:
    """Return numbers (N,) that tell subjects apart; unknown ones are one each."""
    keys: list[Hashable] = [
        subject_key(subject) or place
        for place, subject in enumerate(pool.subjects or [None] * len(pool))
    ]
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, len(first)) for key in keys], np.int64)


def _shows_a_class(labels: Tensor) -> bool:
    return bool(((labels > 0) & (labels != IGNORED)).any())


def _sampled_by(
    training: Sequence[Patient],
    watched: Pool,
    by: Sequence[CardAttribute],
    shows: Tensor,
) -> tuple[Tensor, list[str]]:
    """Return the group of each measured case, and what groups are too small."""
    names, _ = crossed(training, by)
    own, number = crossed(watched.patients, by)
    group, whose = torch.from_numpy(number), _subjects(watched)
    sizes = dict.fromkeys(names, _Size(0, 0)) | {
        name: _Size.of(whose[(number == place) & shows.numpy()])
        for place, name in enumerate(own)
    }
    small = [
        f"{k.replace(', ', '/')} ({sizes[k]})" for k in names if not sizes[k].is_enough
    ]
    places = [names.index(k) if k in names and sizes[k].is_enough else -1 for k in own]
    return torch.tensor(places)[group], small


def _notices_of_choice(counts: dict[str, _Size], what: str) -> list[str]:
    small = [f"{k} ({size})" for k, size in counts.items() if not size.is_enough]
    if not small:
        return []
    if len(small) == len(counts):
        return [
            f"no group has {ENOUGH_TO_DECIDE} {what}: the best epoch is chosen by all "
            f"of them together ({listed(small, _SHOWN)})"
        ]
    be = "is" if len(small) == 1 else "are"
    return [
        f"the best epoch is chosen by groups of at least {ENOUGH_TO_DECIDE} {what}: "
        f"{listed(small, _SHOWN)} {be} not among them"
    ]


def _notices_of_sampling(small: list[str], are_others: bool, what: str) -> list[str]:
    if not small:
        return []
    if not are_others:
        return [
            f"no group has {ENOUGH_TO_DECIDE} {what} to find the worst by: all are "
            "shown as often"
        ]
    return [
        f"groups of fewer than {ENOUGH_TO_DECIDE} {what} are shown as often as the "
        f"others on average: {listed(small, _SHOWN)}"
    ]


def list_of_held_out(
    measured: Measured | None,
) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    """Return what was held out as rows of a table, and its columns.

    Numbers such as ages are told as the band that the model knows; an attribute that
    is not looked at is not told.
    """
    if measured is None or measured.kind == "training":
        return [], COLUMNS
    pool, rows = measured.pool, []
    for place, patient in enumerate(pool.patients):
        row = {"id": pool.ids[place], "subject": pool.subjects[place] or ""}
        for attribute in measured.attributes:
            value = attribute.category_of(patient)
            row[attribute.name] = "" if value is None else attribute.values[value]
        if measured.kind == "slices":
            row["slices"] = " ".join(map(str, _annotated(pool.labels[place])))
        rows.append(row)
    return rows, (*COLUMNS, *(a.name for a in measured.attributes))


def _annotated(labels: Tensor) -> list[int]:
    """Return the annotated slices of a volume at the network's resolution, from 0."""
    found: list[int] = (labels != IGNORED).flatten(1).any(1).nonzero()[:, 0].tolist()
    return found
