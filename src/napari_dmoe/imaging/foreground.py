"""What of a volume is foreground: the box around it, and whose intensities count."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from napari_dmoe.imaging.lazy import part_along, rows_of_chunks
from napari_dmoe.imaging.pixels import channels_first
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.progress import Pulse, no_pulse

FARTHEST = 1e9
"""Intensities that a threshold can have at most."""

WIDEST_MARGIN = 1000
"""Voxels around a box at most."""

_NUMBERS_AT_ONCE = 2**22

Box = tuple[slice, ...]
"""A part of a volume along z, y and x, in its own voxels."""


class Foreground(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Which intensities are foreground, and what is done about the rest."""

    above: float = Field(
        default=0.0,
        ge=-FARTHEST,
        le=FARTHEST,
        title="Above",
        description="intensities above this are foreground",
    )
    crop: bool = Field(
        default=False,
        title="Crop",
        description="whether the network sees the box around the foreground alone; "
        "what lies outside is background",
    )
    margin: int = Field(
        default=0,
        ge=0,
        le=WIDEST_MARGIN,
        title="Margin",
        description="voxels of the image that the box is wider on every side",
    )
    measured: bool = Field(
        default=False,
        title="Measured",
        description="whether percentiles, mean and spread are those of the foreground "
        "alone; standardised, the rest is then 0",
    )

    @model_validator(mode="after")
    def _does_something(self) -> Foreground:
        if not (self.crop or self.measured):
            raise ValueError(
                "a foreground is there to crop or to be measured: state crop or "
                "measured as true, or no foreground"
            )
        return self

    @property
    def words(self) -> str:
        """Say what is done."""
        said = (
            (f"the box around what is above {self.above:g} is seen", self.crop),
            (f"what is above {self.above:g} is measured", self.measured),
        )
        return "; ".join(words for words, is_done in said if is_done)


def box_around(
    volumes: Iterable[SpatialImage],
    foreground: Foreground,
    *,
    n_channels: int = 1,
    pulse: Pulse = no_pulse,
) -> Box | None:
    """Return the box around the foreground of all volumes of an image.

    They are read plane by plane, and not kept. `pulse` is called in between.

    Parameters
    ----------
    volumes : iterable of SpatialImage
        Of one shape, with the axes z, y and x in any order, and optionally c.
    foreground : Foreground
        What counts, in any of the channels; values that are not finite do not.
    n_channels : int
        Channels that the network takes.
    pulse : callable
        May raise ``Cancelled``.

    Returns
    -------
    tuple of slice, or None
        Along z, y and x; None where nothing is foreground.

    Raises
    ------
    ImageError
        As :func:`napari_dmoe.imaging.pixels.channels_first` raises it.
    """
    found: list[NDArray[np.bool_]] = []
    for volume in volumes:
        own = _occupied(volume, foreground.above, n_channels, pulse)
        found = [a | b for a, b in zip(found, own, strict=True)] if found else own
    if not found or not all(map(np.any, found)):
        return None
    box = []
    for along in found:
        where = np.flatnonzero(along)
        begin = max(0, int(where[0]) - foreground.margin)
        box.append(
            slice(begin, min(len(along), int(where[-1]) + 1 + foreground.margin))
        )
    return tuple(box)


def _occupied(
    volume: SpatialImage, above: float, n_channels: int, pulse: Pulse
) -> list[NDArray[np.bool_]]:
    """Return, for z, y and x, in which planes across it there is any foreground."""
    sizes, spatial = volume.spatial_shape, volume.spatial_axes
    found = {a: np.zeros(n, bool) for a, n in zip(spatial, sizes, strict=True)}
    n, first = sizes[0], volume.axes.index(spatial[0])
    step = max(1, _NUMBERS_AT_ONCE // max(1, math.prod(sizes[1:])))
    step = max(1, rows_of_chunks(volume.data, first, step))
    for begin in range(0, n, step):
        pulse()
        rows = slice(begin, min(begin + step, n))
        place = (rows, *(slice(None),) * (len(sizes) - 1))
        values, _ = channels_first(
            volume, spatial, place=place, allowed=(n_channels,), pulse=pulse
        )
        inside = (np.isfinite(values) & (values > above)).any(0)
        for axis, name in enumerate(spatial):
            others = tuple(i for i in range(len(spatial)) if i != axis)
            along = found[name][rows] if axis == 0 else found[name]
            along |= inside.any(others)
    return [found[axis] for axis in SPATIAL_AXES]


def cropped(volume: SpatialImage, box: Box) -> SpatialImage:
    """Return the part of a volume in a box along z, y and x; nothing is read."""
    data, affine = volume.data, volume.affine.copy()
    for axis, part in zip(SPATIAL_AXES, box, strict=True):
        along, own = volume.axes.index(axis), volume.spatial_axes.index(axis)
        data = part_along(data, along, part)
        affine[:-1, -1] += part.start * affine[:-1, own]
    return replace(volume, data=data, affine=affine)


def box_words(box: Box) -> str:
    """Say which part of a volume a box is."""
    return ", ".join(
        f"{axis} {part.start} to {part.stop - 1}"
        for axis, part in zip(SPATIAL_AXES, box, strict=True)
    )
