"""Results of a run as segmentations of 3D Slicer and DICOM-SEG, and over them again."""

from __future__ import annotations

from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from cli_runs import run
from dicom_series import PATIENT, write_series
from stub_networks import thresholding_model

from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.imaging.world import placed_image
from napari_dmoe.inference.results.export import save_segmentation
from napari_dmoe.inference.results.mask_formats import FileFormat, read_saved
from napari_dmoe.inference.results.replacing import (
    ExistingFileError,
    files_of,
    is_painted,
)
from napari_dmoe.inference.results.segmentation import Segmentation
from napari_dmoe.inference.results.sidecars import (
    in_order_of_result,
    is_recorded,
    recorded,
)
from napari_dmoe.inference.running.segment import segment
from napari_dmoe.inference.running.settings import InferenceSettings
from napari_dmoe.patient import Patient

AFFINE = np.array(
    [[-0.96, -0.42, 0, 9], [0.72, -0.56, 0, -4], [0, 0, -2.5, 30], [0, 0, 0, 1]]
)
"""Oblique in its planes, and from the head down."""
BOTH = pytest.mark.parametrize("file_format", ["seg.nrrd", "dicom-seg"])
ENDINGS = {"seg.nrrd": "labels.seg.nrrd", "dicom-seg": "labels.dcm"}


@pytest.fixture
def voxels() -> np.ndarray:
    made = np.zeros((6, 8, 10), np.float32)
    made[2:4, 1:5, 6:9], made[5, 7, 0] = 1, 1
    return made


@pytest.fixture
def image(voxels: np.ndarray) -> SpatialImage:
    return placed_image(voxels.T, AFFINE, unit="mm")


@pytest.fixture
def result(image: SpatialImage) -> Segmentation:
    loaded = thresholding_model()
    return segment(
        loaded,
        image,
        Patient(severity="T2"),
        settings=InferenceSettings(device="cpu", probabilities=True),
    )


@pytest.fixture
def series(tmp_path: Path, voxels: np.ndarray) -> Path:
    # As a scanner lists them: the affine's third axis is that of the normal.
    flip = np.diag([1.0, 1, -1, 1])
    flip[2, 3] = len(voxels) - 1
    return write_series(tmp_path / "series", voxels[::-1], AFFINE @ flip)


@BOTH
def test_a_result_lies_where_its_image_does_and_is_known_again(
    tmp_path: Path,
    image: SpatialImage,
    voxels: np.ndarray,
    result: Segmentation,
    series: Path,
    file_format: FileFormat,
) -> None:
    out = tmp_path / "out"
    how = {"file_format": file_format, "series": series}
    saved = save_segmentation(out, "case", result, image, **how)
    assert saved.labels.name == f"case.{ENDINGS[file_format]}"
    assert saved.probabilities is not None
    assert saved.probabilities.name == "case.probabilities.nii.gz"
    assert recorded(saved.labels) == result.provenance
    assert is_recorded(saved.labels)
    assert [*files_of(out, "case")] == [saved.labels, saved.probabilities]
    stored = read_saved(saved.labels, result.provenance)
    found = in_order_of_result(stored, result.provenance)
    np.testing.assert_array_equal(found, result.labels)
    assert found.sum() == (voxels > 0.5).sum() == 25
    assert not is_painted(saved.labels)
    # The same run again replaces it; another image's does not.
    save_segmentation(out, "case", result, image, **how)
    other = result.provenance.image.model_copy(update={"pixels_sha256": "0" * 64})
    record = result.provenance.model_copy(update={"image": other})
    foreign = Segmentation.of_mask(
        result.labels, axes=result.axes, grid=result.grid, record=record
    )
    with pytest.raises(ExistingFileError, match="the result of another image"):
        save_segmentation(out, "case", foreign, image, **how)


