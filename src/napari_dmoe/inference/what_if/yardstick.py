"""What a sweep's verdict is held against: a picture that moved by a pixel, run again.

Nothing of the patient is another on it, so whatever changes has no reason. The mask
that is moved by one pixel itself needs no run; see
:func:`napari_dmoe.inference.what_if.verdict.shift_share`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.spatial import SpatialImage
from napari_dmoe.inference.results.routing import NO_ROUTING
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.running.drivers import RouterChoice
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.inference.running.variants import segment_variants
from napari_dmoe.inference.what_if.verdict import (
    Yardstick,
    farthest_of,
    pair_shares,
    shift_share,
)
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.progress import Progress, ProgressHook

_AXIS = "moved"
_MOVES = ((0, 1), (1, 0), (1, 1))
"""Of a single plane, in its pixels: with where it was, all corners of a pixel."""


def n_moves(loaded: LoadedModel, image: SpatialImage) -> int:
    """Return how often a picture is moved and run again.

    Three times for one plane, which ride in one batch; once for a stack or a volume,
    whose many planes make up for it.
    """
    if loaded.card.dims == 3 or _n_planes(image) > 1:
        return 1
    return len(_MOVES)


def _n_planes(image: SpatialImage) -> int:
    sizes = dict(zip(image.axes, image.data.shape, strict=True))
    return math.prod(n for axis, n in sizes.items() if axis not in ("y", "x", "c"))


def moved_masks(
    loaded: LoadedModel,
    image: SpatialImage,
    choice: RouterChoice,
    settings: InferenceSettings,
    *,
    like: Segmentation,
    progress: ProgressHook,
) -> list[NDArray[np.uint8]]:
    """Run a choice of routers on the picture moved by one pixel, with noisy gates.

    The noise is that with which the gates are trained; where the settings ask for it,
    other draws follow on theirs. The masks are moved back, and lie as `like` does.
    """
    draws = settings.samples if settings.noise else 0
    noisy = settings.model_copy(update={"noise": True, "samples": max(draws, 1)})
    along = like.axes_by_frame[-len(like.grid.shape) :]
    by = dict(zip(along, map(round, pixel_of(like)), strict=True))
    moves = _MOVES if n_moves(loaded, image) > 1 else ((1,) * len(along),)
    steps = [
        {axis: n * by[axis] for axis, n in zip(along, move, strict=True)}
        for move in moves
    ]

    def said(step: Progress) -> None:
        progress(replace(step, message="image moved by one pixel"))

    found = next(
        segment_variants(
            loaded,
            _all_moved(image, steps),
            [choice.with_sample(draws)],
            noisy,
            said,
            keep=NO_ROUTING,
        )
    ).labels
    masks = found if len(steps) > 1 else found[np.newaxis]
    step = dict(zip(along, like.grid.step, strict=True))
    axes = like.axes
    return [
        _moved(mask, axes, {a: -round(n / step[a]) for a, n in move.items()})
        for mask, move in zip(masks, steps, strict=True)
    ]


def _all_moved(image: SpatialImage, steps: Sequence[dict[str, int]]) -> SpatialImage:
    """Return one moved picture, or several as a stack along an axis of its own."""
    pixels = np.asarray(image.data)
    found = [_moved(pixels, image.axes, step) for step in steps]
    if len(found) == 1:
        return replace(image, data=found[0])
    return replace(image, data=np.stack(found), axes=(_AXIS, *image.axes))


def _moved(
    samples: NDArray[Any], axes: Sequence[str], by: dict[str, int]
) -> NDArray[Any]:
    """Return samples that moved along their axes; what comes in repeats the edge."""
    for axis, n in by.items():
        if n:
            place = axes.index(axis)
            size = samples.shape[place]
            from_ = np.clip(np.arange(size) - n, 0, size - 1)
            samples = np.take(samples, from_, place)
    return samples


def yardstick_of(
    name: str,
    result: Segmentation,
    moved: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.uint8]],
) -> Yardstick:
    """Return what of each class changes without any reason.

    Parameters
    ----------
    name : str
        The value that was run on moved pictures.
    result : Segmentation
        Its result.
    moved : sequence of (*S) uint8 array
        Its masks on pictures that moved by one pixel, as :func:`moved_masks` has them.
    masks : sequence of (*S) uint8 array
        The masks of all values that count.

    Notes
    -----
    Both are shares of the largest mask of a class, as what changes between a small mask
    and a large one is mostly the large one's. Of as many moved masks as there are
    values, the two that are farthest apart count, on average over all choices of them.
    """
    n_classes = len(result.classes)
    pixel = pixel_of(result)
    steps = [p / abs(own) for p, own in zip(pixel, result.grid.step, strict=True)]
    shares, sizes = pair_shares([result.labels, *moved], n_classes)
    shift, rerun = [], []
    for place in range(n_classes - 1):
        counts = [int(np.count_nonzero(mask == place + 1)) for mask in masks]
        most = int(np.argmax(counts))
        largest = result.by_frame(masks[most]) == place + 1
        shift.append(shift_share(largest, steps))
        apart = farthest_of(np.nan_to_num(shares[place], nan=0.0), len(masks))
        rerun.append(apart * min(1.0, int(sizes[place].max()) / max(counts[most], 1)))
    return Yardstick(tuple(shift), tuple(rerun), pixel, name, len(moved))


def pixel_of(result: Segmentation) -> tuple[float, ...]:
    """Return one pixel in pixels of the image: of its own, or of the network's.

    The larger counts: what lies between a network's pixels is only filled in.
    """
    seen = result.provenance.grid["step"]
    pairs = zip(seen, result.grid.step, strict=True)
    return tuple(max(1.0, abs(float(one)), abs(float(two))) for one, two in pairs)
