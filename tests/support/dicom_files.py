"""DICOM files made for tests: series of slices, films and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
WHO = {
    "PatientName": "Doe^Jane",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19610502",
    "InstitutionName": "General Hospital",
    "AccessionNumber": "ACC-0815",
}
"""What identifies an invented patient."""


def write(path: Path, pixels: np.ndarray, **stated: Any) -> Path:
    """Write one file; of pixels (rows, columns), with frames before or colours behind.

    What is stated as None is left out.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    uid = generate_uid()
    is_colour = pixels.dtype == np.uint8 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if is_colour else pixels.shape[-2:]
    n_frames = pixels.size // (rows * columns * (3 if is_colour else 1))
    bits = 8 * pixels.dtype.itemsize
    values: dict[str, Any] = {
        "SOPClassUID": CT,
        "SOPInstanceUID": uid,
        "SeriesInstanceUID": uid,
        "StudyInstanceUID": uid,
        "Modality": "CT",
        "Rows": rows,
        "Columns": columns,
        "SamplesPerPixel": 3 if is_colour else 1,
        "PhotometricInterpretation": "RGB" if is_colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if is_colour:
        values["PlanarConfiguration"] = 0
    if n_frames > 1:
        values["NumberOfFrames"] = n_frames
    for name, value in (values | stated).items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or CT
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    volume: np.ndarray,
    *,
    step: float = 2.0,
    sizes: Sequence[float] = (0.5, 0.75),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    origin: Sequence[float] = (-10.0, -20.0, 30.0),
    **stated: Any,
) -> list[Path]:
    """Write a volume (z, rows, columns) slice by slice; files are in no order."""
    across = np.array(orientation, float)
    normal = np.cross(across[:3], across[3:])
    series = generate_uid()
    order = np.random.default_rng(0).permutation(len(volume))
    paths = []
    for number, k in enumerate(order.tolist()):
        position = (np.array(origin) + k * step * normal).tolist()
        values = {
            "SeriesInstanceUID": series,
            "FrameOfReferenceUID": series,
            "SeriesNumber": 3,
            "InstanceNumber": k + 1,
            "ImagePositionPatient": position,
            "ImageOrientationPatient": list(orientation),
            "PixelSpacing": list(sizes),
            "SliceThickness": step,
        }
        path = folder / f"IM{number:04d}.dcm"
        paths.append(write(path, volume[k], **(values | stated)))
    return paths


def write_enhanced(path: Path, volume: np.ndarray, times: int = 1) -> Path:
    """Write a volume as one file of many frames, with functional groups."""
    shared, groups, frames = Dataset(), [], []
    measures, direction = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.75], 2.0
    direction.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = Items([measures])
    shared.PlaneOrientationSequence = Items([direction])
    for k in reversed(range(len(volume))):
        for time in range(times):
            group, place, content, values = Dataset(), Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient = [-10.0, -20.0, 30.0 + 2.0 * k]
            content.TemporalPositionIndex = time + 1
            values.RescaleSlope, values.RescaleIntercept = float(k + 1), 0.0
            values.RescaleType = "US"
            group.PlanePositionSequence = Items([place])
            group.FrameContentSequence = Items([content])
            group.PixelValueTransformationSequence = Items([values])
            groups.append(group)
            frames.append(volume[k] + time)
    return write(
        path,
        np.stack(frames),
        Modality="MR",
        SharedFunctionalGroupsSequence=Items([shared]),
        PerFrameFunctionalGroupsSequence=Items(groups),
    )
