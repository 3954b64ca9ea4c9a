"""What is kept out of training to be measured: cases, or slices of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from napari_dmoe.cohorts.case import Case, Selection
from napari_dmoe.evaluation.groups import crossed
from napari_dmoe.models.card import CardAttribute
from napari_dmoe.patient import Patient
from napari_dmoe.training.cases.annotation import IGNORED
from napari_dmoe.training.cases.volumes import VolumePool
from napari_dmoe.training.settings import TrainSettings

ENOUGH_CASES = 5
"""From so many cases on, some are held out where that is left open."""


def hold_out_cases(
    cases: Sequence[Case],
    patients: Sequence[Patient],
    attributes: Sequence[CardAttribute],
    settings: TrainSettings,
) -> tuple[Selection, Selection]:
    """Split cases, none of which is read, in those to train on and those to measure.

    Held out is one in `hold_out_every` of every group that the attributes make up; a
    group too small for that keeps its cases. Under the rule "every", it is one in so
    many of all, from the first.
    """
    wanted = settings.hold_out == "cases" or (
        settings.hold_out == "auto" and len(cases) >= ENOUGH_CASES
    )
    held: set[int] = set()
    if settings.hold_out == "every":
        held = set(range(0, len(cases), settings.hold_out_every))
    elif wanted:
        _, group = crossed(patients, attributes)
        for number in range(int(group.max()) + 1):
            members = np.flatnonzero(group == number).tolist()
            held |= set(_every(members, settings.hold_out_every))
        # Groups that are all too small: then one in so many of all cases.
        held = held or set(_every(list(range(len(cases))), settings.hold_out_every))
    training = [i for i in range(len(cases)) if i not in held]
    return Selection(cases, training), Selection(cases, sorted(held))


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
    watched = VolumePool(
        tuple(pool.images[i] for i in places),
        tuple(measured),
        pool.category[places],
        pool.patch,
        tuple(pool.patients[i] for i in places),
    )
    return replace(pool, labels=tuple(training)), watched


def _without(labels: Tensor, slices: list[int]) -> Tensor:
    kept = labels.clone()
    kept[slices] = IGNORED
    return kept
