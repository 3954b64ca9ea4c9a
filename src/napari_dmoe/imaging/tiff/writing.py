"""TIFF files out, whole or not at all.

They say where they lie: axes, spacing and unit stand in tifffile's own description, and
the resolution tags repeat them for other programs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES
from napari_dmoe.imaging.units import millimetres

_BYTES_AT_ONCE = 2**24


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


class MappedMask:
    """A volume's mask in a file, which is not held in memory."""

    def __init__(self, mask: NDArray[np.uint32], axes: Sequence[str]) -> None:
        self._mask: NDArray[np.uint32] | None = mask
        self._order = [axes.index(axis) for axis in SPATIAL_AXES]

    @property
    def stored(self) -> NDArray[Any]:
        """The mask along the axes of the file; nobody may keep it."""
        if self._mask is None:
            raise ValueError("the file of this mask is closed")
        return self._mask

    def __setitem__(self, place: tuple[slice, ...], labels: NDArray[Any]) -> None:
        """Write the labels (d, h, w) of a part; `place` is along z, y and x."""
        self.stored.transpose(self._order)[place] = labels

    def close(self) -> None:
        """Let go of the file."""
        self._mask = None


@contextmanager
def mapped_mask(
    path: str | os.PathLike[str],
    shape: Sequence[int],
    *,
    axes: Sequence[str],
    classes: Sequence[str],
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> Iterator[MappedMask]:
    """Lend a mask of 0 that is a TIFF on the disk when the block ends well.

    It is not compressed; else it is as :func:`write_tiff` writes it. `shape` is along
    `axes`, which are z, y and x in any order.

    Raises
    ------
    OSError
        When the file cannot be written, or the disk has no room for all of it, before
        anything is lent. Nothing is left behind.
    """
    shape = tuple(shape)
    options = _options(shape, axes, spacing, unit, classes)
    target = Path(path)
    with atomic_path(target) as partial:
        made = tifffile.memmap(partial, shape=shape, dtype=np.uint32, **options)
        mask = MappedMask(made, axes)
        del made
        try:
            _reserve(partial, target)
            yield mask
        finally:
            mask.close()


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
