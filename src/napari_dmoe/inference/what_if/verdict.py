"""Whether an attribute matters for an image: what its values change, by a yardstick.

Pure arithmetic on masks. What changes is told as a share of a structure, as pixels of
the picture say nothing of it; it is held against what changes without any reason: a
mask moved by one pixel, and what the model makes of a picture moved by one. Nothing is
run here; :mod:`napari_dmoe.inference.what_if.yardstick` does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Says = Literal["untold", "absent", "unsure", "none", "hardly", "alike", "matters"]
"""``untold``: fewer than two trained values; ``absent``: no value finds anything;
``unsure``: the yardstick is so large that nothing could matter, as of a tiny structure;
``none``: all masks are the same; ``hardly``: less than the yardstick; ``alike``: about
as much; ``matters``: at least :data:`CLEARLY` times as much."""

CLEARLY = 2.0
"""So many times the yardstick matters. Values that decide nothing differ about as much
as runs on a moved picture do, once more and once less; a border that moves by two
pixels has left its pixel."""

_AT_ONCE = 1 << 20  # pixels whose overlaps are counted together, exactly in float32


@dataclass(frozen=True)
class Yardstick:
    """What changes of each class but the background without any reason, 0 to 1."""

    shift: tuple[float, ...]
    """When the largest mask is moved by one pixel; NaN for a class that is absent."""
    rerun: tuple[float, ...]
    """When the model is run on the picture moved by one pixel, with noise on its gates;
    empty where it was not."""
    pixel: tuple[float, ...]
    """How far a pixel moves along each axis, in pixels of the image: at least 1, more
    where the network sees the image smaller."""
    value: str
    """The value that was run again."""
    n_reruns: int
    """Pictures that were moved and run."""

    def of(self, place: int) -> float:
        """Return the larger of both for a class, by its place; NaN for none."""
        found = [each[place] for each in (self.shift, self.rerun) if each]
        return max((each for each in found if not math.isnan(each)), default=math.nan)


@dataclass(frozen=True)
class StructureChange:
    """How much of one class changes between values."""

    name: str
    share: float
    """Of the pixels that either of two values gives the class, those that only one of
    them does, 0 to 1: 1 - IoU of the two values that are farthest apart. NaN where no
    value has the class."""
    between: tuple[str, str]
    """These two values."""
    dice: float
    """Dice between them: the lowest of all pairs."""
    dice_own: float
    """The lowest Dice to what values are compared with, such as the patient's own."""
    yardstick: float
    """What of it a shift by one pixel changes, 0 to 1."""
    n_pixels: int
    """How large it is for the value with most of it."""
    absent: tuple[str, ...]
    """Values for which none of it is found, although others have it."""
    by_attribute: tuple[float, ...] = ()
    """For pairs of two attributes: what each changes while the other stays."""

    @property
    def times(self) -> float:
        """How many times the yardstick it is; NaN where no value has the class."""
        if math.isnan(self.share) or not self.share:
            return self.share
        return self.share / self.yardstick if self.yardstick > 0 else math.inf

    @property
    def says(self) -> Says:
        """Whether the attribute matters for this class."""
        if math.isnan(self.share):
            return "absent"
        return "unsure" if self.is_unsure and self.share else said(self.times)

    @property
    def is_unsure(self) -> bool:
        """Whether not even a change of all of it would matter by the yardstick."""
        return self.yardstick * CLEARLY > 1

    @property
    def pixels_of_yardstick(self) -> float:
        """How many pixels of it change without any reason; 0 for an absent class."""
        return 0.0 if math.isnan(self.yardstick) else self.yardstick * self.n_pixels


