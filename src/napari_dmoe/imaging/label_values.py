"""What the numbers of a mask stand for: whole numbers, one a class.

Masks are drawn, scaled and saved by many programs. Where a model has one class beside
the background, a mask of 0 and one other number, such as 255, can mean one thing only,
and so can the greys that a JPEG makes of it. Elsewhere such numbers are refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.pictures.colours import one_of_equal_channels
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage

Labels = NDArray[Any]

FULL_SCALE = (255, 65535)
"""What "white" is in masks of 8 and 16 bits."""

ROUNDING = 1e-3
"""How far a label may be from its whole number: scaled files are not exact."""

_DARK, _MIDDLE, _BRIGHT, _WHITE = 63, 128, 192, 255
_MOST_GREY = 0.1
"""Pixels between dark and bright beside a mask's edges, in shares of either side."""

_WIDE = 2**16
_PART = 2**18
"""Samples that are counted at once, unless a row has more."""


class LabelError(ValueError):
    """Labels are no whole numbers, or stand for no class."""


def whole_numbers(values: Labels) -> Labels:
    """Return labels as integers; floats may miss them by :data:`ROUNDING`.

    Raises
    ------
    LabelError
        When they have fractions, or are no numbers.
    """
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind in "ui":
        return values
    if values.dtype.kind != "f":
        raise LabelError(f"labels are whole numbers, one a class: found {values.dtype}")
    with np.errstate(invalid="ignore"):
        rounded = np.rint(values)
        is_whole = np.abs(values - rounded) <= ROUNDING
    if not is_whole.all():
        raise LabelError(
            f"labels are whole numbers, one a class, but these have fractions "
            f"({values.dtype}). Are they probabilities?"
        )
    if rounded.size and float(np.abs(rounded).max()) > np.iinfo(np.int32).max:
        raise LabelError(f"labels are small numbers: found {rounded.max():g}")
    return rounded.astype(np.int64)


def counted(values: Labels) -> dict[int, int]:
    """Return how often each label occurs, rising; part by part, to need little memory.

    `values` are integers (*S).
    """
    found: dict[int, int] = {}
    for part in _parts(values):
        least, most = int(part.min()), int(part.max())
        if most - least < _WIDE:
            shifted = part.ravel().astype(np.int64) - least
            numbers = np.bincount(shifted)
            pairs = [(int(i) + least, int(numbers[i])) for i in np.flatnonzero(numbers)]
        else:
            which, how_often = np.unique(part, return_counts=True)
            pairs = list(zip(which.tolist(), how_often.tolist(), strict=True))
        for value, n in pairs:
            found[value] = found.get(value, 0) + n
    return dict(sorted(found.items()))


