"""Image files in and out: pictures, TIFF, NIfTI, DICOM, NRRD, zarr in; TIFF out.

What a kind of file needs stands in a file of its own; this is where they are had from.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from napari_dmoe.imaging.dicom.library import (
    DICOM_SUFFIXES,
    is_dicom_file,
    is_dicom_folder,
)
from napari_dmoe.imaging.dicom.reading import read_dicom
from napari_dmoe.imaging.itk import ITK_SUFFIXES, SEGMENTS_SUFFIX, read_itk
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES, read_nifti
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES, is_zarr
from napari_dmoe.imaging.ome_zarr.reading import read_zarr
from napari_dmoe.imaging.pictures.reading import read_picture
from napari_dmoe.imaging.pictures.signatures import named_format, true_format
from napari_dmoe.imaging.spatial import (
    ImageError,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.imaging.tiff.reading import read_tiff
from napari_dmoe.imaging.tiff.reading import stated_classes as stated_classes
from napari_dmoe.imaging.tiff.writing import write_tiff as write_tiff

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
TIFF_SUFFIXES = (".tif", ".tiff")
IMAGE_SUFFIXES = (
    *PICTURE_SUFFIXES,
    *TIFF_SUFFIXES,
    *NIFTI_SUFFIXES,
    *ITK_SUFFIXES,
    *DICOM_SUFFIXES,
)
"""Files that :func:`read_image` takes; DICOM files without a suffix are, too."""
_BY_CONTENT = (*PICTURE_SUFFIXES, *TIFF_SUFFIXES)
LABELS = ".labels"
"""What stands before the suffix of a mask's file."""

_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[\d¹²³])(\.|$)", re.IGNORECASE)
MAX_NAME = 80


def image_suffix(path: Path) -> str:
    """Return how an image file's name ends, in lower case: ``.png``, ``.nii.gz``."""
    return suffix_of(path.name)


def suffix_of(name: str) -> str:
    """Return the same of a name alone, as paths are slow to make of very many."""
    lower = name.lower()
    for longer in (".nii.gz", ".ome.zarr", SEGMENTS_SUFFIX):
        if lower.endswith(longer):
            return longer
    place = lower.rfind(".")
    return lower[place:] if 0 < place < len(lower) - 1 else ""


def image_stem(path: Path) -> str:
    """Return an image file's name without its suffix."""
    name = path.name
    suffix = suffix_of(name)
    return name[: -len(suffix)] if suffix else name


def safe_stem(name: str, longest: int = MAX_NAME) -> str:
    """Turn any name into one that every file system takes, without folders."""
    cleaned = re.sub(r"[^\w.-]+", "_", name).strip("._ ")[:longest] or "image"
    return f"_{cleaned}" if _RESERVED.match(cleaned) else cleaned


def proposed_stem(title: str) -> str:
    """Return the stem to propose for a file, of what a layer is called.

    An image's suffix in it says nothing of the new file.

    Examples
    --------
    >>> proposed_stem("f2.png / mask"), proposed_stem("Scan.LABELS.TIF")
    ('f2_mask', 'Scan')
    """
    parts = title.split(" / ")
    return safe_stem(" / ".join(without_suffix(part) for part in parts))


def without_suffix(name: str) -> str:
    """Return a name without the suffixes of images and masks that it ends in."""
    known = (*IMAGE_SUFFIXES, LABELS)
    while image_suffix(Path(name)) in known and image_stem(Path(name)):
        name = image_stem(Path(name))
    return name


def read_image(path: str | os.PathLike[str]) -> SpatialImage:
    """Read an image file.

    Parameters
    ----------
    path : str or path-like
        A PNG, JPEG, BMP, TIFF, NIfTI, NRRD or MetaImage file; a DICOM file, any file
        of a DICOM series, or its folder; or the folder of a zarr array or an OME-Zarr
        image, which is read only where it is needed: its finest level, or the level
        that is named, as in ``scan.ome.zarr/2``.

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
        A PNG, JPEG, BMP, TIFF, NIfTI, NRRD or MetaImage file, a DICOM file or folder,
        or a zarr array or OME-Zarr image.

    Returns
    -------
    SpatialImage
        In memory. Without a channel axis, except where colours differ.

    Raises
    ------
    ImageReadError
        As :func:`read_image` raises it.
    """
    return _read(Path(path), as_labels=True)


def is_image_folder(path: Path) -> bool:
    """Say whether a folder is one image or more: of zarr, or of DICOM files."""
    return is_zarr(path) or is_dicom_folder(path)


def is_image(path: Path) -> bool:
    """Say whether there is an image of that path, by its name or its first bytes."""
    is_named_so = image_suffix(path) in IMAGE_SUFFIXES and path.is_file()
    return is_named_so or is_image_folder(path) or is_dicom_file(path)


def refuse_no_image(path: Path) -> None:
    """Refuse what is no file, or is not named like an image.

    Raises
    ------
    ImageReadError
        For such a path.
    """
    if is_image(path):
        return
    if image_suffix(path) in ZARR_SUFFIXES:
        there = "no zarr array or group" if path.exists() else "there is no such file"
        raise ImageReadError(f"{path.name}: {there}")
    if image_suffix(path) not in IMAGE_SUFFIXES:
        raise ImageReadError(
            f"{path.name} cannot be read: expected one of {', '.join(IMAGE_SUFFIXES)}, "
            "or DICOM"
        )
    raise ImageReadError(f"{path.name}: there is no such file")


def _read(path: Path, *, as_labels: bool) -> SpatialImage:
    if is_zarr(path):
        image = read_zarr(path)
        return replace(image, data=in_memory(image.data)) if as_labels else image
    refuse_no_image(path)
    suffix = image_suffix(path)
    try:
        if path.is_dir():
            return read_dicom(path)
        if suffix in NIFTI_SUFFIXES:
            return read_nifti(path)
        if suffix in ITK_SUFFIXES:
            return read_itk(path)
        if suffix not in _BY_CONTENT:
            return read_dicom(path)
        return _read_by_content(path, named_format(suffix), as_labels=as_labels)
    except ImageReadError:
        raise
    except ImageError as error:
        raise ImageReadError(f"{path.name}: {error}") from error
    except MemoryError as error:
        raise ImageReadError(
            f"{path.name} needs more memory than there is: cut it into parts"
        ) from error
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
        image = read_tiff(path, as_labels=as_labels)
    else:
        image = read_picture(path, kind, as_labels=as_labels)
    image = replace(image, is_placed=False)
    if kind == named:
        return image
    said = f"the file is {kind}, though its name says {named}"
    return replace(image, notices=(said, *image.notices))
