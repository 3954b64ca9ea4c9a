"""OME-Zarr masks out: chunk by chunk, and the coarser levels when all are there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.ome_zarr.library import zarr_package
from napari_dmoe.imaging.ome_zarr.multiscales import (
    CHUNK,
    Placed,
    image_facts,
    level_shape,
    steps_of,
)
from napari_dmoe.imaging.spatial import SPATIAL_AXES
from napari_dmoe.progress import Pulse, no_pulse


class ZarrMask:
    """A volume's mask as an OME-Zarr image of labels, along z, y and x.

    Parameters
    ----------
    path : Path
        A folder that :func:`empty_zarr_mask` has made.
    backwards : sequence of str
        Axes that are stored turned round; all places are those of the volume.
    """

    def __init__(self, path: Path, backwards: Sequence[str] = ()) -> None:
        # What a killed process was writing has another name until it is whole.
        for left in path.rglob("*.partial"):
            left.unlink()
        self._group = zarr_package().open_group(str(path), mode="r+")
        self._levels = [array for _, array in sorted(self._group.arrays())]
        self._flips = tuple(
            slice(None, None, -1 if axis in backwards else 1) for axis in SPATIAL_AXES
        )

    def write(self, place: Sequence[slice], labels: NDArray[Any]) -> None:
        """Write the labels (d, h, w) of a part; whole chunks are written once."""
        self._levels[0][self._stored(place)] = labels[self._flips]

    def read(self, place: Sequence[slice]) -> NDArray[Any]:
        """Return the labels (d, h, w) of a part."""
        return np.asarray(self._levels[0][self._stored(place)])[self._flips]

    def _stored(self, place: Sequence[slice]) -> tuple[slice, ...]:
        """Return where a part lies in the array."""
        parts = zip(place, self._flips, self._levels[0].shape, strict=True)
        return tuple(
            slice(n - part.stop, n - part.start) if flip.step < 0 else part
            for part, flip, n in parts
        )

    def rows(self, axis: int) -> int:
        """Return how many planes across an axis are best written together."""
        return int(self._levels[0].chunks[axis])

    def finish(self, pulse: Pulse = no_pulse) -> None:
        """Make the coarser levels, each of the nearest voxels of the finer one."""
        for finer, coarser in itertools.pairwise(self._levels):
            steps = [
                -(-n // m) for n, m in zip(finer.shape, coarser.shape, strict=True)
            ]
            for place in _blocks(coarser.shape):
                pulse()
                where = tuple(
                    slice(part.start * d, min(part.stop * d, n), d)
                    for part, d, n in zip(place, steps, finer.shape, strict=True)
                )
                coarser[place] = _thinned(finer, where)

    def record(self, record: Mapping[str, Any]) -> None:
        """Write a run's record among what the image says of itself."""
        self._group.attrs["napari-dmoe"] = dict(record)


def empty_zarr_mask(
    path: Path,
    shape: Sequence[int],
    *,
    name: str,
    placed: Placed,
    classes: Sequence[str] | Mapping[int, str],
    colours: Mapping[int, tuple[int, int, int]] | None = None,
    dtype: str = "uint8",
) -> None:
    """Make an OME-Zarr image of labels, of 0, that :class:`ZarrMask` can write.

    Parameters
    ----------
    path : Path
        A folder that is not there yet.
    shape : (D, H, W)
        Shape of the mask along z, y and x.
    name : str
        What the image is called.
    placed : Placed
        Where it lies.
    classes, colours
        As :func:`image_facts` takes them.
    dtype : str
        Type of the labels.

    Raises
    ------
    ImageReadError
        Where zarr is not installed.
    OSError
        When it cannot be written.
    """
    steps = steps_of(shape)
    facts = image_facts(name, steps, placed, classes, colours)
    group = zarr_package().open_group(
        str(path), mode="w-", zarr_format=3, attributes=facts
    )
    for number, step in enumerate(steps):
        sizes = level_shape(shape, step)
        group.create_array(
            str(number),
            shape=sizes,
            chunks=tuple(min(CHUNK, n) for n in sizes),
            dtype=dtype,
            fill_value=0,
            dimension_names=SPATIAL_AXES,
        )


def _blocks(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of a level that are made at a time: a row of chunks along x."""
    depth, height, width = shape
    for z, y in itertools.product(range(0, depth, CHUNK), range(0, height, CHUNK)):
        rows = slice(z, min(z + CHUNK, depth)), slice(y, min(y + CHUNK, height))
        yield (*rows, slice(0, width))


def _thinned(array: Any, place: Sequence[slice]) -> NDArray[Any]:
    """Return each n-th voxel of a part; what zarr reads with steps, it reads slowly."""
    whole = tuple(slice(part.start, part.stop) for part in place)
    every = tuple(slice(None, None, part.step) for part in place)
    return np.asarray(array[whole][every])
