"""Classes that no training case shows: a model would unlearn them, so they are kept.

Labels of a disc without its cup say of every pixel of the cup that it is none. Where
the model that training starts from finds such a class, its own finding is the label.
So it is of the background where strokes show none of it, but only beside the strokes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor

from napari_dmoe.models.card import ModelCard
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook, silent
from napari_dmoe.training.cases.annotation import IGNORED, TrainingError
from napari_dmoe.training.cases.pool import Pool
from napari_dmoe.training.cases.volumes import VolumePool
from napari_dmoe.training.facts.card_facts import is_new
from napari_dmoe.training.loop.evaluation import found_labels
from napari_dmoe.training.settings import TrainSettings

_MOST_NAMED = 5


@dataclass(frozen=True)
class Filled:
    """Cases whose labels lack no class of the model that could be unlearnt.

    Parameters
    ----------
    pool, watched : Pool
        What to train on, and what is measured, if anything.
    unmeasured : tuple of int
        Classes that neither show: their Dice says nothing.
    notices : tuple of str
        What a person should be told.
    """

    pool: Pool
    watched: Pool | None
    unmeasured: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()


def filled(
    loaded: LoadedModel,
    pool: Pool,
    watched: Pool | None,
    settings: TrainSettings,
    *,
    progress: ProgressHook = silent,
) -> Filled:
    """Return the cases with the classes that none shows kept, as the settings say.

    In the measured cases such a class is not annotated where the model finds it, unless
    these show it. `progress` is told after each case that the model looks at.

    Raises
    ------
    TrainingError
        When a class is shown by no case, and the settings say so, or the model is new
        and everything is annotated.
    """
    card = loaded.card
    absent = (*_bare(pool), *_absent(pool, card))
    lacks = () if watched is None else _absent(watched, card)
    unmeasured = tuple(k for k in lacks if k in absent)
    notices = []
    if missed := tuple(k for k in lacks if k not in absent):
        notices.append(
            f"no held-out case shows any {_named(missed, card)}: nothing is known of "
            "how well that is found"
        )
    if not absent:
        return Filled(pool, watched, notices=tuple(notices))
    named = _named(absent, card)
    if settings.absent_classes == "learn":
        notices.append(
            f"no case shows any {named}: the model learns to find none, as "
            "absent_classes is learn"
        )
        return Filled(pool, watched, notices=tuple(notices))
    if is_new(card, is_fine_tuned=bool(loaded.sha256)):
        if not _is_whole(pool):
            notices.append(
                f"no case shows any {named}, and not everything is annotated: the new "
                "model cannot find what it was never shown"
            )
            return Filled(pool, watched, notices=tuple(notices))
        raise TrainingError(
            f"no case shows any {named}, so that a new model cannot learn it: label "
            "it, leave it out of the classes of the recipe or card, or set "
            "absent_classes to learn"
        )
    if settings.absent_classes == "stop":
        raise TrainingError(
            f"no case shows any {named}, so that the model would unlearn it: label it, "
            "or set absent_classes to keep it where the model finds it now"
        )
    notices += _kept(absent, card)
    found = partial(_with_found, loaded, settings=settings, progress=progress)
    return Filled(
        found(pool, absent),
        watched and found(watched, unmeasured, is_ignored=True),
        unmeasured,
        tuple(notices),
    )


def _absent(pool: Pool, card: ModelCard) -> tuple[int, ...]:
    """Return the classes but the background that no case shows."""
    there = {int(k) for labels in pool.labels for k in labels.unique()}
    return tuple(k for k in range(1, len(card.classes)) if k not in there)


def _bare(pool: Pool) -> tuple[int, ...]:
    """Return the background where none is annotated, and not everything is."""
    is_shown = any((labels == 0).any() for labels in pool.labels)
    return () if is_shown or _is_whole(pool) else (0,)


def _is_whole(pool: Pool) -> bool:
    """Whether everything that the pictures show is annotated."""
    return not any(
        (labels[pool.shown(place)] == IGNORED).any()
        for place, labels in enumerate(pool.labels)
    )


def _kept(absent: Sequence[int], card: ModelCard) -> list[str]:
    """Say which classes are kept, and where."""
    said, found = [], "it is kept where the model finds it now"
    if 0 in absent:
        said.append(
            f"no case shows any {card.classes[0]}: {found} and nothing is annotated. "
            "Annotate some of it to teach where it is"
        )
    if others := [k for k in absent if k]:
        said.append(
            f"no case shows any {_named(others, card)}: {found}, whatever the labels "
            "say there. If they are right in that there is none, set absent_classes "
            "to learn"
        )
    return said


def _named(numbers: Sequence[int], card: ModelCard) -> str:
    names = [card.classes[number] for number in numbers]
    more = len(names) - _MOST_NAMED
    if more > 0:
        return f"{', '.join(names[:_MOST_NAMED])} or {more} other classes"
    return " or ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)


@torch.no_grad()  # tensors of inference_mode could not be trained on
def _with_found(
    loaded: LoadedModel,
    pool: Pool,
    classes: Sequence[int],
    *,
    settings: TrainSettings,
    progress: ProgressHook,
    is_ignored: bool = False,
) -> Pool:
    """Return cases labelled as some classes where a model finds these.

    Where it finds one, `is_ignored` leaves the pixel without any label instead. What
    is not annotated stays so, but for the background; what is annotated never becomes
    background.
    """
    if not classes:
        return pool
    network = copy.deepcopy(loaded.module).to(settings.device).eval()
    kept = torch.tensor([k for k in classes if k])
    parts: list[Tensor] = []
    for chosen in torch.arange(len(pool)).split(1 if pool.patch else settings.batch):
        images, labels = pool.whole(chosen)
        found = found_labels(
            network,
            images.to(settings.device),
            pool.category[chosen] if loaded.config.n_routers else None,
            card=loaded.card,
            patch=pool.seen_patch,
            batch=settings.batch,
        )
        is_kept = torch.isin(found, kept) & (labels != IGNORED)
        if 0 in classes:
            is_bare = (found == 0) & (labels == IGNORED)
            for place, bare in zip(chosen.tolist(), is_bare, strict=True):
                padding = torch.ones_like(bare)
                padding[pool.shown(place)] = False
                bare &= ~padding
            is_kept |= is_bare
        new = torch.full_like(labels, IGNORED) if is_ignored else found.to(labels.dtype)
        parts += labels.where(~is_kept, new).unbind()
        told = "finding the classes that no case shows"
        progress(Progress(len(parts), len(pool), told))
    if isinstance(pool, VolumePool):
        return replace(pool, labels=tuple(map(pool.turned_back, parts)))
    return cast("Pool", replace(pool, labels=torch.stack(parts)))
