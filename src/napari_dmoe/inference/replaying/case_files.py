"""Portable case files: a record and its mask in one file, without the image.

A colleague who has the image and the checkpoint can replay it. The file is a zip with
``record.json`` and ``labels.npy``. It holds no path and no patient identifier; reading
one unpacks nothing to disk and runs nothing. A mask that was saved as an image is put
back into the order in which its run returned it.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_dmoe.imaging.atomic import atomic_path
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, SPATIAL_AXES, SpatialImage
from napari_dmoe.inference.results.provenance import Provenance
from napari_dmoe.validation import said

CASE_SUFFIX = ".dmoe-case"

RECORD, LABELS = "record.json", "labels.npy"

MOST_RECORD_BYTES = 2**20
MOST_LABEL_BYTES = 2**32
"""Larger files are taken for damaged or hostile."""

_MOST_HEADER = 4096
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


class CaseFileError(ValueError):
    """A case file or a record cannot be read or written; names the file."""


@dataclass(frozen=True)
class CaseFile:
    """What a case file holds."""

    record: Provenance
    """How the mask came about."""
    labels: NDArray[np.uint8]
    """(*S) uint8 array: the mask; painted on where ``record.edited`` says so."""


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
        For another suffix or another type of labels.
    OSError
        When the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    if path.suffix != CASE_SUFFIX:
        raise CaseFileError(f"{path.name}: case files end in {CASE_SUFFIX}")
    if labels.dtype != np.uint8:
        raise CaseFileError(f"labels must be uint8: found {labels.dtype}")
    stream = io.BytesIO()
    npy.write_array(stream, np.ascontiguousarray(labels), allow_pickle=False)
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
                    f"found {', '.join(names[:5]) or 'nothing'}"
                )
            content = _part(archive, RECORD, MOST_RECORD_BYTES, path.name)
            record = parse_record(content, path.name)
            labels = _labels(archive, path.name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError) as error:
        raise CaseFileError(
            f"{path.name} is damaged, or no case file: {error}"
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, odd compression
        raise CaseFileError(f"{path.name} cannot be unpacked: {error}") from error
    if labels.size and int(labels.max()) >= len(record.classes):
        raise CaseFileError(
            f"{path.name}: the mask has label {labels.max()}, the record "
            f"{len(record.classes)} classes"
        )
    return CaseFile(record, labels)


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


def parse_record(content: bytes, where: str) -> Provenance:
    """Return the record in a JSON text.

    Raises
    ------
    CaseFileError
        When it is none; says which field is wrong.
    """
    try:
        return Provenance.model_validate_json(content)
    except ValidationError as error:
        if _is_of_sweep(content):
            raise CaseFileError(
                f"{where} is the record of a whole sweep: take that of one of its "
                "values, beside its mask, or sweep again"
            ) from error
        raise CaseFileError(
            f"{where} holds no record that this version can read: "
            f"{said(error, whole='the text')}"
        ) from error


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


def _labels(archive: zipfile.ZipFile, where: str) -> NDArray[np.uint8]:
    content = io.BytesIO(_part(archive, LABELS, MOST_LABEL_BYTES, where))
    try:
        if npy.read_magic(content) != (1, 0):
            raise CaseFileError(f"{where}: {LABELS} is of another version")
        shape, is_fortran, dtype = npy.read_array_header_1_0(
            content, max_header_size=_MOST_HEADER
        )
    except ValueError as error:
        raise CaseFileError(f"{where}: {LABELS} is damaged") from error
    if dtype != np.uint8 or is_fortran:
        raise CaseFileError(f"{where}: {LABELS} must hold uint8: found {dtype}")
    # Copied, as what lies on a buffer cannot be painted on.
    flat = np.frombuffer(content.read(), np.uint8).copy()
    if len(flat) != np.prod(shape, dtype=object):
        raise CaseFileError(f"{where}: {LABELS} is not as large as it says")
    return flat.reshape(shape)


def in_order_of_result(mask: SpatialImage, record: Provenance) -> NDArray[Any]:
    """Return a mask's labels along the axes of the result that it was written from.

    Parameters
    ----------
    mask : SpatialImage
        The mask, whose file may store its axes in another order.
    record : Provenance
        Its record.

    Raises
    ------
    ValueError
        When the mask has other axes than the image of the record.
    """
    frame = SPATIAL_AXES[-len(record.grid["shape"]) :]
    image_axes = [axis for axis in record.image.axes if axis != CHANNEL_AXIS]
    order = [axis for axis in image_axes if axis not in frame] + list(frame)
    if sorted(order) != sorted(mask.axes):
        raise ValueError(
            f"the mask has the axes {', '.join(mask.axes)}, its record "
            f"{', '.join(order)}: it is another one's"
        )
    data = np.asarray(mask.data)
    return np.ascontiguousarray(data.transpose([mask.axes.index(a) for a in order]))
