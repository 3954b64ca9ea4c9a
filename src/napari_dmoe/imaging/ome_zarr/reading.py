"""OME-Zarr and plain zarr arrays in: no chunk is read before it is needed.

Of several resolutions the finest is meant, unless the path names another: what
``scan.ome.zarr/2`` is, its image says.

References
----------
.. [1] OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5 (and 0.1 to 0.4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_dmoe.foreign import printable
from napari_dmoe.imaging.lazy import frame_of, read_part
from napari_dmoe.imaging.ome_zarr.library import is_zarr, zarr_package
from napari_dmoe.imaging.spatial import (
    SPATIAL_AXES,
    ImageError,
    ImageReadError,
    SpatialImage,
    guess_axes,
)
from napari_dmoe.imaging.units import millimetres, unit_name

_PLANES_AT_ONCE = 64

_FIVE = ("t", "c", "z", "y", "x")
"""Axes of images of OME-Zarr 0.1 and 0.2, which do not name them."""


def read_zarr(path: Path) -> SpatialImage:
    """Open a zarr array, a level of an OME-Zarr image, or the finest level of one.

    Parameters
    ----------
    path : Path
        The folder of the array or group.

    Returns
    -------
    SpatialImage
        Its pixels are lazy; axes of length 1 that are not spatial are left out.
        Spacing and place are those that the image states, in its unit, where it does.

    Raises
    ------
    ImageReadError
        When there is no such array, its axes cannot be told, its numbers are none, and
        where zarr is not installed.
    """
    zarr = zarr_package()
    try:
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            return _image(path, node, _stated(zarr, path))
        return _finest(path, node)
    except ImageError as error:
        raise ImageReadError(f"{path.name}: {error}") from error
    # What is damaged makes zarr raise almost anything, and all of it means the same.
    except Exception as error:
        raise ImageReadError(
            f"{path.name} is damaged, or no zarr array or OME-Zarr image"
        ) from error


def level_path(path: Path, level: int) -> Path:
    """Return the folder of a level of an OME-Zarr image, 0 being the finest.

    Raises
    ------
    ImageReadError
        When it is no such image, or has no such level; and as :func:`read_zarr` does.
    """
    if not is_zarr(path):
        raise ImageReadError(f"{path.name} is no OME-Zarr image, and so has no levels")
    read_zarr(path)
    group = zarr_package().open(str(path), mode="r")
    images = _about(group).get("multiscales", []) if hasattr(group, "arrays") else []
    levels = [str(each["path"]) for each in images[0]["datasets"]] if images else []
    if level >= len(levels):
        held = f"{len(levels)}, from 0, the finest" if levels else "none"
        raise ImageReadError(f"{path.name} has no level {level}: it has {held}")
    return path / levels[level]


def labels_sha256_of(mask: SpatialImage, turned: Sequence[str] = ()) -> str:
    """Return the SHA-256 of a mask's bytes, plane by plane along z, y and x.

    Parameters
    ----------
    mask : SpatialImage
        As :func:`read_zarr` returns it.
    turned : sequence of str
        Axes that are stored turned round.

    Raises
    ------
    ImageReadError
        When it cannot be read.
    """
    labels, digest = mask.data, hashlib.sha256()
    flips = tuple(slice(None, None, -1 if a in turned else 1) for a in mask.axes)
    n, others = labels.shape[0], (slice(None),) * (labels.ndim - 1)
    for begin in range(0, n, _PLANES_AT_ONCE):
        end = min(begin + _PLANES_AT_ONCE, n)
        planes = slice(n - end, n - begin) if flips[0].step < 0 else slice(begin, end)
        part = read_part(labels, (planes, *others))[flips]
        digest.update(np.ascontiguousarray(part, np.uint8).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Stated:
    """What a multiscale image says of one of its levels."""

    axes: tuple[str, ...]
    units: tuple[str | None, ...]
    scale: tuple[float, ...]
    """Size of a voxel along each axis; empty where none is stated."""
    translation: tuple[float, ...]
    level: tuple[int, int] = (0, 1)
    """Which level it is, 0 being the finest, and of how many."""

    @property
    def notices(self) -> list[str]:
        """What a person should know."""
        number, of = self.level
        said = (
            f"level {number} of {of} of a multiscale image was used, 0 being the finest"
        )
        return [said] if number else []


def _finest(path: Path, group: Any) -> SpatialImage:
    """Return the finest level of a group's image."""
    about = _about(group)
    if "multiscales" not in about:
        if "bioformats2raw.layout" in about:
            raise ImageReadError(
                f"it holds a series of images: name one of them, as in {path.name}/0"
            )
        names = ", ".join(sorted(printable(name) for name, _ in group.arrays())[:5])
        held = f"it holds the arrays {names}: name one of them" if names else "empty"
        raise ImageReadError(f"a zarr group that is no OME-Zarr image; {held}")
    level = about["multiscales"][0]["datasets"][0]
    array = group[level["path"]]
    return _image(path, array, _of_level(about["multiscales"][0], level, array.ndim))


