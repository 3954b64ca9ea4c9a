"""OME-Zarr masks and maps out: chunk by chunk, and coarser levels when all is there."""

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
    map_facts,
    steps_of,
)
from napari_dmoe.imaging.scaled import Scaled
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES
from napari_dmoe.progress import Pulse, no_pulse


class ZarrMask:
    """A volume's mask as an OME-Zarr image of labels, along z, y and x.

    Parameters
    ----------
    path : Path
        A folder that :func:`empty_zarr_mask` has made.
    channel : int, optional
        Of the maps that :func:`empty_zarr_maps` has made, which is written.
    backwards : sequence of str
        Axes that are stored turned round; all places are those of the volume.
    """

    def __init__(
        self, path: Path, channel: int | None = None, *, backwards: Sequence[str] = ()
    ) -> None:
        self._channel = () if channel is None else (channel,)
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

    def _stored(self, place: Sequence[slice]) -> tuple[int | slice, ...]:
        """Return where a part lies in the array."""
        sizes = self._levels[0].shape[len(self._channel) :]
        parts = (
            slice(n - part.stop, n - part.start) if flip.step < 0 else part
            for part, flip, n in zip(place, self._flips, sizes, strict=True)
        )
        return (*self._channel, *parts)

    def rows(self, axis: int) -> int:
        """Return how many planes across an axis are best written together."""
        return int(self._levels[0].chunks[len(self._channel) + axis])

    def finish(self, pulse: Pulse = no_pulse) -> None:
        """Make the coarser levels, each of the nearest voxels of the finer one."""
        first = self._channel
        for finer, coarser in itertools.pairwise(self._levels):
            shape, sizes = finer.shape[len(first) :], coarser.shape[len(first) :]
            steps = [-(-n // m) for n, m in zip(shape, sizes, strict=True)]
            for place in _blocks(sizes):
                pulse()
                where = tuple(
                    slice(part.start * d, min(part.stop * d, n), d)
                    for part, d, n in zip(place, steps, shape, strict=True)
                )
                coarser[(*first, *place)] = _thinned(finer, first, where)

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
    sizes = [level_shape(shape, step) for step in steps]
    _make(path, sizes, facts, SPATIAL_AXES, dtype)


def empty_zarr_maps(
    path: Path, shape: Sequence[int], *, name: str, placed: Placed, what: Scaled
) -> None:
    """Make an OME-Zarr image of maps, of 0, each of which a :class:`ZarrMask` writes.

    Parameters
    ----------
    path : Path
        A folder that is not there yet, such as one in that of the mask.
    shape, name, placed
        As :func:`empty_zarr_mask` takes them.
    what : Scaled
        What its numbers stand for; it has a channel for each of its maps.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    steps, n = steps_of(shape), len(what.channels)
    facts = map_facts(name, steps, placed, what)
    sizes = [(n, *level_shape(shape, step)) for step in steps]
    _make(path, sizes, facts, (CHANNEL_AXIS, *SPATIAL_AXES), "uint8")


def _make(
    path: Path,
    sizes: Sequence[tuple[int, ...]],
    facts: dict[str, Any],
    axes: tuple[str, ...],
    dtype: str,
) -> None:
    """Make a group with an array of 0 for each level; chunks hold one channel."""
    group = zarr_package().open_group(
        str(path), mode="w-", zarr_format=3, attributes=facts
    )
    for number, shape in enumerate(sizes):
        n_first = len(shape) - len(SPATIAL_AXES)
        group.create_array(
            str(number),
            shape=shape,
            chunks=(*(1,) * n_first, *(min(CHUNK, n) for n in shape[n_first:])),
            dtype=dtype,
            fill_value=0,
            dimension_names=axes,
        )


def _blocks(shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of a level that are made at a time: a row of chunks along x."""
    depth, height, width = shape
    for z, y in itertools.product(range(0, depth, CHUNK), range(0, height, CHUNK)):
        rows = slice(z, min(z + CHUNK, depth)), slice(y, min(y + CHUNK, height))
        yield (*rows, slice(0, width))


def _thinned(
    array: Any, first: tuple[int, ...], place: Sequence[slice]
) -> NDArray[Any]:
    """Return each n-th voxel of a part; what zarr reads with steps, it reads slowly."""
    whole = (*first, *(slice(part.start, part.stop) for part in place))
    every = tuple(slice(None, None, part.step) for part in place)
    return np.asarray(array[whole][every])
