"""What a run did, as the record that goes with its result."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from napari_dmoe.imaging.fitting import Fit
from napari_dmoe.imaging.parts import Keep
from napari_dmoe.imaging.spatial import Grid, SpatialImage
from napari_dmoe.inference.results.provenance import (
    ControlRecord,
    FocusRecord,
    ImageRecord,
    ModelRecord,
    Provenance,
    now,
    pixels_sha256,
    versions,
)
from napari_dmoe.inference.running.forward import Forward
from napari_dmoe.models.gating import ExpertControl

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


def provenance_of(
    forward: Forward,
    image: SpatialImage,
    labels: NDArray[np.uint8],
    *,
    grid: Grid,
    seen: tuple[slice, ...],
    fit: Fit | None = None,
    focus: FocusRecord | None = None,
    keep: Keep | None = None,
    fill: bool | None = None,
    input_sha256: str,
    notices: Iterable[str],
    swept: tuple[str, ...] = (),
) -> Provenance:
    """Return the record of a run, with labels along the axes of the image.

    `grid` is where the network's samples lie in the image, and `seen` the part of it
    that the network saw, in the order of `grid`; `fit` is how a plane met it, `focus`
    how a first pass decided that, and `keep` and `fill` what was made of its mask;
    `swept` are attributes whose other values were run in the same batches.
    """
    loaded = forward.loaded
    record = Provenance(
        created=now(),
        versions=versions(),
        device=f"{forward.batches.device}: {forward.device.reason}",
        model=ModelRecord(
            card=loaded.card.name,
            title=loaded.card.title,
            architecture=loaded.architecture,
            file=loaded.source,
            sha256=loaded.sha256,
            notice=loaded.card.notice,
            class_spans=loaded.card.training.class_spans,
        ),
        drivers=forward.choice.drivers,
        image=image_record(image, input_sha256),
        settings=forward.settings.model_dump(mode="json"),
        classes=loaded.card.classes,
        grid=grid_record(grid),
        seen=seen_record(seen),
        fit=fit,
        focus=focus,
        keep=keep,
        fill=fill,
        notices=(
            *loaded.notices,
            *forward.choice.notices,
            *notices,
            *forward.notices,
            *forward.choice.unused_notices,
        ),
        threads=torch.get_num_threads(),
        experts=control_record(*forward.choice.experts[:1]),
        swept=swept,
    )
    return record.model_copy(update={"labels_sha256": record.sha256_of(labels)})


def grid_record(grid: Grid) -> dict[str, tuple[float, ...]]:
    """Return the record of a grid."""
    return {"shape": grid.shape, "start": grid.start, "step": grid.step}


def seen_record(seen: Iterable[slice]) -> tuple[tuple[int, int], ...]:
    """Return the record of the part of an image that a network saw."""
    return tuple((part.start, part.stop) for part in seen)


def image_record(image: SpatialImage, input_sha256: str = "") -> ImageRecord:
    """Return the record of an image, which may not have been prepared yet."""
    return ImageRecord(
        shape=tuple(image.data.shape),
        axes=image.axes,
        dtype=str(image.data.dtype),
        affine=tuple(map(tuple, image.affine.tolist())),
        unit=image.unit,
        input_sha256=input_sha256,
        pixels_sha256=pixels_sha256(image.data),
        channel=image.channel,
    )


def said_once(notices: Iterable[str]) -> tuple[str, ...]:
    """Fold notices that differ in their numbers alone, as those of many planes do.

    The first of each kind stays, with a word on how many more there were.

    Examples
    --------
    >>> said_once(["values reach 300", "values reach 301", "the image is constant"])
    ('values reach 300 (and likewise 1 more time)', 'the image is constant')
    """
    kinds: dict[str, list[str]] = {}
    for notice in notices:
        same = kinds.setdefault(_NUMBER.sub("#", notice), [])
        if notice not in same:
            same.append(notice)
    return tuple(_folded(*same) for same in kinds.values())


def _folded(first: str, *more: str) -> str:
    if not more:
        return first
    times = "time" if len(more) == 1 else "times"
    return f"{first} (and likewise {len(more)} more {times})"


def control_record(*experts: ExpertControl | None) -> ControlRecord | None:
    """Return the record of an intervention; None where nothing was changed."""
    control = experts[0] if experts else None
    if control is None or not (control.mute or control.pin):
        return None

    def order(entry: tuple[int | None, int]) -> tuple[int, int]:
        block, expert = entry
        return -1 if block is None else block, expert

    return ControlRecord(
        mute=tuple(sorted(control.mute, key=order)),
        pin=tuple(sorted(control.pin.items(), key=order)),
    )
