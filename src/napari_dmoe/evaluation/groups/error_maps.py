"""Where masks are wrong, by group: mean maps of what is missed and what is too much.

Images differ in size, so every case is brought onto one common grid. How is always the
same, and :attr:`ErrorMaps.how` says it: nothing is registered or mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.evaluation.groups.membership import people
from napari_dmoe.evaluation.groups.table import group_order
from napari_dmoe.evaluation.scoring.mask_pair import MetricError
from napari_dmoe.inference.masks.truth import says
from napari_dmoe.progress import Progress, ProgressHook, silent

Mask = NDArray[np.integer]
Pair = tuple[Mask, Mask]
"""A prediction and its truth, (*S) each, one class a pixel."""

SIDE = 128
"""Samples of the common grid along y and x."""

_LEAST_SIDE = 8
_AXES = ("z", "y", "x")


@dataclass(frozen=True)
class GroupMaps:
    """Mean maps of one group."""

    name: str
    n: int
    """Cases that they are the mean of."""
    missed: NDArray[np.float32]
    """(*G) share of the cases in which a place of the region is missed, in [0, 1]:
    false negatives."""
    too_much: NDArray[np.float32]
    """The same of what is found beyond the region: false positives."""


@dataclass(frozen=True)
class ErrorMaps:
    """Where a region is missed, and found beyond itself, by group."""

    groups: tuple[GroupMaps, ...]
    """Groups with a case that has both masks, in order."""
    shape: tuple[int, ...]
    """Of the common grid, along y and x, or z, y and x."""
    how: str
    """How cases were brought onto the grid, in sentences."""
    notes: tuple[str, ...] = ()
    """What was left out, in sentences."""

    @property
    def most(self) -> float:
        """The largest share of all maps, for one scale of colours."""
        return max(
            (float(m.max()) for g in self.groups for m in (g.missed, g.too_much)),
            default=0.0,
        )


def mean_error_maps(
    read: Callable[[int], Pair | None],
    groups: Sequence[str | None],
    labels: Sequence[int],
    *,
    n_classes: int,
    expected: Sequence[str] = (),
    side: int = SIDE,
    progress: ProgressHook = silent,
) -> ErrorMaps:
    """Return the mean maps of false negatives and false positives of each group.

    Parameters
    ----------
    read : callable
        From a case's place to its prediction and truth, (H, W) or (D, H, W) integer
        arrays of one shape; None where it has not both. Called once a case, so that
        memory stays flat.
    groups : sequence of str or None
        Each case's group; cases without one are not read.
    labels : sequence of int
        The classes of the region.
    n_classes : int
        Number of classes, background included: a truth of 255 beyond them says nothing.
    expected : sequence of str
        Groups in their order; others follow by name.
    side : int
        Samples of the grid along y and x. Along z there are as many as the first case
        has, `side` at the most.
    progress : callable
        Told after every case; may raise ``Cancelled``.

    Returns
    -------
    ErrorMaps
        Groups without a case that could be read are named in its notes.

    Raises
    ------
    MetricError
        When the two masks of a case differ in shape, or cases in their number of axes.

    Notes
    -----
    Each sample of the grid holds the share of its own area (or volume) in which the
    case is wrong, so that the mean over the grid is that over the pixels. The mean over
    cases weighs each case alike, whatever its size.
    """
    if side < _LEAST_SIDE:
        raise MetricError(f"a grid of {side} samples: use {_LEAST_SIDE} or more")
    own = people(groups)
    names = group_order(own, [name for name in people(expected) if name is not None])
    sums: dict[str, NDArray[np.float64]] = {}
    counts = dict.fromkeys(names, 0)
    shape: tuple[int, ...] = ()
    places = [place for place, name in enumerate(own) if name is not None]
    for done, place in enumerate(places):
        progress(Progress(done, len(places), "reading masks"))
        pair, name = read(place), own[place]
        if pair is None or name is None:
            continue
        shape = shape or _grid_of(pair[1].shape, side)
        found = _errors(pair, labels, n_classes, shape)
        sums[name] = sums[name] + found if name in sums else found
        counts[name] += 1
    progress(Progress(len(places), len(places), "done"))
    made = tuple(
        GroupMaps(name, counts[name], *(sums[name] / counts[name]).astype(np.float32))
        for name in names
        if counts[name]
    )
    return ErrorMaps(made, shape, _said(shape), _notes(counts, len(places), len(own)))


def _grid_of(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    if len(shape) not in (2, 3):
        raise MetricError(
            f"masks with {len(shape)} axes: expected planes (y, x) or volumes (z, y, x)"
        )
    return (*(min(n, side) for n in shape[:-2]), side, side)


def _errors(
    pair: Pair, labels: Sequence[int], n_classes: int, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return what is missed and what is too much, (2, *G) shares of each sample."""
    predicted, truth = pair
    if predicted.shape != truth.shape:
        raise MetricError(
            f"the prediction has {predicted.shape} pixels, but the truth has "
            f"{truth.shape}: compare masks on the same grid"
        )
    if truth.ndim != len(shape):
        raise MetricError(
            f"a mask of {truth.ndim} axes among masks of {len(shape)}: planes and "
            "volumes have no grid in common"
        )
    ours, theirs = np.isin(predicted, labels), np.isin(truth, labels)
    said = says(truth, n_classes)
    return np.stack(
        [onto_grid(wrong & said, shape) for wrong in (theirs & ~ours, ours & ~theirs)]
    )