def _parts(values: Labels) -> Iterator[Labels]:
    """Yield some rows or planes at a time: of each by itself it would take longer."""
    rows = np.atleast_2d(values)
    step = max(1, _PART // max(1, rows[:1].size))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        if part.size:
            yield part


def foreground_value(found: Collection[int]) -> int | None:
    """Return the one number above 1 that a mask has beside 0; None where it is else.

    Examples
    --------
    >>> foreground_value([0, 255])
    255
    >>> foreground_value([0, 1, 2]) is None
    True
    """
    others = [value for value in found if value != 0]
    return others[0] if len(others) == 1 and others[0] > 1 else None


def is_soft(found: Mapping[int, int]) -> bool:
    """Say whether counted labels are greys about 0 and 255, as a JPEG makes of a mask.

    There are several near both ends, and hardly any between them.
    """
    if not found or min(found) < 0 or max(found) > _WHITE:
        return False
    dark = {v: n for v, n in found.items() if v <= _DARK}
    bright = {v: n for v, n in found.items() if v >= _BRIGHT}
    n_dark, n_bright = sum(dark.values()), sum(bright.values())
    between = sum(found.values()) - n_dark - n_bright
    if len(dark) < 2 or len(bright) < 2 or 0 not in dark:
        return False
    return between <= _MOST_GREY * min(n_dark, n_bright)


def of_one_class(
    values: Labels, found: Mapping[int, int], name: str
) -> tuple[Labels, str] | None:
    """Return the labels of a model's one class as 0 and 1, and what was done.

    Parameters
    ----------
    values : (*S) integer array
        Labels.
    found : mapping of int to int
        How often each of those that count occurs.
    name : str
        The class.

    Returns
    -------
    tuple of (*S) array and str, or None
        None where they are 0 and 1 already, or nothing that can mean one class. Values
        that do not count keep their number.
    """
    value = foreground_value(found)
    if value is not None:
        return (
            np.where(values == value, values.dtype.type(1), values),
            f"masks of 0 and {value}: {value} is taken for {name}",
        )
    if not is_soft(found):
        return None
    counts = np.isin(values, list(found))
    bright = (values >= _MIDDLE).astype(values.dtype)
    return (
        np.where(counts, bright, values),
        f"masks of greys, as JPEG makes them of 0 and 255: from {_MIDDLE} on they are "
        f"taken for {name}",
    )


def not_classes(found: Collection[int], n_classes: int) -> str:
    """Say why labels are not the classes of a card."""
    values = sorted(found)
    listed = " and ".join(map(str, values))
    if len(values) < 3 and values[-1] in FULL_SCALE:
        return (
            f"labels are {listed}, but the card has classes 0 to {n_classes - 1}: save "
            "them as 0 and the number of the class that they show"
        )
    return (
        f"labels reach from {values[0]} to {values[-1]}, but the card has {n_classes} "
        "classes, counted from 0. If a label stands for what is not annotated, name it "
        "as unlabelled"
    )


def one_number_a_pixel(labels: SpatialImage, axes: Sequence[str]) -> SpatialImage:
    """Return labels without axes that say nothing, where their image lacks them.

    Parameters
    ----------
    labels : SpatialImage
        Labels as they were read. Axes of one sample are dropped, and colours that are
        all equal are one number.
    axes : sequence of str
        The image's axes, which stay.

    Raises
    ------
    LabelError
        For colours that differ, and for masks with a channel a class.
    """
    for axis in [a for a in labels.axes if a not in axes or a == CHANNEL_AXIS]:
        if labels.data.shape[labels.axes.index(axis)] == 1:
            labels = _without(labels, axis)
    if CHANNEL_AXIS not in labels.axes:
        return labels
    place = labels.axes.index(CHANNEL_AXIS)
    data = np.moveaxis(np.asarray(labels.data), place, -1)
    flat, notices = one_of_equal_channels(data)
    if flat.ndim == data.ndim:
        raise LabelError(_of_channels(data, labels.axes))
    names = tuple(axis for axis in labels.axes if axis != CHANNEL_AXIS)
    said = (*labels.notices, *notices)
    return replace(labels, data=flat, axes=names, notices=said)


def _of_channels(data: Labels, axes: Sequence[str]) -> str:
    n = data.shape[-1]
    is_one_hot = all(
        set(np.unique(data[..., i]).tolist()) <= {0, int(data.max())} for i in range(n)
    ) and bool((np.count_nonzero(data, axis=-1) <= 1).all())
    if is_one_hot:
        return (
            f"labels are one number a pixel, but these have {n} channels, one a class "
            "(one-hot): save the number of the class instead"
        )
    return (
        f"labels are one number a pixel, but these have the axes {', '.join(axes)}: "
        "save them as a grey image"
    )


def _without(labels: SpatialImage, axis: str) -> SpatialImage:
    """Return labels without an axis of one sample."""
    place = labels.axes.index(axis)
    names = (*labels.axes[:place], *labels.axes[place + 1 :])
    affine = labels.affine
    if axis in SPATIAL_AXES:
        affine = labels.affine_along([a for a in names if a in SPATIAL_AXES])
    data = np.asarray(labels.data).squeeze(place)
    return replace(labels, data=data, axes=names, affine=affine)


def compact(labels: Any) -> Any:
    """Return integer labels in as few bits as they need; others as they are."""
    values = np.asarray(labels)
    if values.dtype.kind not in "ui" or values.dtype.itemsize <= 2 or not values.size:
        return values
    least, most = int(values.min()), int(values.max())
    return values.astype(np.min_scalar_type(max(most, -least - 1)))
