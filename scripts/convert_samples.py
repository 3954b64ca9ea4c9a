"""Make sample_data/ct and sample_data/mr from the files that their authors publish.

Run once, when the samples were added; needs SimpleITK, which the package does not.

    python scripts/convert_samples.py FOLDER

FOLDER holds ct_abdomen_pelvis.nii.gz and ct_abdomen_pelvis_labels.nii.gz (from the
TotalSegmentator source distribution, tests/reference_files), and mr_brain_lesion.nrrd
and mr_brain_lesion_label.nrrd (from the PyRadiomics source distribution, data/brain1).
"""

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SAMPLES = Path(__file__).parents[1] / "sample_data"
PROSTATE, BLADDER = 22, 21  # in the labels of TotalSegmentator


def main(source: Path) -> None:
    """Convert all four files."""
    ct = sitk.ReadImage(source / "ct_abdomen_pelvis.nii.gz")
    _write(sitk.Cast(ct, sitk.sitkInt16), "ct/ct.nii.gz")
    organs = sitk.ReadImage(source / "ct_abdomen_pelvis_labels.nii.gz")
    numbers = sitk.GetArrayViewFromImage(organs)
    kept = np.where(numbers == PROSTATE, 1, np.where(numbers == BLADDER, 2, 0))
    labels = sitk.GetImageFromArray(kept.astype(np.uint8))
    labels.CopyInformation(organs)
    _write(labels, "ct/ct_labels.nii.gz")
    mr = sitk.ReadImage(source / "mr_brain_lesion.nrrd")
    _write(sitk.Cast(mr, sitk.sitkInt16), "mr/mr.nii.gz")
    lesion = sitk.ReadImage(source / "mr_brain_lesion_label.nrrd")
    _write(sitk.Cast(lesion != 0, sitk.sitkUInt8), "mr/mr_labels.nii.gz")


def _write(image: sitk.Image, name: str) -> None:
    path = SAMPLES / name
    path.parent.mkdir(exist_ok=True)
    for key in image.GetMetaDataKeys():  # nothing but pixels and their place
        image.EraseMetaData(key)
    sitk.WriteImage(image, path, useCompression=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