@dataclass(frozen=True)
class Verdict:
    """Whether what was swept matters for this image and this patient."""

    structures: tuple[StructureChange, ...]
    """One for each class but the background."""
    yardstick: Yardstick
    values: tuple[str, ...]
    """The values that count: those that some training case had."""
    left_out: tuple[str, ...]
    """Values that no training case had: their masks say nothing."""

    @property
    def lead(self) -> StructureChange | None:
        """The class that changes most by its yardstick; None where nothing is found.

        One whose yardstick is too large for any verdict comes last.
        """
        found = [each for each in self.structures if not math.isnan(each.share)]
        return max(found, key=lambda e: (not e.is_unsure, e.times), default=None)

    @property
    def says(self) -> Says:
        """What is said of the attribute, in a word."""
        if len(self.values) < 2:
            return "untold"
        return "absent" if self.lead is None else self.lead.says

    def is_small(self, n_pixels: int, names: Sequence[str]) -> bool:
        """Say whether a region of these classes is smaller than what a yardstick makes.

        It is held against the least of them, so that nothing large is called small.
        """
        least = [s.pixels_of_yardstick for s in self.structures if s.name in names]
        return bool(least) and n_pixels < min(least)


def said(times: float) -> Says:
    """Return what so many times the yardstick mean."""
    if not times:
        return "none"
    if times < 1:
        return "hardly"
    return "alike" if times < CLEARLY else "matters"


def judge(
    masks: Sequence[tuple[str, NDArray[np.uint8]]],
    *,
    classes: Sequence[str],
    dice_own: Sequence[Sequence[float]],
    untrained: Sequence[str],
    yardstick: Yardstick,
    shape: Sequence[int] = (),
) -> Verdict:
    """Say how much of each class the values change.

    Parameters
    ----------
    masks : sequence of (str, (*S) uint8 array)
        The masks of all values, and their names.
    classes : sequence of str
        Class names, background first.
    dice_own : sequence of sequence of float
        Dice of each value to what all are compared with, for each class but the
        background; NaN where neither has it.
    untrained : sequence of str
        Names of values that no training case had; they count for nothing.
    yardstick : Yardstick
        What changes without any reason.
    shape : sequence of int
        Number of values of each of two attributes, the last running fastest.
    """
    names = [name for name, _ in masks]
    kept = [i for i, name in enumerate(names) if name not in untrained]
    shares, sizes = pair_shares([masks[i][1] for i in kept], len(classes))
    changes = []
    for place, name in enumerate(classes[1:]):
        one, two = _farthest(shares[place])
        share = float(shares[place][one, two]) if kept else math.nan
        own = [dice_own[i][place] for i in kept]
        absent = [names[kept[i]] for i, n in enumerate(sizes[place]) if not n]
        changes.append(
            StructureChange(
                name=name,
                share=share,
                between=(names[kept[one]], names[kept[two]]) if kept else ("", ""),
                dice=2 * (1 - share) / (2 - share),
                dice_own=min((d for d in own if not math.isnan(d)), default=math.nan),
                yardstick=yardstick.of(place),
                n_pixels=int(sizes[place].max(initial=0)),
                absent=tuple(absent) if len(absent) < len(kept) else (),
                by_attribute=_alone(shares[place], kept, shape),
            )
        )
    left_out = tuple(name for name in names if name in untrained)
    counted = tuple(names[i] for i in kept)
    return Verdict(tuple(changes), yardstick, counted, left_out)


def farthest_of(shares: NDArray[np.float64], n: int) -> float:
    """Return the largest share among n masks, on average over all choices of them.

    `shares` are those of all pairs, (V, V), without NaN. Of more masks two are farther
    apart: V values are to be held against as many.
    """
    n_masks = len(shares)
    if n_masks < 2:
        return 0.0
    choices = itertools.combinations(range(n_masks), max(2, min(n, n_masks)))
    return float(np.mean([shares[np.ix_(each, each)].max() for each in choices]))


def _farthest(shares: NDArray[np.float64]) -> tuple[int, int]:
    """Return the pair that is farthest apart; the first of several."""
    if not shares.size:
        return 0, 0
    flat = int(np.nan_to_num(shares, nan=-1.0).argmax())
    one, two = divmod(flat, len(shares))
    return min(one, two), max(one, two)


