"""A series of CT images in DICOM, as a scanner writes them, of an invented patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

PATIENT = {"PatientName": "Invented^Jane", "PatientID": "MRN-4711"}


def write_series(
    folder: Path, voxels: np.ndarray, affine: np.ndarray, **stated: Any
) -> Path:
    """Write (K, J, I) voxels, a file a plane; names of files are in another order.

    The affine leads from (i, j, k) to left, back and head, in mm. What is stated is
    written into every header; None takes it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = (generate_uid() for _ in range(3))
    known = {
        "StudyInstanceUID": study,
        "SeriesInstanceUID": series,
        "FrameOfReferenceUID": frame,
        "Modality": "CT",
        "SliceThickness": 9.0,  # as scanners say what planes are not apart
        "SOPClassUID": CTImageStorage,
        **PATIENT,
        **stated,
    }
    for k, plane in enumerate(voxels):
        dataset = _plane(np.asarray(plane, np.int16), affine, k)
        dataset.SOPInstanceUID = generate_uid()
        for name, value in known.items():
            setattr(dataset, name, value)
        for name in [name for name, value in known.items() if value is None]:
            delattr(dataset, name)
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        name = f"{(k * 7) % len(voxels):03}.dcm"
        dataset.save_as(folder / name, enforce_file_format=True)
    return folder


def _plane(pixels: np.ndarray, affine: np.ndarray, k: int) -> Dataset:
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    turn = affine[:3, :3] / sides
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.ImagePositionPatient = [f"{v:.8g}" for v in affine[:3] @ [0, 0, k, 1]]
    dataset.ImageOrientationPatient = [f"{v:.10g}" for v in turn[:, :2].T.ravel()]
    dataset.PixelSpacing = [float(sides[1]), float(sides[0])]
    dataset.InstanceNumber = k + 1
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = pixels.tobytes()
    return dataset
