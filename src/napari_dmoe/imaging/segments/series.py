"""DICOM series that a mask lies on: their headers, no pixel of them.

It is what a DICOM-SEG refers to. For reading images see the readers.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.dicom.library import nothing_told
from napari_dmoe.imaging.segments.volume import MaskVolume, moved_onto
from napari_dmoe.imaging.spatial import ImageReadError

_TOLERANCE_MM = 1e-3
"""How far a mask's voxels may lie from those of its series."""

_MOST_FILES = 20_000
"""Of a folder, more than any series has."""

_NOT_IMAGES = ("SEG", "RTSTRUCT", "PR", "SR", "KO", "REG")
"""Modalities of what is made of images."""


def dicom_packages(doing: str) -> tuple[Any, Any]:
    """Return pydicom and highdicom.

    Raises
    ------
    ImageReadError
        Where they are not installed; says what to install.
    """
    try:
        import highdicom
        import pydicom
    except ImportError as error:
        raise ImageReadError(
            f"{doing} needs pydicom and highdicom: pip install 'napari-dmoe[dicom]'"
        ) from error
    return pydicom, highdicom


_UIDS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
)


@dataclass(frozen=True)
class Series:
    """The images of one series that lie in one volume.

    Parameters
    ----------
    datasets : tuple of pydicom Dataset
        Without pixels: one for each plane, in their order along the normal; or a single
        one of many planes.
    affine : (4, 4) float64 array
        From (i, j, k), the column, row and plane, to left, back and head, in mm.
    shape : (K, J, I)
        Planes, rows and columns.
    irregular_mm : float
        How far a plane lies from where the affine has it.
    order : tuple of int
        Place in the file of each plane of a single dataset.
    """

    datasets: tuple[Any, ...]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    irregular_mm: float
    order: tuple[int, ...]

    def labels_on(self, mask: MaskVolume) -> NDArray[Any] | None:
        """Return a mask's labels (K, J, I) on the planes; None where it lies elsewhere.

        It has to be as large as the series.
        """
        size = mask.labels.size
        if size != np.prod(self.shape):
            return None
        tolerance = _TOLERANCE_MM + self.irregular_mm
        where = (mask.affine, self.affine, self.shape)
        return moved_onto(mask.labels, *where, tolerance_mm=tolerance)

    @property
    def has_names(self) -> bool:
        """Whether all its images can be referred to."""
        return all(str(d.get(name) or "") for d in self.datasets for name in _UIDS)


def series_under(path: Path) -> tuple[Series, ...]:
    """Return the series of a folder, or that of the file that is named.

    Parameters
    ----------
    path : Path
        A folder, without what is in its folders; or one file of a series, whose others
        are looked for beside it.

    Raises
    ------
    ImageReadError
        Where nothing in DICOM is there, or pydicom is not installed.
    """
    pydicom, _ = dicom_packages("a DICOM series")
    refuse_no_dicom(path)
    folder = path if path.is_dir() else path.parent
    groups: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    wanted: tuple[str, ...] | None = None
    with nothing_told():
        for each in _files(folder):
            dataset = _header(pydicom, each)
            if dataset is not None:
                key = _key(dataset)
                groups[key].append(dataset)
                wanted = key if each == path else wanted
        chosen = list(groups.values()) if wanted is None else [groups[wanted]]
        found = tuple(filter(None, map(_series, chosen)))
    if not groups or (path.is_file() and wanted is None):
        raise ImageReadError(f"{path.name} holds no DICOM images")
    return found


def refuse_no_dicom(path: Path) -> None:
    """Refuse a path that is neither a folder nor a DICOM file, before anything is read.

    Raises
    ------
    ImageReadError
        For such a path, and where pydicom is not installed.
    """
    pydicom, _ = dicom_packages("a DICOM series")
    if path.is_dir():
        return
    try:
        is_one = pydicom.misc.is_dicom(path)
    except OSError:
        is_one = False
    if not is_one:
        raise ImageReadError(
            f"{path.name} is no DICOM series, and DICOM-SEG refers to one: name the "
            "folder of the series that the image is of (--series)"
        )


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for number, entry in enumerate(sorted(entries, key=lambda e: e.name)):
            if number >= _MOST_FILES:
                raise ImageReadError(
                    f"{folder.name} holds more than {_MOST_FILES:,} files: give the "
                    "folder of one series"
                )
            if entry.is_file() and not entry.name.startswith("."):
                yield folder / entry.name