def _alone(
    shares: NDArray[np.float64], kept: Sequence[int], shape: Sequence[int]
) -> tuple[float, ...]:
    """Return what each of two attributes changes at most while the other stays."""
    if len(shape) != 2:
        return ()
    places = np.array([divmod(i, shape[1]) for i in kept]).reshape(-1, 2)
    found = []
    for varied in (0, 1):
        stays = places[:, 1 - varied]
        same = stays[:, np.newaxis] == stays
        within = shares[same & ~np.isnan(shares)]
        found.append(float(within.max()) if within.size else math.nan)
    return tuple(found)


def pair_shares(
    masks: Sequence[NDArray[np.uint8]], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how much of each class every two masks do not share, and its sizes.

    Parameters
    ----------
    masks : sequence of (*S) uint8 array
        V masks of one image.
    n_classes : int
        K classes, background included.

    Returns
    -------
    shares : (K - 1, V, V) float64 array
        ``1 - |A and B| / |A or B|``; NaN where neither has the class.
    sizes : (K - 1, V) int64 array
        Pixels of each class in each mask.

    Notes
    -----
    Where all masks agree, they are counted once; only the rest is held against each
    other, so that many values of a large volume cost little.
    """
    n = len(masks)
    both = np.zeros((n_classes - 1, n, n))
    if n:
        split = np.zeros(masks[0].shape, bool)
        for mask in masks[1:]:
            split |= mask != masks[0]
        agreed = masks[0][~split]
        rest = np.stack([mask[split] for mask in masks])
        for place in range(n_classes - 1):
            both[place] += np.count_nonzero(agreed == place + 1)
            for begin in range(0, rest.shape[1], _AT_ONCE):
                part = rest[:, begin : begin + _AT_ONCE] == place + 1
                rows = part.astype(np.float32)
                both[place] += rows @ rows.T
    sizes = np.diagonal(both, axis1=1, axis2=2)
    either = sizes[:, :, np.newaxis] + sizes[:, np.newaxis, :] - both
    shares = np.full_like(both, math.nan)
    np.divide(either - both, either, out=shares, where=either > 0)
    return shares, sizes.astype(np.int64)


def shift_share(mask: NDArray[np.bool_], pixel: Sequence[float]) -> float:
    """Return how much of a structure changes when it is moved by one pixel.

    Parameters
    ----------
    mask : (..., *S) bool array
        Where it is; the last axes are those of space, others hold further planes.
    pixel : sequence of float
        How far a pixel is along each of these axes.

    Returns
    -------
    float
        ``1 - IoU`` of the mask and the moved one, the mean over the axes, 0 to 1; NaN
        for an empty mask. At least that of a square or cube of its size, the least that
        there is: a border at the picture's edge does not move.

    References
    ----------
    Loomis and Whitney 1949, doi 10.1090/S0002-9904-1949-09320-5.
    """
    n = int(np.count_nonzero(mask))
    if not n:
        return math.nan
    n_axes = len(pixel)
    moved = float(np.mean([_moved(mask, k - n_axes, d) for k, d in enumerate(pixel)]))
    others = tuple(range(mask.ndim - n_axes, mask.ndim))
    n_planes = int(np.count_nonzero(mask.any(others)))
    return max(moved, _of_cube(n / n_planes, float(np.mean(pixel)), n_axes))


def _moved(mask: NDArray[np.bool_], axis: int, by: float) -> float:
    """Return 1 - IoU after a move along an axis; between whole pixels, linearly."""
    n, whole, part = int(np.count_nonzero(mask)), int(by), by % 1
    changed = (1 - part) * _changed(mask, axis, whole)
    if part:
        changed += part * _changed(mask, axis, whole + 1)
    return 2 * changed / (2 * n + changed)


def _changed(mask: NDArray[np.bool_], axis: int, by: int) -> int:
    along = np.moveaxis(mask, axis, 0)
    by = min(by, len(along))
    return int(np.count_nonzero(along[by:] ^ along[: len(along) - by]))


def _of_cube(n_pixels: float, by: float, n_axes: int) -> float:
    """Return 1 - IoU of a square or cube of so many pixels and one moved along a side.

    Nothing of its size has a smaller mean shadow along the axes (Loomis and Whitney).
    """
    side = math.pow(n_pixels, 1 / n_axes)
    return min(1.0, 2 * by / (side + by))
