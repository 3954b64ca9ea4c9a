"""Archives of numpy arrays (``.npz``) of which nothing is unpickled.

An array of objects is stored as a pickle, which runs what it says when it is read: it
is refused by its key, whatever it holds. Nothing of an archive is believed before it
was looked at: sizes are checked against the file before an array is made.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from napari_dmoe.cohorts.case import CohortError
from napari_dmoe.foreign import printable
from napari_dmoe.purpose import reason

WHY_NO_OBJECTS = (
    "it is stored as a pickled object, which could run any program when it is read"
)
"""Why an array of objects is refused."""

_LARGEST = 2**28
"""Bytes of one array at most: far more than a photograph has."""

_DAMAGED = "is damaged, or no archive of numpy arrays"

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class ArchiveError(CohortError):
    """An archive, or what stands in it under a key, cannot be read."""

    key = ""
    """Of what in it that is said; empty for the whole."""
    why = ""
    """What is wrong, as a phrase that names neither the file nor its row."""


class ObjectArrayError(ArchiveError):
    """An array of objects, of which nothing is read."""


class Archive:
    """An archive that is open for reading, as a context.

    Parameters
    ----------
    path : Path
        The file.
    place : str
        Where a cohort names it, such as ``"row 7"``, for messages.

    Raises
    ------
    ArchiveError
        On entering, when it is no archive that can be opened.
    """

    def __init__(self, path: Path, place: str) -> None:
        self._path, self._place = path, place
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Archive:
        """Open the file and read what is in it, but no array."""
        try:
            self._zip = zipfile.ZipFile(self._path)
        # Damaged archives make the decoder raise almost anything.
        except Exception as error:
            raise self._refused("", f"cannot be read: {_reason(error)}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._zip is not None:
            self._zip.close()

    @property
    def keys(self) -> tuple[str, ...]:
        """What the arrays are called, in their order."""
        names = self._zip.namelist() if self._zip is not None else []
        return tuple(name.removesuffix(".npy") for name in names)

    def array(self, key: str) -> NDArray[Any]:
        """Return one array.

        Raises
        ------
        ObjectArrayError
            When it is one of objects.
        ArchiveError
            When there is none of that name, it is damaged, or larger than it says.
        """
        archive = self.check(key)
        try:
            with archive.open(f"{key}.npy") as stream:
                read = npy.read_array(cast("BinaryIO", stream), allow_pickle=False)
                return np.asarray(read)
        # Damaged archives make the decoder raise almost anything.
        except Exception as error:
            raise self.refused(key, f"cannot be read: {_reason(error)}") from error

    def check(self, key: str) -> zipfile.ZipFile:
        """Refuse what :meth:`array` would refuse by its header, and read no more."""
        if self._zip is None or key not in self.keys:
            has = ", ".join(printable(name, 40) for name in self.keys[:12]) or "nothing"
            raise self.refused(key, f"is not there: the archive has {has}")
        try:
            self._check(self._zip, f"{key}.npy", key)
            return self._zip
        except ArchiveError:
            raise
        # Damaged archives make the decoder raise almost anything.
        except Exception as error:
            raise self.refused(key, f"cannot be read: {_reason(error)}") from error

    def refused(self, key: str, why: str) -> ArchiveError:
        """Return the error that says why a key cannot be used."""
        return self._refused(key, why)

    def _refused(
        self, key: str, why: str, kind: type[ArchiveError] = ArchiveError
    ) -> ArchiveError:
        what = f": {key}" if key else ""
        error = kind(f"{self._place}: {self._path.name}{what} {why}")
        error.key, error.why = key, why
        return error

    def _check(self, archive: zipfile.ZipFile, member: str, key: str) -> None:
        """Refuse objects, and what claims to be larger than it is."""
        found = archive.getinfo(member)
        with archive.open(found) as stream:
            file = cast("BinaryIO", stream)
            version = npy.read_magic(file)
            if version not in _HEADERS:
                raise self.refused(key, f"is of numpy's format {version}: expected 1.0")
            shape, _, dtype = _HEADERS[version](file)
            n_before = stream.tell()
        if dtype.hasobject:
            why = f"is refused: {WHY_NO_OBJECTS}"
            raise self._refused(key, why, ObjectArrayError)
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes > _LARGEST or n_bytes != found.file_size - n_before:
            raise self.refused(
                key,
                f"claims {n_bytes:,} bytes, and {found.file_size - n_before:,} are "
                f"stored; {_LARGEST:,} are the most that are read",
            )


def _reason(error: Exception) -> str:
    """Return why an archive cannot be read; decoders tell damage in many ways."""
    is_damage = isinstance(error, zipfile.BadZipFile | zlib.error | EOFError)
    return f"it {_DAMAGED}" if is_damage else reason(error)
