"""NIfTI files out: volumes with their whole affine, and a record in the header."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.nifti import TO_LPS
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageReadError, SpatialImage
from napari_dmoe.imaging.units import millimetres, unit_name
from napari_dmoe.imaging.world import file_affine
from napari_dmoe.purpose import reason

_DESCRIPTION = b"napari-dmoe, research use only"
_UNITS = {"m": "meter", "mm": "mm", "um": "micron"}
"""Units of length that the header can state."""


def write_nifti(
    path: str | os.PathLike[str],
    image: SpatialImage,
    *,
    order: Sequence[str] | None = None,
    record: str | None = None,
) -> None:
    """Write a volume as NIfTI-1, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where to, ending in ``.nii`` or ``.nii.gz``.
    image : SpatialImage
        Axes z, y and x in any order; further ones are written behind them, the last
        first. Units that NIfTI knows, m, mm and um, are written as they are, others in
        mm; without a unit the file says that it is unknown.
    order : sequence of str, optional
        Order of the spatial axes as an array, such as that of the image it was made
        from, so that both files have the same affine. The image's own by default.
    record : str, optional
        Text that travels in the header, such as the provenance as JSON.

    Raises
    ------
    ImageReadError
        For axes, numbers or units that NIfTI cannot hold.
    OSError
        When the file cannot be written; nothing is left behind.
    """
    import nibabel as nib  # not at the top, as in `nifti`
    from nibabel.spatialimages import HeaderDataError

    path = Path(path)
    if set(image.spatial_axes) != set(SPATIAL_AXES):
        raise ImageReadError(
            f"NIfTI holds volumes along z, y and x: found {', '.join(image.axes)}"
        )
    spatial = tuple(order or image.spatial_axes)
    further = [axis for axis in image.axes if axis not in SPATIAL_AXES]
    axes = [*further, *spatial]
    data = in_memory(image.data).transpose([image.axes.index(axis) for axis in axes])
    data = data.astype(np.uint8) if data.dtype == bool else data
    affine = TO_LPS @ file_affine(image, spatial)
    unit, factor = _unit(path, image.unit)
    affine[:3] *= factor
    try:
        file = nib.Nifti1Image(np.ascontiguousarray(data).T, affine, dtype=data.dtype)
    except (HeaderDataError, ValueError) as error:
        why = str(error) if isinstance(error, HeaderDataError) else reason(error)
        raise ImageReadError(f"{path.name}: NIfTI cannot hold it: {why}") from error
    file.header.set_xyzt_units(unit, "sec")
    file.header["descrip"] = _DESCRIPTION
    file.set_sform(affine, code="scanner")
    _set_qform(file, affine)
    if record is not None:
        extension = nib.nifti1.Nifti1Extension("comment", record.encode())
        file.header.extensions.append(extension)
    content = file.to_bytes()
    if path.name.lower().endswith(".gz"):
        content = gzip.compress(content, compresslevel=6, mtime=0)
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def _unit(path: Path, unit: str | None) -> tuple[str, float]:
    """Return NIfTI's name of a unit of length, and what turns the affine into it."""
    try:
        name = unit_name(unit)
    except ValueError as error:
        raise ImageReadError(f"{path.name}: {reason(error)}") from error
    if name is None:
        return "unknown", 1.0
    factor = millimetres(name) or 1.0
    return (_UNITS[name], 1.0) if name in _UNITS else ("mm", factor)


def _set_qform(file: Any, affine: NDArray[np.float64]) -> None:
    """Repeat the affine as rotation and sizes, where it has no shear."""
    file.set_qform(affine, code="scanner")
    size = np.abs(affine[:3, :3]).max()
    if not np.allclose(file.get_qform(), affine, atol=1e-3 * min(1.0, size)):
        file.set_qform(None, code="unknown")
        file.set_sform(affine, code="scanner")
