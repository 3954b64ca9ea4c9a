"""What formats of masks hold, and what they refuse in words."""

from __future__ import annotations

import builtins
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import zarr
from dicom_series import PATIENT, write_series
from pydicom.sr.codedict import codes

from napari_dmoe.imaging.disk.atomic import atomic_folder
from napari_dmoe.imaging.files import image_stem, image_suffix, read_labels
from napari_dmoe.imaging.segments import meaning
from napari_dmoe.imaging.segments.dicom_seg import Algorithm, write_dicom_seg
from napari_dmoe.imaging.segments.dicom_seg_reading import read_dicom_seg
from napari_dmoe.imaging.segments.meaning import Segment, segments_of
from napari_dmoe.imaging.segments.seg_nrrd import segments_in, write_seg_nrrd
from napari_dmoe.imaging.segments.zarr_labels import write_zarr_labels
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.imaging.world import placed_image

formats = pytest.mark.formats
SHAPE = (3, 4, 5)
CLASSES = ("background", "prostate", "lesion")
AFFINE = np.diag([0.5, 0.75, 3, 1])
AFFINE[:3, 3] = 10, -20, 30

Write = Callable[[Path, SpatialImage], None]


def labels(dtype: str = "uint8") -> np.ndarray:
    made = np.zeros(SHAPE, dtype)
    made[1, 2, 1:4], made[2, 0, 0] = 1, 2
    return made


def mask(data: np.ndarray | None = None, unit: str | None = "mm") -> SpatialImage:
    data = labels() if data is None else data
    return placed_image(data.T, AFFINE, unit=unit)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    return write_series(tmp_path / "series", np.zeros(SHAPE), AFFINE)


def nrrd_out(path: Path, image: SpatialImage) -> None:
    write_seg_nrrd(path, image, segments_of(np.asarray(image.data), CLASSES))


def zarr_out(path: Path, image: SpatialImage) -> None:
    write_zarr_labels(path, image, segments_of(np.asarray(image.data), CLASSES))


BOTH = pytest.mark.parametrize(
    ("name", "write"), [("a.seg.nrrd", nrrd_out), ("a.ome.zarr", zarr_out)]
)


@formats("labels up to 255, and above")
@pytest.mark.parametrize(("most", "dtype"), [(255, "uint8"), (256, "uint16")])
def test_labels_take_8_bits_until_255_and_16_above(
    tmp_path: Path, most: int, dtype: str
) -> None:
    data = labels("int64")
    data[0, 0, 0] = most
    nrrd_out(tmp_path / "a.seg.nrrd", mask(data))
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.seg.nrrd")))
    assert (found.dtype, found.max()) == (dtype, most)
    zarr_out(tmp_path / "a.ome.zarr", mask(data))
    array = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")["0"]
    assert (array.dtype, array[0, 0, 0]) == (dtype, most)


@formats("labels below 0 or above 65,535")
@BOTH
@pytest.mark.parametrize("label", [-1, 65_536])
def test_labels_that_no_format_holds_are_refused(
    tmp_path: Path, name: str, write: Write, label: int
) -> None:
    data = labels("int64")
    data[0, 0, 0] = label
    with pytest.raises(ImageReadError, match=r"labels from 0 to 65,535.* NIfTI"):
        write(tmp_path / name, mask(data))
    with pytest.raises(ImageReadError, match="holds labels: found float"):
        write(tmp_path / name, mask(labels("float32")))
    assert not list(tmp_path.iterdir())


@formats("mask of a picture, or with time, as one of these")
@BOTH
def test_only_volumes_are_taken(tmp_path: Path, name: str, write: Write) -> None:
    flat = SpatialImage(labels()[0], ("y", "x"), unit="mm")
    moving = SpatialImage(labels()[np.newaxis], ("t", "z", "y", "x"), unit="mm")
    for image in (flat, moving):
        with pytest.raises(ImageReadError, match="one volume along z, y and x"):
            write(tmp_path / name, image)


