"""The zarr package, an extra: it is imported when a file of its kind is met."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_dmoe.imaging.spatial import ImageReadError

ZARR_SUFFIXES = (".ome.zarr", ".zarr")
"""Endings of the folders that hold them; the longer one first."""

_MARKS = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
_OLDEST = 3
"""Major version from which zarr reads and writes both formats."""


def zarr_package() -> Any:
    """Return the zarr package.

    Raises
    ------
    ImageReadError
        Where it is not installed, or too old; says what to install.
    """
    try:
        import zarr
    except ImportError:
        raise ImageReadError(
            "OME-Zarr needs the package zarr, which is not installed: "
            'pip install "napari-dmoe[zarr]"'
        ) from None
    if int(zarr.__version__.split(".")[0]) < _OLDEST:
        raise ImageReadError(
            f"OME-Zarr needs zarr {_OLDEST} or later, and {zarr.__version__} is "
            'installed: pip install --upgrade "napari-dmoe[zarr]"'
        )
    return zarr


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a zarr array or group, such as a level of an image."""
    return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)
