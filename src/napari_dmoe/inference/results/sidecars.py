"""The record that lies beside a file: where it is, what it says, which image it is of.

``NAME.labels.tif`` has its record in ``NAME.labels.json``. No two files share one:
where another format's file of the same name is there already, or a JSON file that is
no record, the record is ``NAME.labels.tif.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.files import (
    IMAGE_SUFFIXES,
    TIFF_SUFFIXES,
    image_stem,
    image_suffix,
)
from napari_dmoe.imaging.frames import transposed
from napari_dmoe.imaging.itk import SEGMENTS_SUFFIX
from napari_dmoe.imaging.label_values import compact
from napari_dmoe.imaging.nifti import NIFTI_SUFFIXES, read_record
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES
from napari_dmoe.imaging.segments import dicom_seg
from napari_dmoe.imaging.spatial import SPATIAL_AXES, SpatialImage
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.inference.results.provenance import ImageRecord, Provenance
from napari_dmoe.inference.results.record_rules import impossible

_SUFFIXES = tuple({*IMAGE_SUFFIXES, *ZARR_SUFFIXES, dicom_seg.SUFFIX})

_NEAR = 1e-3
"""Share of a voxel's side that is rounding."""

_MOST_BYTES = 2**24
"""Larger files are no records, not even of the largest sweep."""


def record_path(path: Path) -> Path:
    """Return where the record of a file lies, if it has one beside it."""
    own = _own(path)
    return own if own.is_file() else _shared(path)


def new_record_path(path: Path) -> Path:
    """Return where the record of a file is to be written, so that it is nobody else's.

    Parameters
    ----------
    path : Path
        The file; it may be there already.
    """
    own, shared = _own(path), _shared(path)
    stem = image_stem(path)
    others = {path.with_name(stem + suffix) for suffix in _SUFFIXES} - {path}
    is_foreign = shared.exists() and not images_in(shared)
    if own.exists() or is_foreign or any(other.exists() for other in others):
        return own
    return shared


def _own(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _shared(path: Path) -> Path:
    return path.with_name(f"{image_stem(path)}.json")


def recorded(path: Path) -> Provenance | None:
    """Return the record beside a file; None where there is none that can be."""
    try:
        return _possible(_text(record_path(path)))
    except (OSError, ValueError):
        return None


def is_recorded(path: Path) -> bool:
    """Say whether a mask or map is a result by a record of its own.

    That is one in its header, or one beside it that can be no other file's.
    """
    suffix = image_suffix(path)
    if suffix in NIFTI_SUFFIXES and _is_record(read_record(path)):
        return True
    own, stem = _own(path), image_stem(path)
    others = {path.with_name(stem + each) for each in _SUFFIXES} - {path}
    is_alone = not any(other.exists() for other in others)
    known = (*NIFTI_SUFFIXES, *TIFF_SUFFIXES, *ZARR_SUFFIXES)
    return suffix in (*known, SEGMENTS_SUFFIX, dicom_seg.SUFFIX) and bool(
        images_in(own) or (is_alone and images_in(_shared(path)))
    )


def _is_record(text: str | None) -> bool:
    try:
        return text is not None and bool(Provenance.model_validate_json(text))
    except ValueError:
        return False


def images_in(record: Path) -> tuple[ImageRecord, ...]:
    """Return which image a record's file is of, that of a sweep included.

    Several where a sweep's records are of several; none for a file that is no record.
    """
    try:
        stated = json.loads(_text(record))
        sweep = stated.get("values")
        runs = [stated] if sweep is None else list(sweep.values())
        return tuple({_possible(json.dumps(run)).image for run in runs})
    except (OSError, ValueError, AttributeError, RecursionError):
        return ()


def _possible(content: str | bytes) -> Provenance:
    """Return the record that a text states, if a run could have written it."""
    record = Provenance.model_validate_json(content)
    fault = impossible(record)
    if fault:
        raise ValueError(fault)
    return record


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{path.name} is too large for a record")
    return content


def same_image(one: ImageRecord, other: ImageRecord) -> bool:
    """Say whether two records are of one image, for whatever model it was prepared.

    Where one has no hash to compare, size and type decide.
    """
    if one.pixels_sha256 and other.pixels_sha256:
        return one.pixels_sha256 == other.pixels_sha256
    if one.input_sha256 and other.input_sha256:
        return one.input_sha256 == other.input_sha256
    return (one.shape, one.axes, one.dtype) == (other.shape, other.axes, other.dtype)


def is_as_run(labels: NDArray[Any], record: Provenance) -> bool:
    """Say whether labels, in the order of the result, are what left the run.

    False where they are none, and where the record is too old to have their hash.
    """
    as_labels = labels.astype(np.uint8)
    is_same = bool((labels == as_labels).all())
    return is_same and record.labels_sha256 == record.sha256_of(as_labels)


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
    order = record.axes
    if sorted(order) != sorted(mask.axes):
        raise ValueError(
            f"the mask has the axes {', '.join(mask.axes)}, its record "
            f"{', '.join(order)}: it is another one's"
        )
    labels = compact(mask.data)  # TIFF masks are stored in 32 bits
    turned = turned_axes(mask, record)
    flips = tuple(slice(None, None, -1 if a in turned else 1) for a in mask.axes)
    return np.ascontiguousarray(transposed(labels[flips], mask.axes, order))


def turned_axes(mask: SpatialImage, record: Provenance) -> tuple[str, ...]:
    """Return the axes that a mask's file stores turned round: OME-Zarr may have to.

    They are those whose turning puts the mask exactly where its record has the image.
    """
    stated = record.image
    sizes = dict(zip(stated.axes, stated.shape, strict=True))
    spatial = [axis for axis in stated.axes if axis in SPATIAL_AXES]
    mine = dict(zip(mask.axes, mask.data.shape, strict=True))
    if not mask.is_placed or {*spatial} != {*mask.spatial_axes} or mask.unit is None:
        return ()
    if any(mine[axis] != sizes[axis] for axis in spatial):
        return ()
    wanted, found = np.array(stated.affine), mask.affine_along(spatial)
    found[:-1] *= (millimetres(mask.unit) or 1.0) / (millimetres(stated.unit) or 1.0)
    turn, turned = np.eye(len(spatial) + 1), []
    for place, axis in enumerate(spatial):
        if np.dot(wanted[:-1, place], found[:-1, place]) < 0:
            turn[place, place], turn[place, -1] = -1.0, sizes[axis] - 1.0
            turned.append(axis)
    near = _NEAR * np.linalg.norm(wanted[:-1, :-1], axis=0).min()
    is_there = np.abs(found @ turn - wanted)[:-1].max() <= near
    return tuple(turned) if turned and is_there else ()
