"""Image files in and out: PNG, JPEG, BMP, TIFF and NIfTI in, TIFF out.

TIFF files written here say where they lie: axes, spacing and unit stand in tifffile's
own description, and the resolution tags repeat them for other programs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray

from napari_dmoe.imaging.atomic import atomic_path
from napari_dmoe.imaging.nifti import MAX_BYTES, NIFTI_SUFFIXES, read_nifti
from napari_dmoe.imaging.pictures import read_picture
from napari_dmoe.imaging.signatures import named_format, true_format
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    ImageError,
    ImageReadError,
    SpatialImage,
    guess_axes,
)

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
TIFF_SUFFIXES = (".tif", ".tiff")
IMAGE_SUFFIXES = (*PICTURE_SUFFIXES, *TIFF_SUFFIXES, *NIFTI_SUFFIXES)
"""Files that :func:`read_image` takes."""

_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
MAX_NAME = 80

PER_CENTIMETRE = {"mm": 10.0, "um": 10_000.0, "µm": 10_000.0, "cm": 1.0}
"""Units that resolution tags can express."""


def image_suffix(path: Path) -> str:
    """Return how an image file's name ends, in lower case: ``.png``, ``.nii.gz``."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def image_stem(path: Path) -> str:
    """Return an image file's name without its suffix."""
    return path.name[: -len(image_suffix(path))] if path.suffix else path.name


def safe_stem(name: str) -> str:
    """Turn any name into one that every file system takes, without folders."""
    cleaned = re.sub(r"[^\w.-]+", "_", name).strip("._ ")[:MAX_NAME] or "image"
    return f"_{cleaned}" if _RESERVED.match(cleaned) else cleaned


def read_image(path: str | os.PathLike[str]) -> SpatialImage:
    """Read an image file.

    Parameters
    ----------
    path : str or path-like
        A PNG, JPEG, BMP, TIFF or NIfTI file.

    Returns
    -------
    SpatialImage
        Axes ``yx`` or ``yxc``, or those that a TIFF file names; spacing and unit
        where the file states them. Colours are red, green and blue; pictures are
        turned upright; `notices` say what was converted.

    Raises
    ------
    ImageReadError
        When the file is absent, of another kind, damaged, too large, or its axes
        or colours cannot be told.
    """
    return _read(Path(path), as_labels=False)


def read_labels(path: str | os.PathLike[str]) -> SpatialImage:
    """Read an image file whose numbers are labels.

    As :func:`read_image`, but what stands for numbers keeps them: the indices of a
    palette, 0 and 1 of a bilevel picture, and one channel where all are equal.

    Parameters
    ----------
    path : str or path-like
        A PNG, JPEG, BMP, TIFF or NIfTI file.

    Returns
    -------
    SpatialImage
        Without a channel axis, except where colours differ.

    Raises
    ------
    ImageReadError
        As :func:`read_image` raises it.
    """
    return _read(Path(path), as_labels=True)


def _read(path: Path, *, as_labels: bool) -> SpatialImage:
    suffix = image_suffix(path)
    if suffix not in IMAGE_SUFFIXES:
        raise ImageReadError(
            f"{path.name} cannot be read: expected one of {', '.join(IMAGE_SUFFIXES)}"
        )
    if not path.is_file():
        raise ImageReadError(f"{path.name}: there is no such file")
    try:
        if suffix in NIFTI_SUFFIXES:
            return read_nifti(path)
        return _read_by_content(path, named_format(suffix), as_labels=as_labels)
    except ImageReadError:
        raise
    except ImageError as error:
        raise ImageReadError(f"{path.name}: {error}") from error
    # Damaged files make decoders raise almost anything, and all of it means the same.
    except Exception as error:
        raise ImageReadError(
            f"{path.name} is damaged, or not the kind of file that its name says"
        ) from error


def _read_by_content(path: Path, named: str, *, as_labels: bool) -> SpatialImage:
    """Read a picture or TIFF as what it is, whatever of the four its name says."""
    kind, other = true_format(path)
    if kind is None:
        what = f": it is {other}" if other else ""
        raise ImageReadError(
            f"{path.name} is damaged, or not the kind of file that its name says{what}"
        )
    if kind == "TIFF":
        image = _read_tiff(path, as_labels=as_labels)
    else:
        image = read_picture(path, kind, as_labels=as_labels)
    if kind == named:
        return image
    said = f"the file is {kind}, though its name says {named}"
    return replace(image, notices=(said, *image.notices))


def _read_tiff(path: Path, *, as_labels: bool) -> SpatialImage:
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        if series.nbytes > MAX_BYTES:
            raise ImageReadError(
                f"{path.name} claims {series.nbytes / 2**30:.0f} GiB: more than the "
                f"{MAX_BYTES / 2**30:.0f} GiB that are read at once"
            )
        data = series.asarray()
        stated: dict[str, Any] = dict((file.shaped_metadata or ({},))[0])
        axes = _tiff_axes(series.axes, data.shape, as_labels=as_labels)
    spacing, unit = stated.get("spacing"), stated.get("unit")
    return SpatialImage.from_array(data, axes=axes, spacing=spacing, unit=unit)


def _tiff_axes(
    stated: str, shape: tuple[int, ...], *, as_labels: bool
) -> tuple[str, ...]:
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


def write_tiff(
    path: str | os.PathLike[str],
    data: NDArray[Any],
    *,
    axes: Sequence[str],
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
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

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left behind.
    """
    letters = "".join({CHANNEL_AXIS: "S"}.get(axis, axis.upper()[:1]) for axis in axes)
    description: dict[str, Any] = {"axes": letters}
    if spacing is not None:
        description |= {"spacing": [float(s) for s in spacing], "unit": unit}
    options: dict[str, Any] = {}
    if spacing is not None and unit in PER_CENTIMETRE and len(spacing) >= 2:
        tags = [PER_CENTIMETRE[unit] / s for s in (spacing[-1], spacing[-2])]
        options = {"resolution": tags, "resolutionunit": "CENTIMETER"}
    is_rgb = letters.endswith("S") and data.shape[-1] in (3, 4)
    photometric = "rgb" if is_rgb else "minisblack"
    target = Path(path)
    with atomic_path(target) as partial:
        tifffile.imwrite(
            partial,
            data,
            photometric=photometric,
            compression="zlib",
            metadata=description,
            **options,
        )
