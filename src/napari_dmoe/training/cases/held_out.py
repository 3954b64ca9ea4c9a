"""What is kept out of training to be measured: cases, or slices of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.evaluation.groups.membership import crossed, groups_of
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.models.refusals import listed
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.choosing import Chooser
from napari_dmoe.training.cases.pool import part_of
from napari_dmoe.training.cases.together import together
from napari_dmoe.training.cases.volumes import VolumePool
from napari_dmoe.training.settings import TrainSettings

ENOUGH_CASES = 5
"""From so many cases on, some are held out where that is left open."""

_SHOWN = 3
"""Groups that a notice names where many are alike."""


def hold_out_cases(
    cases: Sequence[Case],
    patients: Sequence[Patient],
    attributes: Sequence[CardAttribute],
    settings: TrainSettings,
) -> tuple[Selection, Selection]:
    """Split cases, none of which is decoded, in those to train on and to measure.

    Held out is one in `hold_out_every` of every group that the attributes make up, or
    else of every value; a group too small for that keeps its cases. Under the rule
    "every", it is one in so many of all, from the first. Cases of one subject or one
    picture are never parted, whatever the rule; a subject is held out only where half
    of the cases of each of its values, or more, are left to train on.

    Notes
    -----
    The same cases and settings give the same split: nothing is drawn.
    """
    held = np.zeros(len(cases), bool)
    if _are_cases_wanted(settings, len(cases)):
        held = _held(cases, patients, attributes, settings)
    return (
        Selection(cases, np.flatnonzero(~held).tolist()),
        Selection(cases, np.flatnonzero(held).tolist()),
    )


def _are_cases_wanted(settings: TrainSettings, n: int) -> bool:
    is_open = settings.hold_out == "auto" and n >= ENOUGH_CASES
    return is_open or settings.hold_out in ("cases", "every")


def _held(
    cases: Sequence[Case],
    patients: Sequence[Patient],
    attributes: Sequence[CardAttribute],
    settings: TrainSettings,
) -> NDArray[np.bool_]:
    """Return which cases (N,) are held out."""
    lots, n = together(cases), len(cases)
    chooser = Chooser(lots, groups_of(patients, attributes).members)
    if settings.hold_out != "every":
        _by_group(chooser, patients, attributes, settings.hold_out_every)
        return chooser.held
    published = np.zeros(n, bool)
    published[:: settings.hold_out_every] = True
    if not set(lots[published].tolist()) & set(lots[~published].tolist()):
        return published
    chooser.choose(np.zeros(n, np.int64), [np.flatnonzero(published).tolist()])
    return chooser.held


def _by_group(
    chooser: Chooser,
    patients: Sequence[Patient],
    attributes: Sequence[CardAttribute],
    step: int,
) -> None:
    """Hold out some of every group, of every value without any, or else of all."""
    values = [(a,) for a in attributes] if len(attributes) > 1 else []
    for by in (attributes, *values, ()):
        if not by and chooser.held.any():
            return
        names, group = crossed(patients, by)
        members = [np.flatnonzero(group == number) for number in range(len(names))]
        wishes = [
            None if chooser.held[own].any() else _every(own.tolist(), step)
            for own in members
        ]
        chooser.choose(group, wishes)


def notices_of_split(
    patients: Sequence[Patient],
    attributes: Sequence[CardAttribute],
    settings: TrainSettings,
    held_out: Selection,
) -> list[str]:
    """Say what :func:`hold_out_cases` could not do of what it is for."""
    n, step = len(patients), settings.hold_out_every
    if not _are_cases_wanted(settings, n):
        return []
    if not len(held_out):
        return [
            "no case is held out: there are too few cases, or too few subjects, for "
            "some to be left out of training"
        ]
    notices = []
    if settings.hold_out == "every" and held_out.places != list(range(0, n, step)):
        notices.append(
            f"one case in {step}, from the first, would part cases of one subject or "
            f"picture: whole subjects are held out instead, {len(held_out)} cases"
        )
    names, group = crossed(patients, attributes)
    sizes = np.bincount(group)
    sizes[np.unique(group[held_out.places])] = 0
    lacking = [
        f"{names[i].replace(', ', '/')} ({sizes[i]})" for i in np.flatnonzero(sizes)
    ]
    if lacking:
        few = (
            "too few cases or subjects"
            if settings.hold_out != "every"
            else (f"one case in {step} is held out, whatever its group")
        )
        notices.append(f"no case of {listed(lacking, _SHOWN)} is held out: {few}")
    return notices


def _every(members: list[int], step: int) -> list[int]:
    return members[step // 2 :: step]


def hold_out_slices(
    pool: VolumePool, settings: TrainSettings
) -> tuple[VolumePool, VolumePool | None]:
    """Split the annotated slices of volumes in those to train on and to measure.

    In the first pool held-out slices are not annotated, in the second nothing else is;
    there is none where no volume has enough of them. Slices next to each other look
    alike, so that their Dice promises less than that of other cases.
    """
    training, measured, places = [], [], []
    for place, labels in enumerate(pool.labels):
        annotated = (labels != IGNORED).flatten(1).any(1).nonzero()[:, 0].tolist()
        chosen = _every(annotated, settings.hold_out_every)
        training.append(_without(labels, chosen))
        if chosen:
            others = [z for z in range(len(labels)) if z not in chosen]
            measured.append(_without(labels, others))
            places.append(place)
    if not places:
        return pool, None
    watched = cast("VolumePool", part_of(pool, places))
    watched = replace(watched, labels=tuple(measured))
    return replace(pool, labels=tuple(training)), watched


def _without(labels: Tensor, slices: list[int]) -> Tensor:
    kept = labels.clone()
    kept[slices] = IGNORED
    return kept
