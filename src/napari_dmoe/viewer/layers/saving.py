"""A layer as a file, in place, with the record of how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image
from pydantic import ValidationError

from napari_dmoe.imaging.disk.atomic import write_text
from napari_dmoe.imaging.files import without_suffix, write_tiff
from napari_dmoe.imaging.label_values import compact
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageReadError, SpatialImage
from napari_dmoe.inference.results.provenance import METADATA_KEY, Provenance
from napari_dmoe.inference.results.sidecars import (
    new_record_path,
    record_path,
    recorded,
)
from napari_dmoe.viewer.layers.opening import TIFF_LABELS
from napari_dmoe.viewer.layers.placement import FILE_KEY, PLACE, to_image
from napari_dmoe.viewer.layers.segments import (
    is_segments,
    layer_names,
    write_segments,
)


def save_layer(path: Path, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save an image or labels layer as ``.nii`` or ``.nii.gz``.

    Parameters
    ----------
    path : Path
        Where to.
    data : array
        The layer's pixels: a volume, with or without further axes in front.
    meta : dict
        The layer's arguments, as napari hands them to writers.

    Returns
    -------
    list of str
        What was written: the file and, for a result of this plugin, its record.

    Raises
    ------
    ImageReadError
        For a layer that is no volume.
    """
    data = data[0] if isinstance(data, list | tuple) else data
    placed = _placed(data.shape, meta) if not meta.get("rgb") else None
    if placed is None or set(placed.spatial_axes) != set(SPATIAL_AXES):
        raise ImageReadError(
            f"{path.name}: NIfTI holds grey volumes along z, y and x, and this layer "
            f"has the shape {data.shape}: save it as TIFF or PNG"
        )
    image = SpatialImage(compact(data), placed.axes, placed.affine, placed.unit)
    record = _record(meta)
    write_nifti(path, image, order=_stored_axes(meta), record=record)
    return _with(record, path)


def mask_path(path: Path) -> Path:
    """Return where a mask is written: as it is named, else as ``.labels.tif``.

    Names are ``.nii``, ``.nii.gz``, ``.seg.nrrd``, ``.dcm`` and ``.ome.zarr``.
    """
    if path.name.lower().endswith(NIFTI_SUFFIXES) or is_segments(path):
        return path
    return path.with_name(f"{without_suffix(path.name)}{TIFF_LABELS}")


def save_mask(
    path: Path, data: Any, meta: dict[str, Any], *, series: Sequence[Path] = ()
) -> list[str]:
    """Save a mask in the format that the path names, and its record beside it.

    For the path see :func:`mask_path`, for the rest :func:`save_layer`. All formats but
    TIFF are for volumes. As ``.labels.tif`` the mask is found again when it is opened.

    Parameters
    ----------
    path, data, meta
        As :func:`save_layer` takes them.
    series : sequence of Path
        Where the DICOM series of the mask may be, for DICOM-SEG.

    Raises
    ------
    ImageReadError
        For what the format cannot hold.
    OSError
        When it cannot be written; no file is left half-written.
    """
    if path.name.lower().endswith(NIFTI_SUFFIXES):
        return save_layer(path, data, meta)
    if is_segments(path):
        placed = replace(_placed(data.shape, meta), data=np.asarray(data))
        order, record = _stored_axes(meta), _provenance(meta)
        write_segments(path, placed, meta, record, order=order, series=series)
        return _with(_record(meta), path)
    target = mask_path(path)
    placed = _placed(data.shape, meta)
    spacing = None if placed.unit is None else placed.spacing
    how: dict[str, Any] = {"spacing": spacing, "unit": placed.unit}
    labels = np.asarray(data)
    write_tiff(target, labels, axes=placed.axes, **how, classes=_classes(meta))
    return _with(_record(meta), target)


def _with(record: str | None, target: Path) -> list[str]:
    """Write a record beside a file, where there is one; return what was written."""
    if record is None:
        beside = record_path(target)
        # Of what stood there before; but not that of another format's file.
        if recorded(target) is not None and beside == new_record_path(target):
            beside.unlink()
        return [str(target)]
    beside = new_record_path(target)
    write_text(beside, record)
    return [str(target), str(beside)]


def _placed(shape: tuple[int, ...], meta: dict[str, Any]) -> SpatialImage:
    """Return where a layer lies, as an image without content."""
    place = {name: meta[name] for name in PLACE if meta.get(name) is not None}
    empty = np.broadcast_to(np.uint8(0), shape)
    return to_image(Image(empty, rgb=False, **place), dims=3)


def _stored_axes(meta: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the axes' order in the file that the image came from."""
    stated = (meta.get("metadata") or {}).get(FILE_KEY)
    axes = stated.get("axes") if isinstance(stated, dict) else None
    is_order = isinstance(axes, list) and sorted(map(str, axes)) == ["x", "y", "z"]
    return tuple(axes) if is_order and axes is not None else None


def _classes(meta: dict[str, Any]) -> tuple[str, ...]:
    """Return what a layer's labels mean, by its record or its features."""
    names = layer_names(meta, _provenance(meta))
    return tuple(names[i] for i in range(len(names))) if _is_whole(names) else ()


def _is_whole(names: dict[int, str]) -> bool:
    return sorted(names) == list(range(len(names)))


def _record(meta: dict[str, Any]) -> str | None:
    """Return a result's record as JSON; nothing else of a layer's metadata goes out."""
    record = _provenance(meta)
    return None if record is None else record.model_dump_json(indent=2) + "\n"


def _provenance(meta: dict[str, Any]) -> Provenance | None:
    stated = (meta.get("metadata") or {}).get(METADATA_KEY)
    try:
        return Provenance.model_validate(stated)
    except ValidationError:
        return None