def _about(group: Any) -> Mapping[str, Any]:
    """Return what a group says of its image, in the way of any version."""
    attributes = group.attrs.asdict()
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _stated(zarr: Any, path: Path) -> _Stated | None:
    """Return what the image says that an array is a level of, if any."""
    parent = path.resolve().parent
    if not is_zarr(parent):
        return None
    group = zarr.open(str(parent), mode="r")
    images = _about(group).get("multiscales", []) if hasattr(group, "arrays") else []
    for image in images:
        levels = image["datasets"]
        for number, level in enumerate(levels):
            if level["path"] == path.resolve().name:
                stated = _of_level(image, level, group[level["path"]].ndim)
                return replace(stated, level=(number, len(levels)))
    return None


def _of_level(image: Mapping[str, Any], level: Mapping[str, Any], n: int) -> _Stated:
    axes = image.get("axes") or _FIVE[-n:]
    named = [{"name": each} if isinstance(each, str) else each for each in axes]
    names = tuple(str(each["name"]).lower() for each in named)
    scale: np.ndarray[Any, Any] | None = None
    moved = np.zeros(n)
    for each in (
        *level.get("coordinateTransformations", ()),
        *image.get("coordinateTransformations", ()),
    ):
        if each["type"] == "scale":
            own = np.array(each["scale"], float)
            scale, moved = own if scale is None else scale * own, moved * own
        elif each["type"] == "translation":
            moved = moved + np.array(each["translation"], float)
    return _Stated(
        names,
        tuple(each.get("unit") for each in named),
        () if scale is None else tuple(scale),
        tuple(moved),
    )


def _image(path: Path, array: Any, stated: _Stated | None) -> SpatialImage:
    """Return an array with its axes and its place, as far as they are known."""
    if np.dtype(array.dtype).kind not in "buif":
        raise ImageReadError(f"its numbers are of the type {array.dtype}")
    axes = stated.axes if stated else _named(array)
    if len(axes) != array.ndim:
        raise ImageReadError(
            f"it has {array.ndim} axes, and names {len(axes)}: {', '.join(axes)}"
        )
    affine, unit, notices = np.empty(0), None, list[str]()
    if stated is not None and stated.scale:
        affine, unit, notices = _placed(stated)
    notices += stated.notices if stated is not None else []
    # Many programs store five axes, whatever of them an image has.
    where = tuple(
        0 if n == 1 and axis not in SPATIAL_AXES else slice(None)
        for axis, n in zip(axes, array.shape, strict=True)
    )
    kept = tuple(a for a, each in zip(axes, where, strict=True) if each != 0)
    data = array if len(kept) == len(axes) else frame_of(array, where)
    is_placed = unit is not None
    return SpatialImage(data, kept, affine, unit, tuple(notices), is_placed)


def _named(array: Any) -> tuple[str, ...]:
    names = getattr(array.metadata, "dimension_names", None)
    if names and all(names):
        return tuple(str(name).lower() for name in names)
    return guess_axes(tuple(array.shape))


def _placed(stated: _Stated) -> tuple[Any, str | None, list[str]]:
    """Return affine and unit of the spatial axes, and what a person should know."""
    sides, moved, units = list[float](), list[float](), list[str | None]()
    for axis, unit, side, at in zip(
        stated.axes, stated.units, stated.scale, stated.translation, strict=True
    ):
        if axis in SPATIAL_AXES:
            sides, moved, units = [*sides, side], [*moved, at], [*units, unit]
    if not all(np.isfinite(side) and side > 0 for side in sides):
        said = "the file states sizes of voxels that cannot be: they are not used"
        return np.empty(0), None, [said]
    known = [millimetres(unit) for unit in units]
    if None in known:
        is_odd = any(unit for unit in units) or any(side != 1 for side in sides)
        said = "the file states sizes without a unit of length: they are not used"
        return np.empty(0), None, [said] if is_odd else []
    unit = unit_name(units[0])
    if len({*known}) > 1:
        sides = [side * mm for side, mm in zip(sides, known, strict=True) if mm]
        moved = [at * mm for at, mm in zip(moved, known, strict=True) if mm]
        unit = "mm"
    affine = np.diag([*sides, 1.0])
    affine[:-1, -1] = moved
    return affine, unit, []
