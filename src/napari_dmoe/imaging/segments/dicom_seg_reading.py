"""DICOM Segmentation objects as masks: one number a voxel, that of its segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_dmoe.imaging.dicom.library import nothing_told
from napari_dmoe.imaging.segments.series import dicom_packages
from napari_dmoe.imaging.segments.volume import moved_onto
from napari_dmoe.imaging.spatial import SPATIAL_AXES, ImageReadError, SpatialImage
from napari_dmoe.imaging.units import millimetres
from napari_dmoe.imaging.world import file_affine, placed_image

_TOLERANCE_MM = 0.05
"""Positions are text of 16 characters, and planes of one series not always regular."""


def read_dicom_seg(path: Path, *, like: SpatialImage | None = None) -> SpatialImage:
    """Read a DICOM-SEG whose segments do not overlap.

    Parameters
    ----------
    path : Path
        The file.
    like : SpatialImage, optional
        A volume that it lies on: such files leave empty planes out.

    Returns
    -------
    SpatialImage
        Labels as uint8 or uint16; in the order and on all voxels of `like`, if given.

    Raises
    ------
    ImageReadError
        When it is damaged or another file, its segments overlap, or it lies elsewhere.
    """
    _, highdicom = dicom_packages(f"{path.name}: reading DICOM-SEG")
    try:
        with nothing_told():
            seg = highdicom.seg.segread(path)
            volume = seg.get_volume(combine_segments=True)
    # Damaged files make pydicom raise almost anything.
    except Exception as error:
        raise ImageReadError(
            f"{path.name} is damaged, no DICOM-SEG, or its segments overlap"
        ) from error
    affine = np.array(volume.affine)[:, [2, 1, 0, 3]]
    labels = np.asarray(volume.array)
    if like is None:
        return placed_image(labels.T, affine, unit="mm")
    factor = millimetres(like.unit)
    if set(like.axes) != set(SPATIAL_AXES) or factor is None:
        raise ImageReadError(f"{path.name} is that of a volume with sizes")
    there = file_affine(like, like.axes)
    there[:3] *= factor
    where = (affine, there, like.data.shape)
    moved = moved_onto(labels, *where, tolerance_mm=_TOLERANCE_MM)
    if moved is None:
        raise ImageReadError(f"{path.name} does not lie on its image")
    return SpatialImage(moved, like.axes, like.affine, like.unit)
