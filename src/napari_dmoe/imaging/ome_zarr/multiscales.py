"""What an OME-Zarr image says of itself: its axes, levels, place and classes.

References
----------
.. [1] OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_dmoe.imaging.spatial import SPATIAL_AXES
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


@dataclass(frozen=True)
class Placed:
    """Where a volume lies: the size of its voxels and its first one, (z, y, x)."""

    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    first: tuple[float, ...] = (0.0, 0.0, 0.0)
    unit: str | None = None


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
    classes: Sequence[str],
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
    classes : sequence of str
        What labels mean, the first being 0.
    """
    unit = unit_name(placed.unit)
    known = {"unit": _NAMES[unit]} if unit in _NAMES else {}
    axes = [{"name": axis, "type": "space", **known} for axis in SPATIAL_AXES]
    levels = []
    for number, step in enumerate(steps):
        scale = [d * side for d, side in zip(step, placed.spacing, strict=True)]
        moves = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": list(placed.first)},
        ]
        levels.append({"path": str(number), "coordinateTransformations": moves})
    how = {"description": "each 2nd voxel along an axis", "method": "slicing"}
    image = {"name": name, "type": "nearest", "metadata": how}
    named = [
        {"label-value": number, "class": each} for number, each in enumerate(classes)
    ]
    return {
        "ome": {
            "version": VERSION,
            "multiscales": [{**image, "axes": axes, "datasets": levels}],
            "image-label": {"properties": named},
        }
    }
