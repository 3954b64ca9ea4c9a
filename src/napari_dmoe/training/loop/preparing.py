"""Everything that is settled before the first step: cases, groups, what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch

from napari_dmoe.cohorts.case import Case, CohortError
from napari_dmoe.cohorts.classes import LabelReading
from napari_dmoe.evaluation.groups.membership import (
    Groups,
    attributes_named,
    crossed,
    groups_of,
)
from napari_dmoe.inference.running.devices import choose_device, mixes_precision
from napari_dmoe.models.card import CardAttribute, ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient
from napari_dmoe.progress import ProgressHook
from napari_dmoe.training.augmentation.settings import (
    AugmentSettings,
    VolumeAugmentSettings,
)
from napari_dmoe.training.cases.annotation import IGNORED, Annotation, TrainingError
from napari_dmoe.training.cases.held_out import ENOUGH_CASES, hold_out_slices
from napari_dmoe.training.cases.known_drivers import trainable, values_without_cases
from napari_dmoe.training.cases.pool import Pool, read_pool
from napari_dmoe.training.cases.same_pictures import Kind, without_leaks
from napari_dmoe.training.cases.sampling import Sampler
from napari_dmoe.training.cases.volumes import VolumePool
from napari_dmoe.training.facts.card_facts import is_new, was_trained
from napari_dmoe.training.facts.data_facts import (
    Shown,
    began_from,
    checked,
    shown,
    table_of,
    tells_of_another,
)
from napari_dmoe.training.loop.absent import Filled, filled
from napari_dmoe.training.loop.measuring import Measured, measured_beside
from napari_dmoe.training.loop.run import Run
from napari_dmoe.training.loop.teams import team_now
from napari_dmoe.training.settings import TrainSettings


def prepare_run(
    loaded: LoadedModel,
    cases: Sequence[Case],
    settings: TrainSettings,
    *,
    held_out: Sequence[Case],
    watch: Sequence[CardAttribute] | None,
    are_classes: bool,
    notices: Sequence[str] = (),
    progress: ProgressHook,
    data: str | None = None,
    rehearsed: int = 0,
) -> Run:
    """Read the cases and put together what a training is made of.

    See :func:`napari_dmoe.training.loop.fit.fit` for the arguments.

    Raises
    ------
    TrainingError
        For cases and settings that cannot be trained with.
    """
    card, data = loaded.card, checked(data)
    _check_augmentation(card, settings)
    device = team_now().device(str(choose_device(settings.device).device))
    settings = settings.model_copy(update={"device": device})
    how = settings.unknown_drivers
    usable = trainable(cases, card, unknown=how, is_first=not was_trained(loaded))
    if is_new(card, is_fine_tuned=bool(loaded.sha256)):
        rehearsed = 0  # a model that nothing trained has not seen them
    rehearsed = sum(place >= len(cases) - rehearsed for place in usable.places)
    read = _read(
        loaded,
        usable.cases,
        held_out,
        settings,
        are_classes=are_classes,
        progress=progress,
    )
    pool = read.pool
    attributes = card.attributes if watch is None else tuple(watch)
    by = _grouped_by(settings, attributes, pool.patients)
    in_training = torch.from_numpy(crossed(pool.patients, by)[1])
    whole = filled(loaded, pool, read.watched, settings, progress=progress)
    measured = _measured(whole, settings, kind=read.kind, attributes=attributes, by=by)
    n_steps, together = settings.steps_per_epoch, settings.batch * settings.accumulate
    groups = groups_of(pool.patients, attributes)
    n_new = len(pool) - rehearsed
    images = shown(
        pool.phantoms[:n_new],
        altered=sum(pool.altered[:n_new]),
        table=table_of(cases),
        stated=data,
        began=began_from(loaded.notices),
    )
    return Run(
        loaded,
        settings,
        pool=whole.pool,
        as_read=(pool, read.watched),
        sampler=Sampler(in_training, settings.sampling, n_steps and n_steps * together),
        measured=measured,
        images=images,
        rehearsed=rehearsed,
        kept_classes=whole.notices,
        notices=[
            *usable.notices,
            *read.labels,
            *notices,
            *read.notices,
            *(measured.notices if measured else ()),
            *whole.notices,
            *_of_another(loaded, images),
            *_notices(settings, groups, is_measured=measured is not None),
            *values_without_cases(pool.patients, card),
        ],
    )


class _Read(NamedTuple):
    """Cases as they were read: those to train on, and what is measured beside them."""

    pool: Pool
    watched: Pool | None
    kind: Kind
    labels: tuple[str, ...]
    """What was understood of the labels."""
    notices: tuple[str, ...]


def _read(
    loaded: LoadedModel,
    cases: Sequence[Case],
    held_out: Sequence[Case],
    settings: TrainSettings,
    *,
    are_classes: bool,
    progress: ProgressHook,
) -> _Read:
    """Read cases; nothing that is measured is trained on, too, where that can be."""
    card = loaded.card
    annotation = Annotation(
        settings.unlabelled, settings.background, settings.annotated == "slices"
    )
    reading = annotation.reading(card.classes)
    read = partial(
        read_pool,
        card=card,
        n_channels=loaded.config.in_channels,
        annotation=annotation,
        reading=None if are_classes else reading,
        progress=progress,
    )
    pool = read(cases, may_be_unknown=settings.unknown_drivers != "leave-out")
    watched: Pool | None = (
        read(held_out, may_be_unknown=True) if len(held_out) else None
    )
    _check_labels(reading)
    _check_foreground(pool, card)
    apart = without_leaks(pool, watched)
    watched = apart.watched
    if watched is None:
        pool, watched = _without_slices(pool, settings)
    return _Read(pool, watched, apart.kind, tuple(reading.notices), apart.notices)


def _measured(
    whole: Filled,
    settings: TrainSettings,
    *,
    kind: Kind,
    attributes: Sequence[CardAttribute],
    by: Sequence[CardAttribute],
) -> Measured | None:
    """Return what is measured after each epoch, if anything is."""
    if whole.watched is not None:
        return measured_beside(
            whole.pool,
            whole.watched,
            kind=kind,
            attributes=attributes,
            by=by,
            sampling=settings.sampling,
            unmeasured=whole.unmeasured,
        )
    if settings.sampling == "worst-group":
        raise TrainingError(
            "sampling by the worst group needs held-out cases to find it: hold some "
            "out, or balance the groups instead"
        )
    return None


def _of_another(loaded: LoadedModel, images: Shown) -> list[str]:
    """Say that a new model's card takes over nothing that is said of another."""
    is_first = is_new(loaded.card, is_fine_tuned=bool(loaded.sha256))
    if not is_first or not tells_of_another(loaded.card, images):
        return []
    return [
        "what the recipe or card states of images, licences and use is of another "
        "training, and the new model's card does not repeat it"
        + ("" if images.stated else ": say what the images are with --data")
    ]


