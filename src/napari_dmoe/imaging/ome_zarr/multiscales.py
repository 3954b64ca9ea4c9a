"""What an OME-Zarr image says of itself: its axes, levels, place, classes and maps.

References
----------
.. [1] OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_dmoe.imaging.scaled import WHOLE, Scaled
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    SPATIAL_AXES,
    Grid,
    SpatialImage,
)
from napari_dmoe.imaging.units import unit_name

VERSION = "0.5"
CHUNK = 64
"""Voxels along each side of a chunk: a plane of it is soon read, and files are few."""

_NAMES = {
    "m": "meter",
    "dm": "decimeter",
    "cm": "centimeter",
    "mm": "millimeter",
    "um": "micrometer",
    "nm": "nanometer",
    "pm": "picometer",
    "å": "angstrom",
    "inch": "inch",
    "ft": "foot",
}
"""Units of length as OME-Zarr writes them."""


_STRAIGHT = 1e-6
"""Share of a voxel's side by which an axis may run beside the world's: what is left of
a rotation in the 32 bits of a header."""


@dataclass(frozen=True)
class Placed:
    """Where a volume lies: the size of its voxels and its first one, (z, y, x)."""

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    first: tuple[float, ...] = (0.0, 0.0, 0.0)
    unit: str | None = None
    backwards: tuple[str, ...] = ()
    """Axes of the volume that run against the world's, and so are stored turned round:
    sizes of voxels are above 0."""
    is_whole: bool = True
    """Whether this is all that is known of where it lies."""

    @classmethod
    def of(cls, image: SpatialImage) -> Placed:
        """Return where a volume lies, as far as OME-Zarr can say it.

        Images that lie obliquely have the size of their voxels alone.
        """
        if image.unit is None:
            return cls()
        affine = image.affine_along(SPATIAL_AXES)
        sides, sizes = np.diag(affine)[:-1], np.linalg.norm(affine[:-1, :-1], axis=0)
        spacing = tuple(map(float, sizes))
        if np.abs(affine[:-1, :-1] - np.diag(sides)).max() > _STRAIGHT * sizes.min():
            return cls(spacing, unit=image.unit, is_whole=False)
        shape = dict(zip(image.spatial_axes, image.spatial_shape, strict=True))
        ends = np.array([shape[axis] - 1 for axis in SPATIAL_AXES])
        first = affine[:-1, -1] + np.minimum(sides, 0) * ends
        back = tuple(a for a, s in zip(SPATIAL_AXES, sides, strict=True) if s < 0)
        return cls(spacing, tuple(map(float, first)), image.unit, back)

    def on(self, grid: Grid, shape: Sequence[int]) -> Placed:
        """Return where samples on a grid in such a volume lie, of (D, H, W) voxels."""
        spacing, first = list[float](), list[float]()
        whole = zip(SPATIAL_AXES, self.spacing, self.first, shape, strict=True)
        samples = zip(grid.start, grid.step, grid.shape, strict=True)
        for (axis, side, begin, n), (start, step, m) in zip(
            whole, samples, strict=True
        ):
            is_back = axis in self.backwards
            before = n - 1 - start - step * (m - 1) if is_back else start
            spacing.append(side * step)
            first.append(begin + side * before)
        return replace(self, spacing=tuple(spacing), first=tuple(first))


def steps_of(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return how coarse each level is along each axis, the finest first.

    An axis is halved while it is longer than a chunk, until a chunk holds all.

    Examples
    --------
    >>> steps_of((40, 200, 64))
    [(1, 1, 1), (1, 2, 1), (1, 4, 1)]
    """
    steps = [tuple(1 for _ in shape)]
    while any(size > CHUNK for size in level_shape(shape, steps[-1])):
        sizes = level_shape(shape, steps[-1])
        finer = zip(steps[-1], sizes, strict=True)
        steps.append(tuple(d * (2 if n > CHUNK else 1) for d, n in finer))
    return steps


def level_shape(shape: Sequence[int], step: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a level that has each `step`-th voxel along each axis."""
    return tuple(-(-n // d) for n, d in zip(shape, step, strict=True))


def image_facts(
    name: str,
    steps: Sequence[Sequence[int]],
    placed: Placed,
    classes: Sequence[str] | Mapping[int, str],
    colours: Mapping[int, tuple[int, int, int]] | None = None,
) -> dict[str, Any]:
    """Return the attributes of a group that is an image of labels.

    Parameters
    ----------
    name : str
        What it is called.
    steps : sequence of tuples
        How coarse its levels are: their voxels are the nearest ones of the finest, so
        that all levels begin with the same voxel.
    placed : Placed
        Where it lies.
    classes : sequence of str, or mapping of int to str
        What labels mean, the first being 0.
    colours : mapping of int to (red, green, blue), optional
        Colours by label.
    """
    known = classes if isinstance(classes, Mapping) else dict(enumerate(classes))
    named = [{"label-value": number, "class": each} for number, each in known.items()]
    about: dict[str, Any] = {"properties": named}
    if colours:
        about["colors"] = [
            {"label-value": number, "rgba": [*rgb, 255]}
            for number, rgb in colours.items()
        ]
    return _stated(_multiscale(name, steps, placed), {"image-label": about})


def map_facts(
    name: str, steps: Sequence[Sequence[int]], placed: Placed, what: Scaled
) -> dict[str, Any]:
    """Return the attributes of a group that is an image of maps, a channel for each.

    Parameters
    ----------
    name, steps, placed
        As :func:`image_facts` takes them.
    what : Scaled
        What its numbers stand for, and what its channels are called.
    """
    image = _multiscale(name, steps, placed, is_of_channels=True)
    window = {"min": 0, "start": 0, "max": WHOLE, "end": WHOLE}
    look = {"window": window, "color": "FFFFFF", "coefficient": 1, "family": "linear"}
    shown = [
        {"label": label, "active": number == 0, "inverted": False, **look}
        for number, label in enumerate(what.channels)
    ]
    how = {"name": name, "channels": shown, "rdefs": {"model": "greyscale"}}
    return {**_stated(image, {"omero": how}), "scaled": what.facts}


def _stated(image: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {"ome": {"version": VERSION, "multiscales": [image], **more}}


def _multiscale(
    name: str,
    steps: Sequence[Sequence[int]],
    placed: Placed,
    *,
    is_of_channels: bool = False,
) -> dict[str, Any]:
    """Return what an image says of its axes and levels."""
    unit = unit_name(placed.unit)
    known = {"unit": _NAMES[unit]} if unit in _NAMES else {}
    axes = [{"name": axis, "type": "space", **known} for axis in SPATIAL_AXES]
    first = [{"name": CHANNEL_AXIS, "type": "channel"}] if is_of_channels else []
    levels = []
    for number, step in enumerate(steps):
        sides = [d * side for d, side in zip(step, placed.spacing, strict=True)]
        moves = [
            {"type": "scale", "scale": [1.0] * len(first) + sides},
            {
                "type": "translation",
                "translation": [0.0] * len(first) + [*placed.first],
            },
        ]
        levels.append({"path": str(number), "coordinateTransformations": moves})
    how = {"description": "each 2nd voxel along an axis", "method": "slicing"}
    image = {"name": name, "type": "nearest", "metadata": how}
    return {**image, "axes": [*first, *axes], "datasets": levels}