@formats("mask without a unit as .seg.nrrd or DICOM-SEG")
def test_nobody_guesses_how_large_voxels_are(tmp_path: Path, series: Path) -> None:
    with pytest.raises(ImageReadError, match="state it in the dock"):
        nrrd_out(tmp_path / "a.seg.nrrd", mask(unit=None))
    known = segments_of(labels(), CLASSES)
    with pytest.raises(ImageReadError, match="state it in the dock"):
        write_dicom_seg(tmp_path / "a.dcm", mask(unit=None), known, series)
    zarr_out(tmp_path / "a.ome.zarr", mask(unit=None))
    about = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r").attrs["ome"]
    assert all("unit" not in axis for axis in about["multiscales"][0]["axes"])


def test_other_units_become_mm_in_slicers_files(tmp_path: Path) -> None:
    nrrd_out(tmp_path / "a.seg.nrrd", mask(unit="um"))
    found = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert found.GetSpacing() == pytest.approx((5e-4, 7.5e-4, 3e-3))
    assert found.GetOrigin() == pytest.approx((0.01, -0.02, 0.03))


def test_a_segmentation_of_slicer_is_read_with_names_and_colours(
    tmp_path: Path,
) -> None:
    path = tmp_path / "liver.seg.nrrd"
    known = (Segment(1, "prostate", (255, 0, 0)), Segment(2, "a\nb", (0, 51, 0)))
    write_seg_nrrd(path, mask(), known)
    assert segments_in(path) == (known[0], Segment(2, "a b", (0, 51, 0)))
    np.testing.assert_array_equal(read_labels(path).data, labels())
    assert (image_stem(path), image_suffix(path)) == ("liver", ".seg.nrrd")


def test_a_label_without_a_voxel_keeps_its_name(tmp_path: Path) -> None:
    nrrd_out(tmp_path / "a.seg.nrrd", mask(np.zeros(SHAPE, np.uint8)))
    image = sitk.ReadImage(str(tmp_path / "a.seg.nrrd"))
    assert image.GetMetaData("Segment1_Name") == "lesion"
    assert image.GetMetaData("Segment1_Extent") == "0 -1 0 -1 0 -1"


def test_codes_are_those_of_snomed() -> None:
    known = {**meaning._ANATOMY, **meaning._FINDINGS}
    theirs = {
        (c.value, c.meaning.lower())
        for c in map(_code, dir(codes.SCT))
        if c is not None
    }
    for code in (*known.values(), meaning.ABNORMAL, meaning.TISSUE):
        assert (code.value, code.meaning.lower()) in theirs
    assert Segment(1, "Optic_Disc", (0, 0, 0)).codes[1].value == "81016008"
    assert Segment(1, "something", (0, 0, 0)).codes == (meaning.TISSUE,) * 2


def _code(name: str) -> Any:
    found = getattr(codes.SCT, name, None)
    return found if hasattr(found, "meaning") else None


@formats("mask as DICOM-SEG")
def test_a_dicom_seg_refers_to_its_series_and_says_who_drew_it(
    tmp_path: Path, series: Path
) -> None:
    path = tmp_path / "a.dcm"
    known = segments_of(labels(), CLASSES)
    who = Algorithm("AUTOMATIC", "Prostate by T stage", "ab" * 32)
    write_dicom_seg(path, mask(), known, series, algorithm=who)
    seg = highdicom.seg.segread(path)
    sources = [pydicom.dcmread(each) for each in series.iterdir()]
    assert seg.SegmentationType == "BINARY"
    assert seg.StudyInstanceUID == sources[0].StudyInstanceUID
    assert seg.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    (referred,) = seg.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == sources[0].SeriesInstanceUID
    named = {r.ReferencedSOPInstanceUID for r in referred.ReferencedInstanceSequence}
    assert named <= {each.SOPInstanceUID for each in sources}
    found = seg.get_segment_description(1)
    assert found.algorithm_type.value == "AUTOMATIC"
    (about,) = found.SegmentationAlgorithmIdentificationSequence
    assert (about.AlgorithmName, about.AlgorithmVersion) == (who.name, who.version)
    assert found.segmented_property_type.value == "41216001"
    assert (seg.PatientName, seg.PatientID) == tuple(PATIENT.values())
    np.testing.assert_array_equal(read_dicom_seg(path, like=mask()).data, labels())
    with pytest.raises(ImageReadError, match="does not lie on its image"):
        read_dicom_seg(path, like=mask(labels()[:1]))


