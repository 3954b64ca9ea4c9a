"""The pydicom package, an extra: it is imported when a file of its kind is met.

What is DICOM is told by a file's first bytes, so that other folders cost little.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from napari_dmoe.imaging.spatial import ImageReadError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Endings of DICOM files that have one; many have none, or a number."""

DIRECTORY = "dicomdir"

_SNIFFED = 40
"""Files of a folder that are looked at before it is taken for none of DICOM."""
MOST_FILES = 50_000
"""Files that are looked through for series: more than any study has."""
_DEEPEST = 6
"""Folders in one another that exports of DICOM have at most."""

_OTHERS = (".zarr", ".json", ".csv", ".tsv", ".txt", ".xml", ".nii", ".gz", ".nrrd")
_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08")
"""How files begin that leave out the preamble: the first group, either way round."""


def pydicom_package() -> Any:
    """Return the pydicom package.

    Raises
    ------
    ImageReadError
        Where it is not installed; says what to install.
    """
    try:
        import pydicom
        import pydicom.pixels
    except ImportError:
        raise ImageReadError(
            "reading DICOM needs the package pydicom, which is not installed: "
            "pip install 'napari-dmoe[dicom]'"
        ) from None
    return pydicom


@contextmanager
def nothing_told() -> Iterator[None]:
    """Keep pydicom's warnings to itself, which repeat a header's values, such as names.

    What matters is told by who reads or writes.
    """
    thread, logger = threading.get_ident(), logging.getLogger("pydicom")

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_of_others)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(is_of_others)


def is_dicom_file(path: Path) -> bool:
    """Say whether a file is DICOM by its first bytes, or by its name without them."""
    try:
        # Of very many files, so it is neither buffered nor asked of pathlib.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            head = file.read(132)
    except (OSError, ValueError):
        return False
    if head[128:132] == b"DICM":
        return True
    return path.suffix.lower() in DICOM_SUFFIXES and _begins_so(head)


def has_dicom_suffix(path: Path) -> bool:
    """Say whether a file is named as DICOM files are."""
    return path.suffix.lower() in DICOM_SUFFIXES


def is_dicom_folder(path: Path) -> bool:
    """Say whether a folder holds DICOM files, itself or in folders of its own.

    Only the first files are looked at; folders of zarr and hidden ones are not.
    """
    return path.is_dir() and any(
        is_dicom_file(each) for each in islice(_walked(path), _SNIFFED)
    )


def holds_dicom(path: Path) -> bool:
    """Say whether a folder holds DICOM files itself, whatever lies below it."""
    if not path.is_dir():
        return False
    return any(is_dicom_file(each) for each in islice(files_in(path), _SNIFFED))


def dicom_files(path: Path) -> list[Path]:
    """Return the DICOM files of a folder and of those in it, in order.

    Raises
    ------
    ImageReadError
        When there are none, or more files than any study has.
    """
    files = list(islice(_walked(path), MOST_FILES + 1))
    if len(files) > MOST_FILES:
        raise ImageReadError(
            f"{path.name} holds over {MOST_FILES:,} files: name the folder of one study"
        )
    found = [each for each in files if is_dicom_file(each)]
    if not found:
        raise ImageReadError(f"{path.name} holds no DICOM file")
    return found


def _begins_so(head: bytes) -> bool:
    return head[:2] in _GROUPS or head[:4] == b"\0\0\0\0"


def _walked(folder: Path, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield what may be DICOM in a folder, then below it; no link leads round."""
    real = os.path.realpath(folder)
    if real in seen or len(seen) >= _DEEPEST or _is_zarr(folder):
        return
    yield from files_in(folder)
    try:
        with os.scandir(folder) as found:
            inner = sorted(each.path for each in found if each.is_dir())
    except OSError:
        return
    for each in map(Path, inner):
        if not each.name.startswith("."):
            yield from _walked(each, seen | {real})


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that may be DICOM, in order, without those below."""
    try:
        with os.scandir(folder) as found:
            names = sorted(each.name for each in found if each.is_file())
    except OSError:
        return
    for name in names:
        lower = name.lower()
        if not (lower.startswith(".") or lower == DIRECTORY or lower.endswith(_OTHERS)):
            yield folder / name


def _is_zarr(folder: Path) -> bool:
    marks = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
    return any((folder / mark).is_file() for mark in marks)
