"""DICOM series and files in, as images with their place in the patient.

A folder may hold several images; which there are is told before any pixel is read. Each
says what it is in words that name nobody.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_dmoe.imaging.dicom.headers import Header, Plane, read_header
from napari_dmoe.imaging.dicom.kinds import NoImageError
from napari_dmoe.imaging.dicom.library import (
    dicom_files,
    files_in,
    is_dicom_file,
    pydicom_package,
)
from napari_dmoe.imaging.dicom.pixels import Planes, grey_notices, numbers_of
from napari_dmoe.imaging.dicom.stacks import Stack, alike, are_slices, stack_of
from napari_dmoe.imaging.memory import NotEnoughMemory, refuse_beyond_memory
from napari_dmoe.imaging.spatial import (
    CHANNEL_AXIS,
    ImageError,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.imaging.world import named_axes
from napari_dmoe.patient import PatientFacts

MAX_BYTES = 8 * 2**30
"""Largest image read at once; headers may claim any size."""

_SHOWN = 8
"""Images, or files, that a message names."""

BURNED_IN = (
    "its file says that names or dates may be written into the picture (BurnedIn"
    "Annotation)"
)
OTHERS_TOO = (
    "its series also holds planes of another size or direction: they are an image of "
    "their own"
)
AT_DETECTOR = "its sizes are those at the detector, not in the patient"


@dataclass(frozen=True)
class DicomImage:
    """One image among DICOM files, its pixels not yet read."""

    path: Path
    """What was asked for: the folder, or one of its files."""
    files: tuple[Path, ...]
    title: str
    """What it is, such as ``CT, series 3``; names nobody."""
    size: str
    """How large it is in words, such as ``300 slices of 512 x 512``."""
    n_planes: int
    facts: PatientFacts
    stack: Stack | None
    """None where its planes make no image."""
    problem: str = ""
    """Why not."""
    notices: tuple[str, ...] = ()
    """What a person should know, without what its pixels tell."""

    @property
    def first(self) -> Path:
        """The file that it is named by."""
        return min(self.files)

    def __repr__(self) -> str:
        """Show what it is."""
        return f"DicomImage({self.title}: {self.size})"


def dicom_images(path: Path) -> tuple[DicomImage, ...]:
    """Return the images that a folder's files make, or the one that a file is part of.

    Parameters
    ----------
    path : Path
        A folder, with those in it; or any file of a series.

    Returns
    -------
    tuple of DicomImage
        The one with most planes first. A file's series is looked for in its folder.

    Raises
    ------
    ImageReadError
        When pydicom is not installed, or no file holds an image: says why.
    """
    pydicom_package()
    if path.is_dir():
        return _images_of(dicom_files(path), path)
    own = read_header(path)
    if own.is_alone and not are_slices(own.planes):
        return _images([own], (), path)
    beside = (p for p in path.parent.iterdir() if p != path and is_dicom_file(p))
    headers, left_out = _headers(sorted(beside))
    series = own.planes[0].series
    headers = [own, *(h for h in headers if h.planes[0].series == series)]
    images = _images(headers, left_out.unreadable, path)
    return tuple(each for each in images if path in each.files)


def images_in(folder: Path) -> tuple[DicomImage, ...]:
    """Return the images that a folder's own files make, without those below it.

    Raises
    ------
    ImageReadError
        As :func:`dicom_images` raises it.
    """
    return _images_of([*filter(is_dicom_file, files_in(folder))], folder)


def facts_of_dicom(path: Path) -> PatientFacts:
    """Return what the header of a file, or of a folder's first image, says of whom.

    Nothing where it cannot be read: whoever reads the image is told.
    """
    try:
        for file in dicom_files(path) if path.is_dir() else [path]:
            with suppress(NoImageError):
                return read_header(file).facts
    except (ImageReadError, OSError):
        pass
    return PatientFacts()


def read_dicom(path: Path) -> SpatialImage:
    """Read a series, by its folder or any of its files, or a file of many frames.

    Parameters
    ----------
    path : Path
        A folder that holds one image, or a file.

    Returns
    -------
    SpatialImage
        Of slices in mm, with axes z, y and x as they run in the world, and before them
        ``t`` for points in time, or ``echo``, ``b`` or ``type``. Of one picture ``yx``,
        of a film ``tyx``; colours are a last axis ``c``. Rescaled; `notices` say what
        was converted, and what the header says otherwise.

    Raises
    ------
    ImageReadError
        When there is no image or more than one, slices are missing or there twice, or
        pixels cannot be had.
    """
    image = open_dicom(the_only(dicom_images(path), path))
    return replace(image, data=np.asarray(image.data))


def the_only(images: Sequence[DicomImage], path: Path) -> DicomImage:
    """Return the one image of a path.

    Raises
    ------
    ImageReadError
        When there are several: lists them, and how to name one.
    """
    if len(images) == 1:
        return images[0]
    listed = "; ".join(
        f"{each.title}, {each.size} ({_below(each.first, path)})"
        for each in images[:_SHOWN]
    )
    more = "; ..." if len(images) > _SHOWN else ""
    raise ImageReadError(
        f"{path.name} holds {len(images)} images: {listed}{more}. Name one of them by "
        "any of its files"
    )


def open_dicom(image: DicomImage) -> SpatialImage:
    """Return an image whose planes are read when they are looked at.

    Its data is a :class:`~napari_dmoe.imaging.dicom.pixels.Planes`.

    Raises
    ------
    ImageReadError
        When its planes make no image, need more memory than there is, or the first of
        them to be looked at cannot be read.
    """
    stack = image.stack
    if stack is None:
        raise ImageReadError(f"{image.path.name}: {image.problem}")
    _refuse_size(image, stack)
    leading = [stack.n_further] if stack.further else []
    leading += [stack.n_slices] if stack.is_volume else []
    planes = Planes(stack.planes, tuple(leading))
    planes[tuple(n // 2 for n in leading)]
    colours = (CHANNEL_AXIS,) if stack.planes[0].stored.is_colour else ()
    further = (stack.further,) if stack.further else ()
    notices = (*image.notices, *stack.notices, *grey_notices(stack.planes))
    is_placed = stack.planes[0].is_placed
    if stack.affine is not None:
        names, affine = named_axes(stack.affine)
        axes = (*further, *names, *colours)
        unit = "mm" if is_placed else None
        return SpatialImage(planes, axes, affine, unit, notices, is_placed)
    sizes = stack.planes[0].sizes
    if stack.planes[0].at_detector:
        notices = (*notices, AT_DETECTOR)
    affine = np.diag([*(sizes or (1.0, 1.0)), 1.0])
    unit = None if sizes is None else "mm"
    axes = (*further, "y", "x", *colours)
    return SpatialImage(planes, axes, affine, unit, notices, is_placed=False)


def _refuse_size(image: DicomImage, stack: Stack) -> None:
    own, name = stack.planes[0].stored, image.path.name
    item = numbers_of(stack.planes).itemsize
    claimed = math.prod((len(stack.planes), own.rows, own.columns, own.samples, item))
    if claimed > MAX_BYTES:
        raise ImageReadError(
            f"{name} claims {image.size}, {claimed / 1e6:,.0f} MB: more than the "
            f"{MAX_BYTES / 2**30:.0f} GiB that are read at once"
        )
    try:
        refuse_beyond_memory(
            claimed, what=f"{name}: its pixels need", remedy="cut it into parts"
        )
    except NotEnoughMemory as error:
        raise ImageReadError(str(error)) from error


def _images_of(files: Sequence[Path], folder: Path) -> tuple[DicomImage, ...]:
    headers, left_out = _headers(files)
    said = (*left_out.unreadable, *left_out.no_images)
    if not headers:
        raise ImageReadError(f"{folder.name} holds no image of DICOM: {said[0]}")
    return _images(headers, said, folder)


_ONE_BAD = "file cannot be read, and is"


@dataclass(frozen=True)
class _LeftOut:
    """What is said of files that are no image, or cannot be read.

    Names of files may be those of patients, and what is said is recorded.
    """

    unreadable: tuple[str, ...] = ()
    no_images: tuple[str, ...] = ()


def _headers(files: Iterable[Path]) -> tuple[list[Header], _LeftOut]:
    """Return the headers of images, and what is said of other files."""
    headers, none, n_bad = list[Header](), Counter[str](), 0
    for file in files:
        try:
            headers.append(read_header(file))
        except NoImageError as error:
            none[error.what] += 1
        except (ImageReadError, OSError):
            n_bad += 1
    unreadable, no_images = list[str](), list[str]()
    if n_bad:
        what = "files cannot be read, and are" if n_bad > 1 else _ONE_BAD
        unreadable.append(f"{n_bad} {what} left out")
    if none:
        listed = ", ".join(f"{what} ({n})" for what, n in none.most_common())
        no_images.append(f"left out, as they are no images: {listed}")
    return headers, _LeftOut(tuple(unreadable), tuple(no_images))


def _images(
    headers: Sequence[Header], said: tuple[str, ...], path: Path
) -> tuple[DicomImage, ...]:
    """Return the images that files make, the one with most planes first."""
    of_file = {header.path: header for header in headers}
    groups: dict[Any, list[Plane]] = defaultdict(list)
    for header in headers:
        is_own = header.is_alone and not are_slices(header.planes)
        many = len(header.planes) > 1
        key = header.path if is_own or many else header.planes[0].series
        groups[key].extend(header.planes)
    found = []
    for planes in groups.values():
        lots = alike(planes)
        notices = (*said, OTHERS_TOO) if len(lots) > 1 else said
        found += [_image(path, lot, of_file, notices) for lot in lots]
    return tuple(sorted(found, key=lambda each: (-each.n_planes, each.first)))


def _image(
    path: Path,
    planes: list[Plane],
    of_file: dict[Path, Header],
    said: tuple[str, ...],
) -> DicomImage:
    files = tuple({plane.path: None for plane in planes})
    headers = [of_file[file] for file in files]
    notices = (*said, BURNED_IN) if any(h.has_text for h in headers) else said
    number = headers[0].series_number
    modality = planes[0].modality or "DICOM"
    title = modality if number is None else f"{modality}, series {number}"
    known = path, files, title, _size(planes), len(planes), headers[0].facts
    try:
        stack = stack_of(planes)
    except ImageError as error:
        return DicomImage(*known, None, str(error), notices)
    return DicomImage(*known, stack, "", notices)


def _size(planes: Sequence[Plane]) -> str:
    own, n = planes[0].stored, len(planes)
    what = "slices" if planes[0].is_placed or are_slices(planes) else "frames"
    several = f"{n} {what} of " if n > 1 else ""
    return f"{several}{own.rows} x {own.columns}"


def _below(file: Path, folder: Path) -> str:
    is_inside = folder.is_dir() and file.is_relative_to(folder)
    return str(file.relative_to(folder)) if is_inside else file.name
