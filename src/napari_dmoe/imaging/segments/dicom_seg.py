"""Masks as DICOM Segmentation objects that refer to the series they are of.

Whose patient it is the standard takes from that series: the file names him as far as
the series does. Without a series that can be referred to there is no such file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.dicom.library import nothing_told
from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.segments.meaning import Coded, Segment
from napari_dmoe.imaging.segments.series import (
    Series,
    dicom_packages,
    series_under,
)
from napari_dmoe.imaging.segments.volume import MaskVolume
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage

SUFFIX = ".dcm"
KIND = "DICOM-SEG"
IDENTIFIED = "the file names the patient as far as its series does, as DICOM demands"

_DESCRIPTION = "napari-dmoe, research use only"
_LONGEST = 64
"""Characters of a text of the kind LO."""

_BLANK = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""What every image in DICOM has, if only blank."""


@dataclass(frozen=True)
class Algorithm:
    """Who drew a mask.

    Parameters
    ----------
    kind : {"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"}
        A model; a model and a person; a person.
    name : str
        The model; nothing for a person's.
    version : str
        SHA-256 of its weights.
    """

    kind: Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"] = "MANUAL"
    name: str = ""
    version: str = ""


def write_dicom_seg(
    path: str | os.PathLike[str],
    image: SpatialImage,
    segments: Sequence[Segment],
    source: Path,
    *,
    algorithm: Algorithm | None = None,
) -> None:
    """Write a mask as DICOM-SEG, one binary segment a class, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where to, ending in ``.dcm``.
    image : SpatialImage
        The mask: see :meth:`MaskVolume.of`. It lies on the voxels of a series, in
        whatever order.
    segments : sequence of Segment
        What its labels mean. Segments are numbered from 1, which are the labels where
        these are.
    source : Path
        Folder of the series that it is of, or one of its files. Of several series it is
        the one that lies there.
    algorithm : Algorithm, optional
        Who drew it; a person by default.

    Raises
    ------
    ImageReadError
        For what the format cannot hold, a mask without a label, a series that lies
        elsewhere or cannot be referred to, and where highdicom is not installed.
    OSError
        When the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    _, highdicom = dicom_packages("writing DICOM-SEG")
    mask = MaskVolume.of(image, KIND)
    if not segments:
        raise ImageReadError(
            f"{path.name}: {KIND} holds at least one label: found none"
        )
    with nothing_told():
        series, labels = _series_of(mask, source)
        made = _in_words(path, highdicom, series, labels, segments, algorithm)
        with atomic_path(path) as partial:
            made.save_as(partial, enforce_file_format=True)


def _series_of(mask: MaskVolume, source: Path) -> tuple[Series, NDArray[Any]]:
    """Return the series that a mask lies on, and its labels in the order of that."""
    found = series_under(source)
    on = [(each, each.labels_on(mask)) for each in found]
    fitting = [(each, labels) for each, labels in on if labels is not None]
    if not fitting:
        sizes = {" x ".join(map(str, each.shape)) for each in found}
        known = f"; it holds {', '.join(sorted(sizes))}" if sizes else ""
        raise ImageReadError(
            f"the mask of {' x '.join(map(str, mask.labels.shape))} voxels lies on no "
            f"series in {source.name}, to 0.001 mm{known}: name the folder of the "
            "series that it is of, or save as NIfTI"
        )
    if len(fitting) > 1:
        raise ImageReadError(
            f"{len(fitting)} series in {source.name} lie where the mask does: name a "
            "folder of only one, or a file of it"
        )
    series, labels = fitting[0]
    if not series.has_names:
        raise ImageReadError(
            f"the series in {source.name} has blank UIDs, as de-identified files do, "
            "and DICOM-SEG cannot refer to it: save as NIfTI or .seg.nrrd"
        )
    return series, labels


def _in_words(path: Path, *what: Any) -> Any:
    """Make the object; what highdicom refuses is said in a sentence."""
    try:
        return _made(*what)
    # Series of the world's machines break rules of the standard in many ways, and what
    # is said of it may repeat a header's values, so that none of it is told.
    except Exception as error:  # noqa: BLE001
        raise ImageReadError(
            f"{path.name}: a header of the series breaks the standard "
            f"({type(error).__name__} in highdicom): save as NIfTI or .seg.nrrd"
        ) from None


def _made(
    highdicom: Any,
    series: Series,
    labels: NDArray[Any],
    segments: Sequence[Segment],
    algorithm: Algorithm | None,
) -> Any:
    who = algorithm or Algorithm()
    numbers = np.zeros(max(int(labels.max()), segments[-1].label) + 1, np.uint16)
    for number, segment in enumerate(segments, start=1):
        numbers[segment.label] = number
    planes = numbers[labels]
    if len(series.datasets) == 1:  # in the order of its own frames
        planes = planes[np.argsort(series.order)]
    if len(segments) <= np.iinfo(np.uint8).max:
        planes = planes.astype(np.uint8)
    sources = [_with_blanks(each) for each in series.datasets]
    return highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=planes,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _described(highdicom, number, segment, who)
            for number, segment in enumerate(segments, start=1)
        ],
        series_instance_uid=highdicom.UID(),
        series_number=int(sources[0].get("SeriesNumber") or 0) + 1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="napari-dmoe",
        manufacturer_model_name=(who.name or "napari-dmoe")[:_LONGEST],
        software_versions=version("napari-dmoe")[:_LONGEST],
        device_serial_number="none",
        content_description=_DESCRIPTION,
        series_description=_DESCRIPTION,
    )


def _with_blanks(dataset: Any) -> Any:
    """Return a dataset in which nothing that must be there is missing."""
    missing = [name for name in _BLANK if name not in dataset]
    if not missing:
        return dataset
    filled = dataset.copy()
    for name in missing:
        setattr(filled, name, "")
    return filled


def _described(highdicom: Any, number: int, segment: Segment, who: Algorithm) -> Any:
    category, kind = (_concept(highdicom, code) for code in segment.codes)
    how = None
    if who.kind != "MANUAL":
        how = highdicom.AlgorithmIdentificationSequence(
            name=who.name[:_LONGEST],
            family=highdicom.sr.CodedConcept(
                "123110", "DCM", "Artificial Intelligence"
            ),
            version=(who.version or "not saved")[:_LONGEST],
            source="napari-dmoe",
        )
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:_LONGEST],
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=who.kind,
        algorithm_identification=how,
        display_color=highdicom.color.CIELabColor.from_rgb(*segment.colour),
    )


def _concept(highdicom: Any, code: Coded) -> Any:
    return highdicom.sr.CodedConcept(code.value, "SCT", code.meaning)
