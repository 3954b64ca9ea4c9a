"""NRRD and MetaImage files in, by SimpleITK, which is asked for only then.

ITK's world is that of :mod:`napari_dmoe.imaging.world`. It reads what a header leaves
open as 1 and 0; so the header's own words are looked at for what it really states.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    ImageError,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.imaging.units import millimetres, unit_name
from napari_dmoe.imaging.world import placed_image

SEGMENTS_SUFFIX = ".seg.nrrd"
"""Ending of masks as 3D Slicer names them."""
NRRD_SUFFIXES = (SEGMENTS_SUFFIX, ".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")
ITK_SUFFIXES = (*NRRD_SUFFIXES, *META_SUFFIXES)

MAX_BYTES = 8 * 2**30
"""Largest image read at once; headers may claim any size."""

_LARGEST_RATIO = 1100
"""Deflate cannot shrink data by more than about 1,032."""

_HEADER_BYTES = 2**16
"""What is looked through of a header, whose comments may be of any length."""

_DIRECTION = {
    "nrrd": re.compile(rb"^space:", re.MULTILINE | re.IGNORECASE),
    "meta": re.compile(rb"^(TransformMatrix|Rotation|Orientation)\b", re.MULTILINE),
}
_SIZES = {
    "nrrd": re.compile(rb"^(space directions|spacings):", re.MULTILINE | re.IGNORECASE),
    "meta": re.compile(rb"^Element(Spacing|Size)\b", re.MULTILINE),
}
_UNITS = re.compile(rb'^space units:\s*"([^"]*)"', re.MULTILINE | re.IGNORECASE)

NO_DIRECTION = "the file does not say how the patient lies in it"
NO_SIZES = "the file states no voxel sizes"
NO_UNIT = "the file states no unit of length: mm were assumed"


@dataclass(frozen=True)
class _Stated:
    """What a header says of where its voxels lie."""

    has_direction: bool
    has_sizes: bool
    unit: str | None
    """None where it says nothing; MetaImage means mm."""

    @property
    def notices(self) -> tuple[str, ...]:
        said = () if self.has_direction else (NO_DIRECTION,)
        if not self.has_sizes:
            return (*said, NO_SIZES)
        return said if self.unit is not None else (*said, NO_UNIT)


def read_itk(path: str | os.PathLike[str]) -> SpatialImage:
    """Read an NRRD or MetaImage file.

    Parameters
    ----------
    path : str or path-like
        A ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd`` file; the last but one of each kind
        name the file of their voxels.

    Returns
    -------
    SpatialImage
        Of a volume the file's (i, j, k) array as (k, j, i), in mm; each axis is named
        z, y or x by the world axis that it runs along most. A fourth axis is ``t``,
        several numbers a voxel are ``c``. Of a plane (y, x). `notices` say what the
        file left open.

    Raises
    ------
    ImageReadError
        When SimpleITK is not installed; when the file is damaged, claims more voxels
        than it can hold or memory has, or holds complex numbers.
    """
    path = Path(path)
    sitk = itk_library(path, "reading NRRD and MetaImage")
    stated = _stated(path)
    with _in_words(path), itk_silent(sitk):
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        _refuse_size(path, sitk, reader)
        image = reader.Execute()
        data = sitk.GetArrayFromImage(image)
    try:
        return _placed(image, data, stated)
    except ImageError as error:
        raise ImageReadError(f"{path.name}: {error}") from error


def is_itk(path: Path) -> bool:
    """Say whether a file begins as an NRRD or MetaImage header does.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    return start.startswith(b"NRRD") or b"NDims" in start.partition(b"ElementData")[0]


def itk_library(path: Path, doing: str) -> Any:
    """Return SimpleITK, which is needed for a file.

    Raises
    ------
    ImageReadError
        Where it is not installed; says what to install.
    """
    try:
        import SimpleITK as sitk
    except ImportError as error:
        raise ImageReadError(
            f"{path.name}: {doing} needs SimpleITK: pip install 'napari-dmoe[itk]'"
        ) from error
    return sitk