def test_a_mask_drawn_by_hand_has_no_algorithm(tmp_path: Path, series: Path) -> None:
    data = labels("int32") * 300
    known = segments_of(data)
    write_dicom_seg(tmp_path / "a.dcm", mask(data), known, series)
    seg = highdicom.seg.segread(tmp_path / "a.dcm")
    found = [seg.get_segment_description(n) for n in (1, 2)]
    assert {each.algorithm_type.value for each in found} == {"MANUAL"}
    assert [each.segment_label for each in found] == ["label 300", "label 600"]


def test_a_file_of_the_series_stands_for_it(tmp_path: Path, series: Path) -> None:
    path = tmp_path / "a.dcm"
    other = write_series(tmp_path / "x", np.zeros(SHAPE), AFFINE)
    for each in other.iterdir():
        shutil.copy(each, series / f"other-{each.name}")
    known = segments_of(labels(), CLASSES)
    with pytest.raises(ImageReadError, match="2 series in series lie where"):
        write_dicom_seg(path, mask(), known, series)
    write_dicom_seg(path, mask(), known, series / "001.dcm")
    (found,) = highdicom.seg.segread(path).ReferencedSeriesSequence
    own = pydicom.dcmread(series / "001.dcm").SeriesInstanceUID
    assert found.SeriesInstanceUID == own


@formats("mask as DICOM-SEG whose series lies elsewhere, to 0.001 mm")
@pytest.mark.parametrize("shift", [0.002, 0.5, 30])
def test_a_series_that_lies_elsewhere_is_refused(
    tmp_path: Path, series: Path, shift: float
) -> None:
    there = AFFINE.copy()
    there[0, 3] += shift
    image = placed_image(labels().T, there, unit="mm")
    known = segments_of(labels(), CLASSES)
    with pytest.raises(ImageReadError, match=r"lies on no series in series.*3 x 4 x 5"):
        write_dicom_seg(tmp_path / "a.dcm", image, known, series)
    part = mask(labels()[:2])
    with pytest.raises(ImageReadError, match="2 x 4 x 5 voxels lies on no"):
        write_dicom_seg(tmp_path / "a.dcm", part, known, series)
    assert not (tmp_path / "a.dcm").exists()


@formats("mask as DICOM-SEG of a series with blank UIDs")
def test_a_series_that_cannot_be_referred_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    write_series(folder, np.zeros(SHAPE), AFFINE, SOPClassUID="", SeriesInstanceUID="")
    known = segments_of(labels(), CLASSES)
    with pytest.raises(ImageReadError, match=r"blank UIDs.* save as NIfTI"):
        write_dicom_seg(tmp_path / "a.dcm", mask(), known, folder)


def test_headers_that_lack_what_is_only_told_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    write_series(folder, np.zeros(SHAPE), AFFINE, PatientName=None, PatientID=None)
    known = segments_of(labels(), CLASSES)
    write_dicom_seg(tmp_path / "a.dcm", mask(), known, folder)
    assert not str(pydicom.dcmread(tmp_path / "a.dcm").PatientName)


def test_what_breaks_the_standard_is_told_without_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "series"
    write_series(folder, np.zeros(SHAPE), AFFINE, StudyInstanceUID="Invented^Jane")
    caplog.clear()
    known = segments_of(labels(), CLASSES)
    with caplog.at_level("DEBUG"):
        write_dicom_seg(tmp_path / "a.dcm", mask(), known, folder)
    assert "Jane" not in caplog.text

    def refused(**stated: Any) -> None:
        raise ValueError(f"odd: {stated['source_images'][0].PatientName}")

    monkeypatch.setattr(highdicom.seg, "Segmentation", refused)
    with pytest.raises(ImageReadError, match="breaks the standard") as caught:
        write_dicom_seg(tmp_path / "b.dcm", mask(), known, folder)
    assert "Jane" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_planes_of_one_file_keep_their_order(tmp_path: Path, series: Path) -> None:
    known = segments_of(labels(), CLASSES)
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, mask(), known, series)
    # A segmentation is a file of several planes, as others are: one refers to it.
    several = tmp_path / "several" / "all.dcm"
    several.parent.mkdir()
    of_frames = highdicom.seg.segread(path)
    of_frames.Modality = "CT"
    of_frames.save_as(several)
    data = labels()[1:]  # the planes that it has: others are empty
    moved = AFFINE.copy()
    moved[2, 3] += 3
    image = placed_image(data.T, moved, unit="mm")
    write_dicom_seg(tmp_path / "b.dcm", image, known, several)
    found = read_dicom_seg(tmp_path / "b.dcm", like=image)
    np.testing.assert_array_equal(found.data, data)