def onto_grid(mask: NDArray[np.bool_], shape: Sequence[int]) -> NDArray[np.float64]:
    """Return the share of each sample of a grid that a mask fills.

    Parameters
    ----------
    mask : (*S) bool array
        Of pixels that tile the same area as the grid.
    shape : sequence of int
        Samples of the grid along each axis.

    Returns
    -------
    (*G) float64 array
        In [0, 1]; its mean is that of the mask.

    Examples
    --------
    >>> onto_grid(np.array([[True, False, False, False]]), (1, 2)).tolist()
    [[0.5, 0.0]]
    """
    if not mask.any():
        return np.zeros(tuple(shape))
    box = _box(mask)  # most of a volume is right: what is not takes a small part
    found = mask[box].astype(np.float64)
    for axis, (n, m) in enumerate(zip(mask.shape, shape, strict=True)):
        weights = _weights(n, m)[:, box[axis]]
        found = np.moveaxis(np.tensordot(weights, found, (1, axis)), 0, axis)
    return found


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around what is true of a mask."""
    slices, inner = [], mask
    for axis in range(mask.ndim):
        others = tuple(each for each in range(mask.ndim) if each != axis)
        there = np.flatnonzero(inner.any(others))
        slices.append(slice(int(there[0]), int(there[-1]) + 1))
        inner = inner[(slice(None),) * axis + (slices[-1],)]
    return tuple(slices)


@lru_cache(maxsize=64)
def _weights(n: int, m: int) -> NDArray[np.float64]:
    """Return how much of each of m samples each of n pixels fills, (m, n); rows sum 1.

    Pixel i reaches from i / n to (i + 1) / n of the whole, sample j likewise.
    """
    pixels, samples = np.arange(n + 1) / n, np.arange(m + 1) / m
    low = np.maximum(samples[:-1, None], pixels[None, :-1])
    high = np.minimum(samples[1:, None], pixels[None, 1:])
    return np.asarray(np.clip(high - low, 0, None) * m)


def _said(shape: tuple[int, ...]) -> str:
    if not shape:
        return ""
    listed, is_flat = " x ".join(map(str, shape)), len(shape) == 2
    whole, part = ("image", "area") if is_flat else ("volume", "volume")
    return (
        f"Each case's whole {whole} was stretched onto {listed} samples "
        f"({', '.join(_AXES[-len(shape) :])}), of which each holds the share of its "
        f"{part} that is wrong; every case weighs alike. Nothing was registered or "
        "mirrored."
    )


def _notes(counts: dict[str, int], n_known: int, n: int) -> tuple[str, ...]:
    empty = [name for name, count in counts.items() if not count]
    n_unread = n_known - sum(counts.values())
    said = {
        f"no case with both masks: {', '.join(empty)}": empty,
        f"cases without a truth or a prediction, left out: {n_unread}": n_unread,
        f"cases left out, because their group is not known: {n - n_known}": n - n_known,
    }
    return tuple(sentence for sentence, applies in said.items() if applies)
