"""TIFF files in: their pixels as grey or RGB, upright, with their size.

Parts of this: which picture (:mod:`series`), its numbers (:mod:`decoding`),
its colours (:mod:`colours`) and the size of a pixel (:mod:`spacing`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray

from napari_dmoe.foreign import printable
from napari_dmoe.imaging.pictures.orientation import swaps_sides, turning, upright
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    MOST_CLASSES,
    SPATIAL_AXES,
    ImageReadError,
    SpatialImage,
    guess_axes,
)
from napari_dmoe.imaging.tiff import colours
from napari_dmoe.imaging.tiff.decoding import (
    decoded,
    missing_parts,
    refuse_compression,
)
from napari_dmoe.imaging.tiff.series import chosen_series, refuse_headers, refuse_size
from napari_dmoe.imaging.tiff.spacing import FROM_TAGS, UNIT, stated_sizes

# What tifffile logs of odd tags is said here as a notice or an error, and not to the
# terminal, where Python prints what nobody listens to.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def mapped_tiff(path: Path) -> NDArray[Any]:
    """Map the pixels of an uncompressed TIFF into memory; nothing is read before.

    Parameters
    ----------
    path : Path
        As :func:`napari_dmoe.imaging.tiff.writing.mapped_mask` wrote it.

    Returns
    -------
    array
        Its pixels as they are stored; they cannot be written to.

    Raises
    ------
    ImageReadError
        When it is gone, compressed, or no TIFF.
    """
    try:
        mapped: NDArray[Any] = tifffile.memmap(path, mode="r")
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise ImageReadError(f"{path.name} cannot be mapped: {error}") from error
    return mapped


def read_tiff(path: Path, *, as_labels: bool = False) -> SpatialImage:
    """Read the picture of a TIFF file.

    Parameters
    ----------
    path : Path
        The file.
    as_labels : bool
        Whether its numbers are labels: palettes keep their indices.

    Returns
    -------
    SpatialImage
        With the axes that the file names, or those that its shape tells; in the
        unit of this package's own description, or in mm. `notices` say what was
        converted, passed over or left out.

    Raises
    ------
    ImageReadError
        When the file claims more than it can hold, is compressed or coloured in a way
        that is not read, holds several pictures, or lacks parts of one.
    """
    with tifffile.TiffFile(path) as file:
        refuse_headers(path, file)
        series, notices = chosen_series(path, file)
        page = series.keyframe
        refuse_compression(path.name, page)
        colours.refuse_colours(path.name, page)
        refuse_size(path, series)
        data, left_to_turn = decoded(path, series)
        if missing := missing_parts(series):
            notices.append(f"{missing} parts that the file leaves out are 0")
        axes = _axes(series.axes, data.shape, as_labels=as_labels)
        convert = colours.as_labels if as_labels else colours.as_colours
        data, axes, converted = convert(data, axes, page, name=path.name)
        if left_to_turn != 1:
            data = upright(data, left_to_turn, y=axes.index("y"), x=axes.index("x"))
        turned = page.tags.valueof(274, 1)
        place = _place(file, series, axes, is_swapped=swaps_sides(turned))
    spacing, unit, sized = place
    image = SpatialImage.from_array(data, axes=axes, spacing=spacing, unit=unit)
    said = (*notices, *converted, *turning(turned), *sized)
    return SpatialImage(image.data, image.axes, image.affine, unit, said)


def stated_classes(path: Path) -> tuple[str, ...]:
    """Return what the labels of a mask mean by its own words, if it has any."""
    with tifffile.TiffFile(path) as file:
        own: dict[str, Any] = dict((file.shaped_metadata or ({},))[0])
    names = own.get("classes")
    if not isinstance(names, list) or not 2 <= len(names) <= MOST_CLASSES:
        return ()
    return tuple(printable(str(name)) for name in names)


def _axes(stated: str, shape: tuple[int, ...], *, as_labels: bool) -> tuple[str, ...]:
    """Take the axes that a TIFF names; unnamed ones (Q) are told from the shape.

    Axes of one sample say nothing of where labels lie.
    """
    if as_labels and 1 in shape:
        rest = tuple(side for side in shape if side > 1)
        known = iter(guess_axes(rest) if len(rest) > 1 else ("y", "x")[: len(rest)])
        spare = iter("abdefgh")
        return tuple(next(spare if side == 1 else known) for side in shape)
    names = tuple({"S": CHANNEL_AXIS}.get(name, name.lower()) for name in stated)
    is_clear = not any(name in "qi" for name in names) and len(set(names)) == len(names)
    return names if is_clear else guess_axes(shape)


def _of_sides(spacing: list[float], series: Any, axes: Sequence[str]) -> list[float]:
    """Return the spacing of those sides that are still along space.

    Of labels a side of one sample may be along no axis of space any more.
    """
    stated = zip(series.axes.lower(), series.shape, strict=True)
    sides = [n for name, n in stated if name in SPATIAL_AXES]
    if len(spacing) != len(sides) or len(sides) == len(set(axes) & set(SPATIAL_AXES)):
        return spacing
    return [size for size, n in zip(spacing, sides, strict=True) if n > 1]


def _place(
    file: Any, series: Any, axes: Sequence[str], *, is_swapped: bool
) -> tuple[list[float] | None, str | None, list[str]]:
    """Return the spacing along the spatial axes and its unit; our own words first."""
    own: dict[str, Any] = dict((file.shaped_metadata or ({},))[0])
    if isinstance(own.get("spacing"), list):
        unit, spacing = own.get("unit"), _of_sides(own["spacing"], series, axes)
        return spacing, unit if isinstance(unit, str) else None, []
    sizes, notices = stated_sizes(file, series)
    if own.get("spacing") is not None:
        notices = [*notices, "the spacing in its description is not one number an axis"]
    if is_swapped and sizes:
        sizes = sizes | {"x": sizes.get("y", 0.0), "y": sizes.get("x", 0.0)}
    wanted = [axis for axis in axes if axis in SPATIAL_AXES]
    missing = [axis for axis in wanted if not sizes.get(axis)]
    if sizes and missing:
        notices = [said for said in notices if said != FROM_TAGS]
        notices.append(f"its pixel size along {', '.join(missing)} is not stated")
    if not sizes or missing:
        return None, None, notices
    return [sizes[axis] for axis in wanted], UNIT, notices
