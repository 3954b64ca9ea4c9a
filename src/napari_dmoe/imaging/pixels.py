"""An image's numbers as networks take them: channels first, finite.

How they are scaled is a matter of planes and volumes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.lazy import read_part
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, ImageError, SpatialImage
from napari_dmoe.progress import Pulse, no_pulse

NOTHING_FINITE = "the image has no finite value"
CONSTANT = "the image is constant: there is nothing to segment in it"


def not_finite(n: int) -> str:
    """Say how many values are NaN or infinite, and what became of them."""
    return f"{n} values that are no finite numbers were set to 0"


def channels_first(
    image: SpatialImage,
    axes: tuple[str, ...],
    *,
    place: tuple[slice, ...] | None = None,
    allowed: tuple[int, ...] = (1, 3),
    pulse: Pulse = no_pulse,
) -> tuple[NDArray[Any], list[str]]:
    """Read numbers as (C, *axes); lazy arrays are read no further than asked for.

    Parameters
    ----------
    image : SpatialImage
        The image; its spatial axes are `axes`, in any order.
    axes : tuple of str
        Order of the spatial axes to return.
    place : tuple of slice, optional
        Part to read, in the order of the image's spatial axes; all by default.
    allowed : tuple of int
        Channel counts that the network takes.
    pulse : callable
        Called between parts of a lazy array.

    Returns
    -------
    array
        The numbers.
    list of str
        What a person should know.

    Raises
    ------
    ImageError
        For complex numbers, other types that are no numbers, and other channel counts.
    """
    where = dict(zip(image.spatial_axes, place or (), strict=False))
    index = tuple(where.get(axis, slice(None)) for axis in image.axes)
    values = read_part(image.data, index, pulse=pulse)
    if np.iscomplexobj(values):
        raise ImageError("the image holds complex numbers: give its magnitude")
    if values.dtype.kind not in "buif":
        raise ImageError(f"the image holds {values.dtype}, not numbers")
    names = axes if CHANNEL_AXIS not in image.axes else (CHANNEL_AXIS, *axes)
    values = values.transpose([image.axes.index(axis) for axis in names])
    if CHANNEL_AXIS not in image.axes:
        values = values[np.newaxis]
    if len(values) == 4 and 3 in allowed:
        return values[:3], ["the fourth channel was taken for opacity and left out"]
    if len(values) not in allowed:
        raise ImageError(_other_channels(len(values), allowed))
    return values, []


def _other_channels(n: int, allowed: tuple[int, ...]) -> str:
    """Say that a network takes other channels, and what to do."""
    found = f"found {n} channel{'s' * (n != 1)}"
    if allowed == (1, 3):
        return (
            f"the model takes grey or RGB images: {found}. Choose one channel, or "
            "combine them to RGB"
        )
    if allowed == (1,):
        return f"the model takes grey images, of 1 channel: {found}. Choose one"
    most = max(allowed)
    wanted = f"{most} channels" if len(allowed) == 1 else f"1 or {most} channels"
    return (
        f"the model takes images of {wanted}: {found}. Give them along an axis that is "
        "called c, in the order in which the model was trained"
    )


def finite_numbers(values: NDArray[Any]) -> tuple[NDArray[np.floating], list[str]]:
    """Return numbers as floats, with 0 for what is no finite number.

    Raises
    ------
    ImageError
        When nothing is finite.
    """
    floats, finite = floats_of(values)
    if finite is None:
        return floats, []
    if not finite.any():
        raise ImageError(NOTHING_FINITE)
    n_bad = int(floats.size - finite.sum())
    return floats, [not_finite(n_bad)] if n_bad else []


def floats_of(
    values: NDArray[Any],
) -> tuple[NDArray[np.floating], NDArray[np.bool_] | None]:
    """Return numbers as floats, 0 for what is not finite, and which of them are.

    None where all numbers of their kind are.
    """
    kept = np.result_type(values.dtype, np.float32)
    kind = kept if kept.itemsize <= 8 else np.dtype(np.float64)  # scipy takes no more
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        floats = values.astype(kind, copy=False)
    if values.dtype.kind in "bui":
        return floats, None
    finite = np.isfinite(floats)
    return (floats if finite.all() else np.where(finite, floats, 0)), finite
