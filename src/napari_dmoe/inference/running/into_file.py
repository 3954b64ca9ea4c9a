"""A volume segmented into a file, and its result as it lies there.

Nothing of the mask is read before it is looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_dmoe.imaging.files import image_suffix
from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.imaging.lazy import turned
from napari_dmoe.imaging.ome_zarr.library import ZARR_SUFFIXES
from napari_dmoe.imaging.ome_zarr.reading import read_zarr
from napari_dmoe.imaging.spatial import (
    SPATIAL_AXES,
    Grid,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.imaging.tiff.reading import mapped_tiff
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.results.sidecars import recorded
from napari_dmoe.inference.running.to_file import segment_to_file
from napari_dmoe.inference.running.unfinished import UNFINISHED
from napari_dmoe.models.checkpoint import LoadedModel
from napari_dmoe.patient import Patient


def segment_into(
    path: Path,
    loaded: LoadedModel,
    image: SpatialImage,
    patient: Patient,
    **how: Any,
) -> Segmentation:
    """Segment a volume into a file, and return what is there, not read.

    Parameters
    ----------
    path : Path
        A ``.labels.tif``, or an ``.ome.zarr``; one that is there is replaced. What the
        same run left of it where it was interrupted is gone on with, and is kept where
        this one is.
    loaded, image, patient
        As :func:`napari_dmoe.inference.running.to_file.segment_to_file` takes them.
    **how
        Its further options, such as which maps are written beside; errors are its own.
    """
    how |= {"overwrite": True, "resume": True}
    saved = segment_to_file(path.parent, path.name, loaded, image, patient, **how)
    return written_result(saved.labels, image)


def is_to_be_gone_on_with(path: Path) -> bool:
    """Say whether an interrupted run left something of a file."""
    return path.with_name(f"{path.name}{UNFINISHED}").exists()


def written_result(path: Path, image: SpatialImage) -> Segmentation:
    """Return the result in a file with its record, of which nothing is read yet.

    Parameters
    ----------
    path : Path
        The file, as :func:`napari_dmoe.inference.running.to_file.segment_to_file` wrote
        it. It must stay where it is as long as the result is used.
    image : SpatialImage
        The volume that it is of.

    Returns
    -------
    Segmentation
        Its mask alone; the labels cannot be written to. Those of a TIFF are mapped into
        memory, those of an OME-Zarr image a lazy array, which reads what is indexed.

    Raises
    ------
    ImageReadError
        When the file or its record cannot be read, or is another image's.
    """
    record, axes = recorded(path), source_axes(image.axes)
    labels = _stored(path, axes)
    sizes = dict(zip(image.axes, map(int, image.data.shape), strict=True))
    if record is None or labels.shape != tuple(sizes[axis] for axis in axes):
        raise ImageReadError(f"{path.name} is no result of this image")
    return Segmentation(
        labels=labels,
        axes=axes,
        grid=Grid.identity([sizes[axis] for axis in SPATIAL_AXES]),
        classes=record.classes,
        by_value={},
        probabilities=None,
        routing=None,
        provenance=record,
    )


def _stored(path: Path, axes: tuple[str, ...]) -> Any:
    """Return the labels in a file along some axes; an OME-Zarr's are z, y and x."""
    if image_suffix(path) not in ZARR_SUFFIXES:
        return mapped_tiff(path)
    order = tuple(SPATIAL_AXES.index(axis) for axis in axes)
    return turned(read_zarr(path).data, order, ())
