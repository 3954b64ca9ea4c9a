"""Portable case files: a record and its mask in one file, without the image.

A colleague who has the image and the checkpoint can replay it. The file is a zip with
``record.json`` and ``labels.npy``, which holds the labels frame by frame. It holds no
path and no patient identifier; reading one unpacks nothing to disk and runs nothing.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_dmoe.foreign import JSONError, parse_json, printable
from napari_dmoe.imaging import nifti
from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.inference.results.record_rules import impossible, label_shapes
from napari_dmoe.purpose import reason
from napari_dmoe.validation import said

CASE_SUFFIX = ".dmoe-case"

RECORD, LABELS = "record.json", "labels.npy"

MOST_RECORD_BYTES = 2**20
MOST_LABEL_BYTES = 2**32
"""Larger files are taken for damaged or hostile."""

_MOST_HEADER = 4096
_MOST_SHOWN = 120
_AT_ONCE = 2**24
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class CaseFileError(ValueError):
    """A case file or a record cannot be read or written; names the file."""


@dataclass(frozen=True)
class CaseFile:
    """What a case file holds."""

    record: Provenance
    """How the mask came about."""
    labels: NDArray[np.uint8]
    """(*S) uint8 array: the mask along the axes of its image, but for channels; painted
    on where ``record.edited`` says so."""


def refuse_no_case_name(path: Path) -> None:
    """Refuse a file name that does not end like a case's.

    Raises
    ------
    CaseFileError
        For such a name.
    """
    if path.suffix != CASE_SUFFIX:
        raise CaseFileError(f"{path.name}: case files end in {CASE_SUFFIX}")


def write_case(
    path: str | os.PathLike[str], record: Provenance, labels: NDArray[np.uint8]
) -> None:
    """Write a record and its mask, whole or not at all; the same makes the same file.

    Parameters
    ----------
    path : str or path-like
        Where to, ending in ``.dmoe-case``.
    record : Provenance
        How the mask came about.
    labels : (*S) uint8 array
        The mask, as the run returned it or painted on.

    Raises
    ------
    CaseFileError
        For another suffix, another type of labels, and labels that do not fit the
        record.
    OSError
        When the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    refuse_no_case_name(path)
    if labels.dtype != np.uint8:
        raise CaseFileError(f"labels must be uint8: found {labels.dtype}")
    if fault := impossible(record):
        raise CaseFileError(f"the record cannot be: {fault}")
    stored = np.ascontiguousarray(record.by_frame(labels))
    _check_fit(stored, record, path.name)
    stream = io.BytesIO()
    npy.write_array(stream, stored, allow_pickle=False)
    parts = {
        RECORD: (record.model_dump_json(indent=2) + "\n").encode(),
        LABELS: stream.getvalue(),
    }
    with (
        atomic_path(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def read_case(path: str | os.PathLike[str]) -> CaseFile:
    """Read a case file.

    Raises
    ------
    CaseFileError
        When the file is absent, no case file, damaged, too large, or holds anything
        but a record and a mask that fit each other.
    """
    path = Path(path)
    if not path.is_file():
        raise CaseFileError(f"{path.name}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
            if names != sorted((RECORD, LABELS)):
                raise CaseFileError(
                    f"{path.name} is no case file: expected {RECORD} and {LABELS}, "
                    f"found {', '.join(map(printable, names[:5])) or 'nothing'}"
                )
            content = _part(archive, RECORD, MOST_RECORD_BYTES, path.name)
            record = parse_record(content, path.name)
            labels = _labels(archive, path.name, record)
    except (CaseFileError, MemoryError):
        raise
    except (RuntimeError, NotImplementedError) as error:  # encrypted, odd compression
        why = _said(error)
        raise CaseFileError(f"{path.name} cannot be unpacked: {why}") from error
    # Damaged archives make decoders raise almost anything, and it means the same.
    except Exception as error:
        raise CaseFileError(
            f"{path.name} is damaged, or no case file: {_said(error)}"
        ) from error
    _check_fit(labels, record, path.name)
    return CaseFile(record, record.as_image(labels))


def read_record(path: str | os.PathLike[str]) -> Provenance:
    """Read a record that lies as JSON beside a mask.

    Raises
    ------
    CaseFileError
        When it is absent, too large, or no record.
    """
    path = Path(path)
    if not path.is_file():
        raise CaseFileError(f"{path.name}: there is no such file")
    if path.stat().st_size > MOST_RECORD_BYTES:
        raise CaseFileError(f"{path.name} is too large for a record")
    return parse_record(path.read_bytes(), path.name)


def record_in_header(mask: Path) -> Provenance | None:
    """Return the record in a NIfTI file's header; None where there is none.

    Raises
    ------
    CaseFileError
        When it is damaged.
    """
    try:
        text = nifti.read_record(mask)
    except (OSError, ValueError) as error:
        raise CaseFileError(f"the record cannot be read: {_said(error)}") from error
    # Other programs keep other text in headers.
    if text is None or not text.lstrip().startswith("{"):
        return None
    return parse_record(text.encode(), mask.name)


def parse_record(content: bytes, where: str) -> Provenance:
    """Return the record in a JSON text.

    Raises
    ------
    CaseFileError
        When it is none; says which field is wrong.
    """
    try:
        parse_json(content)
        record = Provenance.model_validate_json(content)
    except ValidationError as error:
        if _is_of_sweep(content):
            raise CaseFileError(
                f"{where} is the record of a whole sweep: take that of one of its "
                "values, beside its mask, or sweep again"
            ) from error
        # What the record says of the drivers is what somebody said of the patient.
        is_private = error.errors()[0]["loc"][:1] == ("drivers",)
        fault = said(error, whole="the text", is_private=is_private)
        raise CaseFileError(
            f"{where} holds no record that this version can read: {fault}"
        ) from error

    except JSONError as error:
        raise CaseFileError(f"{where} holds no record: {error}") from error
    fault = impossible(record)
    if fault:
        raise CaseFileError(
            f"{where} holds a record that cannot be: {printable(fault, _MOST_SHOWN)}"
        )
    return record


def _said(error: Exception) -> str:
    """Return what an archive's reader says, or at least what kind of error it was."""
    if isinstance(error, zipfile.BadZipFile | zlib.error | NotImplementedError):
        return printable(str(error), _MOST_SHOWN) or type(error).__name__
    if isinstance(error, RuntimeError) and "is encrypted" in str(error):
        return "it is encrypted"
    return printable(reason(error), _MOST_SHOWN)


def _is_of_sweep(content: bytes) -> bool:
    from napari_dmoe.inference.what_if.sweep_result import SweepRecord

    try:
        SweepRecord.model_validate_json(content)
    except ValidationError:
        return False
    return True


def _part(archive: zipfile.ZipFile, name: str, most: int, where: str) -> bytes:
    """Return an entry; its size is checked before and while it is unpacked."""
    if archive.getinfo(name).file_size > most:
        raise CaseFileError(f"{where}: {name} is too large")
    with archive.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise CaseFileError(f"{where}: {name} is too large")
    return content


def _labels(
    archive: zipfile.ZipFile, where: str, record: Provenance
) -> NDArray[np.uint8]:
    """Unpack the mask, once its header says that it is what the record describes."""
    claimed = archive.getinfo(LABELS).file_size
    most = max(math.prod(shape) for shape in label_shapes(record))
    if claimed > min(MOST_LABEL_BYTES, most + _MOST_HEADER):
        raise CaseFileError(f"{where}: {LABELS} is too large")
    with archive.open(LABELS) as file:
        shape = _header(file, where)
        _check_shape(shape, record, where)
        labels = np.empty(math.prod(shape), np.uint8)
        filled = 0
        while filled < len(labels):
            part = file.read(min(_AT_ONCE, len(labels) - filled))
            if not part:
                break
            labels[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
        # What is left over also makes the archive check its sum.
        if filled < len(labels) or file.read(1):
            raise CaseFileError(f"{where}: {LABELS} is not as large as it says")
    return labels.reshape(shape)


def _check_fit(labels: NDArray[np.uint8], record: Provenance, where: str) -> None:
    _check_shape(labels.shape, record, where)
    if labels.size and int(labels.max()) >= len(record.classes):
        raise CaseFileError(
            f"{where}: the mask has label {labels.max()}, the record "
            f"{len(record.classes)} classes"
        )


def _check_shape(shape: tuple[int, ...], record: Provenance, where: str) -> None:
    if tuple(sorted(shape)) not in label_shapes(record):
        raise CaseFileError(
            f"{where}: {LABELS} has the shape {shape}, the record's image "
            f"{record.image.shape}"
        )


def _header(file: IO[bytes], where: str) -> tuple[int, ...]:
    """Return the shape that an array's header states."""
    try:
        if npy.read_magic(file) != (1, 0):
            raise CaseFileError(f"{where}: {LABELS} is of another version")
        shape, is_fortran, dtype = npy.read_array_header_1_0(
            file, max_header_size=_MOST_HEADER
        )
    except ValueError as error:
        if isinstance(error, CaseFileError):
            raise
        raise CaseFileError(f"{where}: {LABELS} is damaged") from error
    if dtype != np.uint8 or is_fortran:
        raise CaseFileError(f"{where}: {LABELS} must hold uint8: found {dtype}")
    return tuple(map(int, shape))