def _stated(path: Path) -> _Stated:
    """Look at what a header says in its own words."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES).replace(b"\r\n", b"\n")
    except OSError as error:
        raise ImageReadError(f"{path.name} cannot be read: {error.strerror}") from error
    is_nrrd = start.startswith(b"NRRD")
    kind, end = ("nrrd", b"\n\n") if is_nrrd else ("meta", b"ElementDataFile")
    header = start.partition(end)[0]
    unit = None if is_nrrd else "mm"
    if is_nrrd and (found := _UNITS.search(header)):
        unit = _unit(path, found[1].decode("ascii", "replace"))
    return _Stated(
        bool(_DIRECTION[kind].search(header)), bool(_SIZES[kind].search(header)), unit
    )


def _unit(path: Path, said: str) -> str | None:
    try:
        return unit_name(said or None)
    except ValueError as error:
        raise ImageReadError(f"{path.name}: space units: {error}") from error


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn ITK's errors, which tell of its sources, into a sentence."""
    try:
        yield
    except RuntimeError as error:
        raise ImageReadError(
            f"{path.name} is cut off, damaged, or no NRRD or MetaImage file"
        ) from error


@contextmanager
def itk_silent(sitk: Any) -> Iterator[None]:
    """Keep ITK's warnings off the terminal; what matters of them is told here."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def _refuse_size(path: Path, sitk: Any, reader: Any) -> None:
    """Refuse what cannot be in the file, or not in memory, before it is read."""
    size = reader.GetSize()
    if not 2 <= len(size) <= 4:
        raise ImageReadError(
            f"{path.name} has {len(size)} axes: expected 2 to 4, of space and time"
        )
    kind = sitk.Image([1] * len(size), reader.GetPixelID(), 0).GetPixelIDTypeAsString()
    if "complex" in kind:
        raise ImageReadError(
            f"{path.name} holds complex numbers: save their magnitude instead"
        )
    item = sitk.GetArrayViewFromImage(sitk.Image([1, 1], reader.GetPixelID())).itemsize
    claimed = math.prod(size) * reader.GetNumberOfComponents() * item
    held = MAX_BYTES
    if path.suffix.lower() in (".nrrd", ".mha"):  # the others name a file beside them
        held = min(held, path.stat().st_size * _LARGEST_RATIO)
    if claimed > held:
        raise ImageReadError(
            f"{path.name} claims {' x '.join(map(str, size))} voxels, "
            f"{claimed / 1e6:,.0f} MB: more than a file of "
            f"{path.stat().st_size / 1e6:,.1f} MB can hold, or than the "
            f"{MAX_BYTES / 2**30:.0f} GiB that are read at once"
        )
    try:
        refuse_beyond_memory(
            2 * claimed,
            what=f"{path.name}: its voxels need",
            remedy="cut it into parts",
        )
    except NotEnoughMemory as error:
        raise ImageReadError(str(error)) from error


def _placed(image: Any, data: NDArray[Any], stated: _Stated) -> SpatialImage:
    """Return the array (..., k, j, i) with its axes and its place."""
    n, n_axes = min(image.GetDimension(), 3), image.GetDimension()
    is_vector = image.GetNumberOfComponentsPerPixel() > 1
    direction = np.array(image.GetDirection()).reshape(n_axes, n_axes)[:n, :n]
    factor = (millimetres(stated.unit) or 1.0) if stated.unit else 1.0
    affine = np.eye(n + 1)
    affine[:n, :n] = direction * np.array(image.GetSpacing()[:n]) * factor
    affine[:n, n] = np.array(image.GetOrigin()[:n]) * factor
    unit = "mm" if stated.has_sizes else None
    if n == 2:
        axes = ("y", "x", *[CHANNEL_AXIS] * is_vector)
        own = affine[np.ix_([1, 0, 2], [1, 0, 2])]
        return SpatialImage(data, axes, own, unit, stated.notices, is_placed=False)
    further = ["t"] * (n_axes == 4)
    if is_vector:  # numpy has the numbers of a voxel last
        data, further = np.moveaxis(data, -1, 0), [*further, CHANNEL_AXIS]
    placed = placed_image(data.T, affine, further, unit=unit, notices=stated.notices)
    return replace(placed, is_placed=stated.has_direction and stated.has_sizes)
