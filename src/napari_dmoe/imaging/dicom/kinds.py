"""DICOM files that hold no image of a patient, or none that is read here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_dmoe.imaging.spatial import ImageReadError

_DIRECTORY = "1.2.840.10008.1.3.10"
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_SEGMENTATIONS = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)
_NOT_READ = {
    "RTDOSE": "a radiotherapy dose",
    "RTSTRUCT": "contours of radiotherapy (RTSTRUCT)",
    "RTPLAN": "a plan of radiotherapy",
    "SEG": "a segmentation (DICOM-SEG)",
    "SR": "a report",
    "PR": "how an image is to be shown",
    "KO": "a selection of images",
    "REG": "a registration",
    "ECG": "a waveform",
}
"""Modalities whose files are no images of a patient."""


class NoImageError(ImageReadError):
    """A good DICOM file that is no image.

    Parameters
    ----------
    message : str
        What is wrong, with the file's name.
    what : str
        What it is instead, in words that name no file.
    """

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


def refuse_no_image(path: Path, dataset: Any) -> None:
    """Refuse a file by its header where no image can come of it.

    Raises
    ------
    NoImageError
        For such a file; says what it is.
    ImageReadError
        When nothing could be read.
    """
    kind = _text(dataset, "SOPClassUID") or _text(
        getattr(dataset, "file_meta", None), "MediaStorageSOPClassUID"
    )
    if kind == _DIRECTORY:
        raise NoImageError(
            f"{path.name} is a DICOMDIR, a table of contents whose references are not "
            "followed: open the folder of the images itself",
            "a DICOMDIR",
        )
    if kind == _WHOLE_SLIDE:
        raise NoImageError(
            f"{path.name} is a whole slide in tiles, which is not read: export a part "
            "of it as TIFF",
            "a whole slide",
        )
    modality = "SEG" if kind in _SEGMENTATIONS else _text(dataset, "Modality")
    what = _NOT_READ.get(modality, "")
    if what:
        raise NoImageError(f"{path.name} is no image, but {what}", what)
    if _text(dataset, "Rows") and _text(dataset, "Columns"):
        return
    if not len(dataset):
        raise ImageReadError(f"{path.name} is cut off, damaged or no DICOM")
    known = f" ({_name_of(kind)})" if _name_of(kind) else ""
    raise NoImageError(
        f"{path.name} holds no image{known}: it has no rows of pixels",
        "what has no pixels",
    )


def _text(dataset: Any, name: str) -> str:
    try:
        value = None if dataset is None else dataset.get(name)
    # Values are made only when they are asked for, and may be anything.
    except Exception:  # noqa: BLE001
        return ""
    return "" if value is None else str(value).strip()


def _name_of(kind: str) -> str:
    """Return the standard's name of a class; nothing for private ones."""
    from pydicom.uid import UID

    name = UID(kind).name if kind else ""
    return "" if name == kind else str(name)