def _header(pydicom: Any, path: Path) -> Any:
    """Return a file's dataset without pixels; None for what is no image in DICOM."""
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        is_image = bool(dataset.get("Rows")) and bool(dataset.get("Columns"))
        is_one = is_image and dataset.get("Modality") not in _NOT_IMAGES
        return dataset if is_one else None
    # Any file may lie there, and damaged ones make pydicom raise almost anything.
    except Exception:  # noqa: BLE001
        return None


def _key(dataset: Any) -> tuple[str, ...]:
    """Return what planes of one volume share."""
    return (
        str(dataset.get("SeriesInstanceUID") or ""),
        f"{dataset.Rows} x {dataset.Columns}",
        str([f"{v:.4f}" for v in dataset.get("ImageOrientationPatient") or ()]),
    )


def _series(datasets: Sequence[Any]) -> Series | None:
    """Return images as one volume; None where they are none."""
    try:
        if len(datasets) == 1 and "PerFrameFunctionalGroupsSequence" in datasets[0]:
            return _of_frames(datasets[0])
        places = [each.ImagePositionPatient for each in datasets]
        head = datasets[0]
        turn, sides = head.ImageOrientationPatient, head.PixelSpacing
        thick = head.get("SpacingBetweenSlices") or head.get("SliceThickness")
        found = _placed(places, turn, sides, thick)
    except (AttributeError, TypeError, ValueError, IndexError):
        return None
    if found is None:
        return None
    affine, order, irregular = found
    shape = len(datasets), int(head.Rows), int(head.Columns)
    return Series(tuple(datasets[i] for i in order), affine, shape, irregular, order)


def _of_frames(dataset: Any) -> Series | None:
    """Return the planes of a single file."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    groups = list(dataset.PerFrameFunctionalGroupsSequence)

    def said(group: Any, sequence: str) -> Any:
        return (group if sequence in group else shared)[sequence].value[0]

    turns = [said(g, "PlaneOrientationSequence") for g in groups]
    if len({str(turn.ImageOrientationPatient) for turn in turns}) > 1:
        return None
    measures = said(groups[0], "PixelMeasuresSequence")
    places = [said(g, "PlanePositionSequence").ImagePositionPatient for g in groups]
    thick = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    turn, sides = turns[0].ImageOrientationPatient, measures.PixelSpacing
    found = _placed(places, turn, sides, thick)
    if found is None:
        return None
    affine, order, irregular = found
    shape = len(groups), int(dataset.Rows), int(dataset.Columns)
    return Series((dataset,), affine, shape, irregular, order)


def _placed(
    places: Sequence[Any], turn: Any, sides: Any, thick: Any
) -> tuple[NDArray[np.float64], tuple[int, ...], float] | None:
    """Return affine, order and irregularity of planes; None where two are one."""
    origins = np.array([[float(v) for v in each] for each in places])
    along, down = np.array([float(v) for v in turn]).reshape(2, 3)
    normal = np.cross(along, down)
    heights = origins @ normal
    order = np.argsort(heights, kind="stable")
    n = len(origins)
    step = float(thick or 1.0) * normal
    if n > 1:
        step = (origins[order[-1]] - origins[order[0]]) / (n - 1)
    if n > 1 and np.diff(heights[order]).min() <= _TOLERANCE_MM:
        return None
    affine = np.eye(4)
    affine[:3, 0] = along * float(sides[1])
    affine[:3, 1] = down * float(sides[0])
    affine[:3, 2], affine[:3, 3] = step, origins[order[0]]
    regular = affine[:3, 3] + np.arange(n)[:, np.newaxis] * step
    irregular = np.linalg.norm(origins[order] - regular, axis=1).max()
    return affine, tuple(map(int, order)), float(irregular)