def test_a_segmentation_of_slicer_has_the_classes_in_their_colours(
    tmp_path: Path, image: SpatialImage, result: Segmentation
) -> None:
    saved = save_segmentation(
        tmp_path, "case", result, image, file_format="seg.nrrd"
    ).labels
    found = sitk.ReadImage(str(saved))
    name, colour = (found.GetMetaData(f"Segment0_{what}") for what in ("Name", "Color"))
    assert name == result.classes[1]
    parts = np.array([float(part) for part in colour.split()]) * 255
    np.testing.assert_allclose(parts, (86, 180, 233), atol=0.01)  # as the viewer shows


def test_a_mask_that_was_painted_elsewhere_stays(
    tmp_path: Path, image: SpatialImage, result: Segmentation
) -> None:
    how = {"file_format": "seg.nrrd"}
    saved = save_segmentation(tmp_path, "case", result, image, **how).labels
    changed = sitk.ReadImage(str(saved))
    changed[0, 0, 0] = 1
    sitk.WriteImage(changed, str(saved))
    assert is_painted(saved)
    with pytest.raises(ExistingFileError, match="changed after its run"):
        save_segmentation(tmp_path, "case", result, image, **how)


def test_the_file_names_the_patient_of_its_series_and_the_record_does_not(
    tmp_path: Path, image: SpatialImage, result: Segmentation, series: Path
) -> None:
    how = {"file_format": "dicom-seg", "series": series}
    saved = save_segmentation(tmp_path / "out", "case", result, image, **how).labels
    seg = highdicom.seg.segread(saved)
    assert seg.PatientID == PATIENT["PatientID"]
    (about,) = seg.get_segment_description(
        1
    ).SegmentationAlgorithmIdentificationSequence
    model = result.provenance.model
    assert about.AlgorithmName == model.title[:64]
    text = saved.with_name("case.labels.json").read_text()
    for value in PATIENT.values():
        assert value not in text
    assert seg.SeriesInstanceUID not in text


def test_without_its_series_there_is_no_dicom_seg(
    tmp_path: Path, image: SpatialImage, result: Segmentation
) -> None:
    with pytest.raises(ImageReadError, match="name its folder"):
        save_segmentation(tmp_path, "case", result, image, file_format="dicom-seg")
    assert not list(tmp_path.glob("case*"))


@pytest.fixture
def scan(tmp_path: Path, voxels: np.ndarray) -> Path:
    path = tmp_path / "scan.nii.gz"
    to_ras = np.diag([-1.0, -1, 1, 1])
    file = nib.Nifti1Image(voxels.T * 900 - 400, to_ras @ AFFINE)
    file.header.set_xyzt_units("mm")
    nib.save(file, path)
    return path


MODEL = ("--checkpoint", "pelvis-phantom", "--device", "cpu")


def test_the_command_writes_both_and_keeps_them(
    tmp_path: Path, scan: Path, series: Path
) -> None:
    out = tmp_path / "out"
    asked = ("segment", scan, *MODEL, "-o", out)
    assert run(*asked, "--format", "seg.nrrd")[0] == 0
    assert (out / "scan.labels.seg.nrrd").is_file()
    code, _, said = run(*asked, "--format", "dicom-seg", "--series", series)
    assert code == 0, said
    assert "notice: the file names the patient" in said
    highdicom.seg.segread(out / "scan.labels.dcm")
    again = run(*asked, "--format", "dicom-seg", "--series", series, "--resume")
    assert "1 of 1 masks were there already" in again[1]


def test_the_command_refuses_before_it_runs(
    tmp_path: Path, scan: Path, series: Path
) -> None:
    asked = ("segment", scan, *MODEL, "-o", tmp_path / "out")
    for more, words in (
        (("--format", "dicom-seg"), "scan.nii.gz is no DICOM series"),
        (("--series", series), "--series is for --format dicom-seg"),
        (("--format", "png"), "use auto, tiff, nifti, seg.nrrd or dicom-seg"),
    ):
        code, _, said = run(*asked, *more)
        assert (code, words in said) == (2, True), said
    assert not (tmp_path / "out").exists()