def _check_augmentation(card: ModelCard, settings: TrainSettings) -> None:
    kinds = {2: VolumeAugmentSettings, 3: AugmentSettings}
    if isinstance(settings.augmentation, kinds[card.dims]):
        raise TrainingError(
            f"the model takes {'planes' if card.dims == 2 else 'volumes'}, but the "
            f"augmentation is one for {settings.augmentation.kind}: use fuller, "
            "published, or none"
        )


def _check_labels(reading: LabelReading) -> None:
    try:
        reading.check()
    except CohortError as error:
        raise TrainingError(str(error)) from error


def _check_foreground(pool: Pool, card: ModelCard) -> None:
    if not any(((part > 0) & (part != IGNORED)).any() for part in pool.labels):
        raise TrainingError(
            "no case shows anything but background: label some "
            f"{' or '.join(card.classes[1:])} first"
        )


def _without_slices(pool: Pool, settings: TrainSettings) -> tuple[Pool, Pool | None]:
    """Hold out slices where that is asked for, or no cases could be."""
    if isinstance(pool, VolumePool):
        is_open = settings.hold_out == "auto" and len(pool) < ENOUGH_CASES
        if is_open or settings.hold_out == "slices":
            return hold_out_slices(pool, settings)
    elif settings.hold_out == "slices":
        raise TrainingError("planes have no slices to hold out: hold out cases")
    return pool, None


def _grouped_by(
    settings: TrainSettings,
    attributes: Sequence[CardAttribute],
    patients: Sequence[Patient],
) -> tuple[CardAttribute, ...]:
    if settings.group_by is None:
        return tuple(attributes)
    names = [name.strip() for name in settings.group_by.split(",") if name.strip()]
    return attributes_named(names, attributes, patients)


def _notices(
    settings: TrainSettings, groups: Groups, *, is_measured: bool
) -> list[str]:
    notices = [
        f"{name} has one case only: what is learnt of it may be that case"
        for name, n in zip(groups.names, groups.members.sum(0), strict=True)
        if n == 1
    ]
    if settings.patience is not None and not is_measured:
        notices.append("nothing is held out, so that training cannot stop early")
    if settings.mixed_precision and not mixes_precision(settings.device):
        notices.append(
            "mixed precision is for CUDA devices with bfloat16, which "
            f"{settings.device} is not: 32 bits are used"
        )
    return notices