def test_nothing_in_dicom_is_named(tmp_path: Path, series: Path) -> None:
    known = segments_of(labels(), CLASSES)
    (tmp_path / "scan.nii.gz").write_bytes(b"no")
    with pytest.raises(ImageReadError, match=r"scan.nii.gz is no DICOM.*--series"):
        write_dicom_seg(tmp_path / "a.dcm", mask(), known, tmp_path / "scan.nii.gz")
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").write_text("no")
    with pytest.raises(ImageReadError, match="none holds no DICOM images"):
        write_dicom_seg(tmp_path / "a.dcm", mask(), known, tmp_path / "none")
    empty = segments_of(np.zeros(1, np.uint8))
    with pytest.raises(ImageReadError, match="found none"):
        write_dicom_seg(tmp_path / "a.dcm", mask(), empty, series)


@formats("a format whose package is not installed")
@pytest.mark.parametrize("missing", ["SimpleITK", "highdicom", "zarr"])
def test_what_is_not_installed_is_said(
    tmp_path: Path, series: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def imported(name: str, *args: Any, **named: Any) -> Any:
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", imported)
    known = segments_of(labels(), CLASSES)
    extra = {"SimpleITK": "itk", "highdicom": "dicom", "zarr": "zarr"}[missing]
    writers: dict[str, Callable[[], None]] = {
        "SimpleITK": lambda: nrrd_out(tmp_path / "a.seg.nrrd", mask()),
        "highdicom": lambda: write_dicom_seg(tmp_path / "a.dcm", mask(), known, series),
        "zarr": lambda: zarr_out(tmp_path / "a.zarr", mask()),
    }
    with pytest.raises(ImageReadError, match=rf"pip install .napari-dmoe\[{extra}\]"):
        writers[missing]()


@formats("a disk without room, or a folder that is read-only")
def test_nothing_half_written_stays(
    tmp_path: Path, series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = segments_of(labels(), CLASSES)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    def failed(*_: object, **__: object) -> None:
        raise RuntimeError("ITK ERROR at 0x55: a path of ITK's own machine")

    there = sorted(path.name for path in tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for name, write in (("a.seg.nrrd", nrrd_out), ("a.ome.zarr", zarr_out)):
            with pytest.raises(OSError, match="No space left"):
                write(tmp_path / name, mask())
        with pytest.raises(OSError, match="No space left"):
            write_dicom_seg(tmp_path / "a.dcm", mask(), known, series)
    monkeypatch.setattr(sitk, "WriteImage", failed)
    with pytest.raises(OSError, match="could not be written") as caught:
        nrrd_out(tmp_path / "a.seg.nrrd", mask())
    assert "ITK" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == there


@BOTH
def test_a_folder_that_is_not_there_is_named_with_the_file(
    tmp_path: Path, name: str, write: Write
) -> None:
    with pytest.raises(OSError, match=name):
        write(tmp_path / "gone" / name, mask())


def test_an_earlier_zarr_goes_only_when_the_new_one_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    zarr_out(path, mask())
    (path / "old").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_folder(path) as partial:
        (partial / str(1 / 0)).mkdir()
    assert (path / "old").exists()
    zarr_out(path, mask(labels() * 2))
    assert not (path / "old").exists()
    assert read_labels(path).data.max() == 4
    assert [each.name for each in tmp_path.iterdir()] == ["a.ome.zarr"]
    zarr.open_group(str(tmp_path / "image.zarr"), mode="w", zarr_format=3)
    with pytest.raises(FileExistsError, match="no OME-Zarr of labels"):
        zarr_out(tmp_path / "image.zarr", mask())
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(FileExistsError, match="no OME-Zarr of labels"):
        zarr_out(tmp_path / "b.zarr", mask())
