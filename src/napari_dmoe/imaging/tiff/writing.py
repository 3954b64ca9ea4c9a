"""TIFF files out, whole or not at all.

They say where they lie: axes, spacing and unit stand in tifffile's own description, and
the resolution tags repeat them for other programs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.scaled import Scaled
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.progress import Pulse, no_pulse

_BYTES_AT_ONCE = 2**24
_PIXELS_AT_ONCE = 2**24


def write_tiff(
    path: str | os.PathLike[str],
    data: NDArray[Any],
    *,
    axes: Sequence[str],
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Write an array as TIFF, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where to.
    data : array
        One axis per name in `axes`.
    axes : sequence of str
        Axis names, one letter each: ``z``, ``y``, ``x``, ``c``, ``t`` or another.
    spacing : sequence of float, optional
        Pixel size along the spatial axes, in their order in `axes`, in `unit`.
    unit : str, optional
        Unit of `spacing`.
    classes : sequence of str
        What labels mean, the first being 0; empty where nobody knows. With them the
        array is a mask, and stored as uint32: napari's own reader, which opens TIFFs
        unless it is told otherwise, takes those for labels, and others for a picture,
        in which few labels are black.

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left behind.
    """
    options = _options(data.shape, axes, spacing, unit, classes)
    if classes is not None:
        data = data.astype(np.uint32)
    with atomic_path(Path(path)) as partial:
        tifffile.imwrite(partial, data, compression="zlib", **options)


class TiffMask:
    """A volume's mask in a TIFF that is not compressed, and so can be written in parts.

    It is mapped a piece at a time: what stays mapped counts as memory of the process.
    All places are along z, y and x, whatever the order in the file is.

    Parameters
    ----------
    path : Path
        A file that :func:`empty_mask` has made.
    axes : sequence of str
        Axes of the file: z, y and x in any order.
    number : int, optional
        Of a file that :func:`empty_maps` has made, which of its maps is written.
    """

    def __init__(
        self, path: Path, axes: Sequence[str], number: int | None = None
    ) -> None:
        found = tifffile.memmap(path, mode="r")
        self._path, self._shape = path, found.shape[-len(SPATIAL_AXES) :]
        self._dtype, self._offset = found.dtype, found.offset
        if number:
            self._offset += number * found[0].nbytes
        self._order = tuple(axes.index(axis) for axis in SPATIAL_AXES)
        self._stored = tuple(SPATIAL_AXES.index(axis) for axis in axes)

    def write(self, place: Sequence[slice], labels: NDArray[Any]) -> None:
        """Write the labels (d, h, w) of a part."""
        stored = labels.transpose(self._stored)
        for where, own in self._pieces(place):
            self._mapped("r+")[where] = stored[own]

    def read(self, place: Sequence[slice]) -> NDArray[np.uint8]:
        """Return the labels (d, h, w) of a part."""
        shape = tuple(place[axis].stop - place[axis].start for axis in self._stored)
        made = np.empty(shape, np.uint8)
        for where, own in self._pieces(place):
            made[own] = self._mapped("r")[where]
        return made.transpose(self._order)

    def finish(self, pulse: Pulse = no_pulse) -> None:
        """Do what is left to be done when all parts are written: nothing."""

    def rows(self, axis: int) -> int:
        """Return how many planes across an axis are best written together."""
        a_plane = math.prod(self._shape) // int(self._shape[self._order[axis]])
        return int(max(1, _PIXELS_AT_ONCE // a_plane))

    def _mapped(self, mode: Literal["r", "r+"]) -> NDArray[Any]:
        path, shape = self._path, self._shape
        return np.memmap(path, self._dtype, mode, self._offset, shape)

    def _pieces(
        self, place: Sequence[slice]
    ) -> Iterator[tuple[tuple[slice, ...], slice]]:
        """Yield parts of a place as they lie in the file, and in the place."""
        first, *others = (place[axis] for axis in self._stored)
        a_row = self._dtype.itemsize * math.prod(self._shape[1:])
        step = max(1, _BYTES_AT_ONCE // a_row)
        for begin in range(first.start, first.stop, step):
            rows = slice(begin, min(begin + step, first.stop))
            yield (
                (rows, *others),
                slice(rows.start - first.start, rows.stop - first.start),
            )


def empty_mask(
    path: Path,
    shape: Sequence[int],
    *,
    axes: Sequence[str],
    classes: Sequence[str],
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    wanted: Path | None = None,
) -> None:
    """Make a mask of 0 that :class:`TiffMask` can write.

    It is not compressed; else it is as :func:`write_tiff` writes it.

    Parameters
    ----------
    path : Path
        Where to.
    shape, axes, classes, spacing, unit
        As :func:`write_tiff` takes them; `axes` are z, y and x in any order.
    wanted : Path, optional
        The file that it will be, for messages.

    Raises
    ------
    OSError
        When it cannot be written, or the disk has no room for all of it.
    """
    options = _options(tuple(shape), axes, spacing, unit, classes)
    tifffile.memmap(path, shape=tuple(shape), dtype=np.uint32, **options)
    _reserve(path, wanted or path)


def empty_maps(
    path: Path,
    shape: Sequence[int],
    *,
    axes: Sequence[str],
    what: Scaled,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    wanted: Path | None = None,
) -> None:
    """Make maps of 0, one after another in bytes, each of which a `TiffMask` writes.

    Parameters
    ----------
    path, shape, axes, spacing, unit, wanted
        As :func:`empty_mask` takes them.
    what : Scaled
        What their numbers stand for, which the file says.

    Raises
    ------
    OSError
        When they cannot be written, or the disk has no room for all of them.
    """
    sizes = len(what.channels), *shape
    options = _options(sizes, (what.axis, *axes), spacing, unit, None)
    options["metadata"]["scaled"] = what.facts
    tifffile.memmap(path, shape=sizes, dtype=np.uint8, **options)
    _reserve(path, wanted or path)


def _reserve(partial: Path, target: Path) -> None:
    """Take all the room of a file at once: what is mapped cannot say that it is full.

    Raises
    ------
    OSError
        When there is not so much; it names the file that is wanted.
    """
    try:
        with partial.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
                return
            for begin in range(0, size, _BYTES_AT_ONCE):
                part = file.read(min(_BYTES_AT_ONCE, size - begin))
                file.seek(begin)
                file.write(part)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def _options(
    shape: tuple[int, ...],
    axes: Sequence[str],
    spacing: Sequence[float] | None,
    unit: str | None,
    classes: Sequence[str] | None,
) -> dict[str, Any]:
    """Return what a TIFF says of its array, for tifffile."""
    letters = "".join({CHANNEL_AXIS: "S"}.get(axis, axis.upper()[:1]) for axis in axes)
    description: dict[str, Any] = {"axes": letters}
    if spacing is not None:
        description |= {"spacing": [float(s) for s in spacing], "unit": unit}
    if classes:
        description["classes"] = list(classes)
    is_rgb = letters.endswith("S") and shape[-1] in (3, 4)
    options: dict[str, Any] = {
        "photometric": "rgb" if is_rgb else "minisblack",
        "metadata": description,
    }
    mm = millimetres(unit)
    if spacing is not None and mm is not None and len(spacing) >= 2:
        tags = [10 / (mm * s) for s in (spacing[-1], spacing[-2])]
        options |= {"resolution": tags, "resolutionunit": "CENTIMETER"}
    return options
