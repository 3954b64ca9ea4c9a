"""A mask that is in memory as an OME-Zarr image of labels, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_dmoe.imaging.disk.atomic import atomic_folder
from napari_dmoe.imaging.lazy import in_memory
from napari_dmoe.imaging.ome_zarr.library import is_zarr, zarr_package
from napari_dmoe.imaging.ome_zarr.multiscales import CHUNK, Placed
from napari_dmoe.imaging.ome_zarr.writing import ZarrMask, empty_zarr_mask
from napari_dmoe.imaging.segments.meaning import Segment
from napari_dmoe.imaging.segments.volume import small
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageReadError, SpatialImage

KIND = "OME-Zarr of napari-dmoe"


def write_zarr_labels(
    path: str | os.PathLike[str],
    image: SpatialImage,
    segments: Sequence[Segment],
    *,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Write a volume's mask with its names and colours; axes that run back are turned.

    Parameters
    ----------
    path : str or path-like
        A folder, ending in ``.ome.zarr`` or ``.zarr``; other labels there are replaced.
    image : SpatialImage
        Whole numbers along z, y and x in any order.
    segments : sequence of Segment
        What its labels mean.
    record : mapping, optional
        What is kept under ``napari-dmoe``, such as the provenance.

    Raises
    ------
    ImageReadError
        For what is no volume, lies obliquely, and where zarr is not installed.
    OSError
        When it cannot be written, or another folder is there; nothing is left behind.
    """
    path = Path(path)
    zarr_package()
    if set(image.axes) != set(SPATIAL_AXES):
        raise ImageReadError(
            f"{KIND} holds one volume along z, y and x: found {', '.join(image.axes)}; "
            "save it as TIFF"
        )
    placed = Placed.of(image)
    if not placed.is_whole:
        raise ImageReadError(
            "OME-Zarr cannot hold oblique axes, and these are: save as NIfTI, which "
            "keeps the whole affine"
        )
    places = [image.axes.index(axis) for axis in SPATIAL_AXES]
    labels = small(in_memory(image.data).transpose(places), KIND)
    if os.path.lexists(path) and not _holds_labels(path):
        raise FileExistsError(
            errno.EEXIST, "is there already, and is no OME-Zarr of labels", str(path)
        )
    with atomic_folder(path) as partial:
        empty_zarr_mask(
            partial,
            labels.shape,
            name=path.name,
            placed=placed,
            classes={0: "background"} | {each.label: each.name for each in segments},
            colours={each.label: each.colour for each in segments},
            dtype=str(labels.dtype),
        )
        mask = ZarrMask(partial, backwards=placed.backwards)
        for begin in range(0, labels.shape[0], CHUNK):
            planes = slice(begin, min(begin + CHUNK, labels.shape[0]))
            place = (planes, *(slice(0, n) for n in labels.shape[1:]))
            mask.write(place, labels[planes])
        mask.finish()
        if record is not None:
            mask.record(record)


def _holds_labels(path: Path) -> bool:
    """Say whether a folder is an image of labels, and not one that labels are of."""
    if path.is_symlink() or not is_zarr(path):
        return False
    try:
        group = zarr_package().open_group(str(path), mode="r")
        return "image-label" in group.attrs.get("ome", {})
    # What is damaged makes zarr raise almost anything: then it is none.
    except Exception:  # noqa: BLE001
        return False
