"""The formats of masks of volumes beside TIFF and NIfTI, and which one is written.

Maps of such masks, which these formats do not hold, are NIfTI.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.files import image_suffix, read_image
from napari_dmoe.imaging.itk import SEGMENTS_SUFFIX, itk_library
from napari_dmoe.imaging.segments import dicom_seg
from napari_dmoe.imaging.segments.colours import altered_colours, class_colours
from napari_dmoe.imaging.segments.dicom_seg import Algorithm, write_dicom_seg
from napari_dmoe.imaging.segments.dicom_seg_reading import read_dicom_seg
from napari_dmoe.imaging.segments.meaning import Segment, segments_of
from napari_dmoe.imaging.segments.seg_nrrd import write_seg_nrrd
from napari_dmoe.imaging.segments.series import dicom_packages
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.inference.results.provenance import Provenance

FileFormat = Literal["auto", "tiff", "nifti", "seg.nrrd", "dicom-seg"]
MaskFormat = Literal["tiff", "nifti", "seg.nrrd", "dicom-seg"]
"""What ``auto`` stands for is one of these."""

FORMATS: tuple[FileFormat, ...] = ("auto", "tiff", "nifti", "seg.nrrd", "dicom-seg")

_ENDINGS: dict[MaskFormat, str] = {
    "tiff": ".tif",
    "nifti": ".nii.gz",
    "seg.nrrd": SEGMENTS_SUFFIX,
    "dicom-seg": dicom_seg.SUFFIX,
}
MASK_ENDINGS = tuple(_ENDINGS.values())


def mask_format(file_format: FileFormat, *, is_of_3d: bool) -> MaskFormat:
    """Return the format that is written; NIfTI for 3D models where none was chosen."""
    if file_format == "auto":
        return "nifti" if is_of_3d else "tiff"
    return file_format


def ending(what: str, chosen: MaskFormat) -> str:
    """Return how the file of samples ends, such as ``"labels"``; maps are arrays."""
    if what == "labels":
        return _ENDINGS[chosen]
    return _ENDINGS["tiff" if chosen == "tiff" else "nifti"]


def format_of(mask: Path) -> MaskFormat:
    """Return the format of a mask's file."""
    suffix = image_suffix(mask)
    if suffix == ".nii":
        return "nifti"
    known = {each: name for name, each in _ENDINGS.items()}
    return known.get(suffix, "tiff")


def refuse_unready(file_format: FileFormat) -> None:
    """Refuse a format whose library is not installed.

    Raises
    ------
    ImageReadError
        Where it is not; says what to install.
    """
    if file_format == "seg.nrrd":
        itk_library(Path("seg.nrrd"), "writing it")
    if file_format == "dicom-seg":
        dicom_packages("writing DICOM-SEG")


def write_mask(
    path: Path,
    mask: SpatialImage,
    record: Provenance,
    chosen: MaskFormat,
    *,
    order: Sequence[str],
    series: Path | None,
) -> None:
    """Write a run's mask as ``.seg.nrrd`` or DICOM-SEG, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to.
    mask : SpatialImage
        The mask in its place.
    record : Provenance
        How it came about.
    chosen : {"seg.nrrd", "dicom-seg"}
        The format.
    order : sequence of str
        Order of the axes as an array.
    series : Path or None
        The DICOM series that it is of, for DICOM-SEG.

    Raises
    ------
    ImageReadError
        For what the format cannot hold, and DICOM-SEG without its series.
    OSError
        When it cannot be written.
    """
    known = segments_for(record, np.asarray(mask.data))
    if chosen == "seg.nrrd":
        write_seg_nrrd(path, mask, known, order=order)
        return
    if series is None:
        raise ImageReadError(
            f"{path.name}: DICOM-SEG refers to the DICOM series of the image: name its "
            "folder"
        )
    write_dicom_seg(path, mask, known, series, algorithm=algorithm_of(record))


def segments_for(record: Provenance, labels: NDArray[Any]) -> tuple[Segment, ...]:
    """Return what labels mean by their record, in the colours that the viewer has."""
    is_plain = record.is_plain and not record.swept and record.made_by == "segment"
    colours = (class_colours if is_plain else altered_colours)(record.classes)
    return segments_of(labels, record.classes, colours)


def algorithm_of(record: Provenance | None) -> Algorithm:
    """Return who drew a mask by its record; a person where it has none."""
    if record is None:
        return Algorithm()
    kind: Any = "SEMIAUTOMATIC" if record.edited else "AUTOMATIC"
    return Algorithm(kind, record.model.title, record.model.sha256)


def read_saved(mask: Path, record: Provenance) -> SpatialImage:
    """Read a mask of a run; that of a DICOM-SEG on all voxels of its image.

    Raises
    ------
    ImageReadError
        When it cannot be read.
    """
    if image_suffix(mask) != dicom_seg.SUFFIX:
        return read_image(mask)
    of = record.image
    image = SpatialImage(
        np.broadcast_to(np.uint8(0), of.shape), of.axes, np.array(of.affine), of.unit
    )
    return read_dicom_seg(mask, like=image)
