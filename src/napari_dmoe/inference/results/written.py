"""A result that was written to a file while it was made, as it lies there.

Nothing of its mask is read before it is looked at.
"""

from __future__ import annotations

from pathlib import Path

from napari_dmoe.imaging.frames import source_axes
from napari_dmoe.imaging.spatial import (
    SPATIAL_AXES,
    Grid,
    ImageReadError,
    SpatialImage,
)
from napari_dmoe.imaging.tiff.reading import mapped_tiff
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.results.sidecars import recorded


def written_result(path: Path, image: SpatialImage) -> Segmentation:
    """Return the result in a ``.labels.tif`` with its record, mapped into memory.

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
        Its mask alone; the labels cannot be written to.

    Raises
    ------
    ImageReadError
        When the file or its record cannot be read, or is another image's.
    """
    record, labels = recorded(path), mapped_tiff(path)
    axes = source_axes(image.axes)
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
