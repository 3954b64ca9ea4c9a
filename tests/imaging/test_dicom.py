"""DICOM series: voxels and their place, as highdicom has them, and what is refused."""

from __future__ import annotations

import builtins
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")
from dicom_files import write, write_enhanced, write_series  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402

from napari_dmoe.imaging.dicom import library, reading  # noqa: E402
from napari_dmoe.imaging.dicom.pixels import Planes  # noqa: E402
from napari_dmoe.imaging.dicom.reading import (  # noqa: E402
    dicom_images,
    open_dicom,
    read_dicom,
)
from napari_dmoe.imaging.files import is_image_folder, read_image  # noqa: E402
from napari_dmoe.imaging.memory import NotEnoughMemory  # noqa: E402
from napari_dmoe.imaging.spatial import ImageReadError  # noqa: E402

formats = pytest.mark.formats
VOLUME = np.random.default_rng(0).integers(0, 999, (5, 4, 3)).astype(np.int16)
AXES = [
    (*one, *other)
    for one, other in itertools.permutations(
        [tuple(s * np.eye(3)[i]) for i in range(3) for s in (1, -1)], 2
    )
    if not np.dot(one, other)
]
"""The 24 directions of rows and columns along the axes of the world."""
TILTED = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


def world(image: Any, index: tuple[int, ...]) -> np.ndarray:
    """Return where a voxel lies, as (x, y, z)."""
    place = [image.spatial_axes.index(axis) for axis in "xyz"]
    return np.asarray((image.affine @ [*index, 1])[place])


@formats("DICOM series in any orientation, oblique too")
@pytest.mark.parametrize("orientation", [*AXES, TILTED])
def test_every_voxel_lies_where_highdicom_says(
    tmp_path: Path, orientation: tuple[float, ...]
) -> None:
    paths = write_series(tmp_path, VOLUME, orientation=orientation)
    image = read_image(tmp_path)
    expected = highdicom.get_volume_from_series([pydicom.dcmread(p) for p in paths])
    assert image.unit == "mm"
    assert image.is_placed
    assert image.notices == ()
    for index in ((0, 0, 0), (1, 2, 1), (4, 3, 2)):
        there = expected.map_reference_to_indices(world(image, index)[None])[0]
        ijk = tuple(np.round(there).astype(int))
        np.testing.assert_allclose(there, ijk, atol=1e-3)
        assert image.data[index] == expected.array[ijk]
    assert sorted(image.spacing) == pytest.approx([0.5, 0.75, 2.0])


@formats("any file of a DICOM series")
def test_any_file_opens_its_series_and_no_other(tmp_path: Path) -> None:
    first = write_series(tmp_path, VOLUME)
    write_series(tmp_path / "other", VOLUME + 1)
    for path in (tmp_path / "other").iterdir():
        path.rename(tmp_path / f"B{path.name}")
    image = read_image(first[3])
    np.testing.assert_array_equal(image.data, VOLUME)


@formats("DICOM files without a suffix, without UIDs, or behind links")
def test_files_without_names_or_uids_are_one_series_by_folder(tmp_path: Path) -> None:
    blank = {"SeriesInstanceUID": "", "SOPInstanceUID": "", "SOPClassUID": ""}
    paths = write_series(tmp_path / "real", VOLUME, **blank)
    (tmp_path / "linked").mkdir()
    for n, path in enumerate(paths):
        (tmp_path / "linked" / f"1.2.840.{n}").symlink_to(path)
    image = read_image(tmp_path / "linked")
    np.testing.assert_array_equal(image.data, VOLUME)
    assert read_image(tmp_path / "linked" / "1.2.840.1").data.shape == (5, 4, 3)


@formats("DICOM whose tags of thickness or distance say otherwise than its positions")
def test_positions_count_and_other_tags_are_said(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME, SliceThickness=3, SpacingBetweenSlices=5)
    image = read_image(tmp_path)
    assert image.spacing[0] == 2.0
    assert image.notices == (
        "its slices lie 2 mm apart by their positions, which was taken, though the "
        "header says SliceThickness 3 mm and SpacingBetweenSlices 5 mm",
    )


def test_positions_that_jitter_are_evened_out_and_said(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOLUME)
    for path in paths[:2]:
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient[2] = float(dataset.ImagePositionPatient[2]) + 0.04
        dataset.save_as(path)
    (notice,) = read_image(tmp_path).notices
    assert "mm apart: 2.0" in notice


@formats("DICOM series that lacks slices, or is not evenly apart")
def test_a_missing_slice_is_refused(tmp_path: Path) -> None:
    for path in write_series(tmp_path, VOLUME):
        if pydicom.dcmread(path).InstanceNumber == 3:
            path.unlink()
    with pytest.raises(ImageReadError, match=r"slices 2 and 3 of 4 4\.00 mm: 1 is mi"):
        read_image(tmp_path)


@formats("DICOM slices that are there twice")
def test_copies_are_left_out_and_others_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", VOLUME)
    shutil.copy(paths[0], tmp_path / "a" / "copy.dcm")
    image = read_image(tmp_path / "a")
    np.testing.assert_array_equal(image.data, VOLUME)
    assert image.notices == ("1 file was left out: it is a copy of another",)
    dataset = pydicom.dcmread(paths[0])
    dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(tmp_path / "a" / "copy.dcm")
    with pytest.raises(ImageReadError, match="1 of its 5 slices are there more than"):
        read_image(tmp_path / "a")


@formats("DICOM slices of several times, echoes or b-values")
@pytest.mark.parametrize(
    ("axis", "tag", "values"),
    [
        ("t", "TemporalPositionIdentifier", (1, 2)),
        ("t", "AcquisitionTime", ("101010", "101020")),
        ("echo", "EchoTime", (12.5, 90.0)),
    ],
)
def test_what_differs_between_slices_of_one_place_is_an_axis(
    tmp_path: Path, axis: str, tag: str, values: tuple[Any, ...]
) -> None:
    series = {"SeriesInstanceUID": "1.2.3", "Modality": "MR"}
    for n, value in reversed([*enumerate(values)]):
        write_series(tmp_path / str(n), VOLUME + n, **series, **{tag: value})
    image = read_image(tmp_path)
    assert image.axes == (axis, "z", "y", "x")
    np.testing.assert_array_equal(image.data, [VOLUME, VOLUME + 1])
    assert image.notices[-1].endswith(f"are the axis '{axis}'")


def test_slices_there_twice_with_nothing_to_tell_why_are_refused(
    tmp_path: Path,
) -> None:
    for n in range(2):
        write_series(tmp_path / str(n), VOLUME + n, SeriesInstanceUID="1.2.3")
    with pytest.raises(ImageReadError, match="each of its 5 slices is there 2 times"):
        read_image(tmp_path)


@formats("several DICOM images in one folder")
def test_several_images_are_listed_with_a_way_to_choose(tmp_path: Path) -> None:
    one = write_series(tmp_path / "a", VOLUME)
    write_series(tmp_path / "b", VOLUME[:3], SeriesNumber=7, Modality="MR")
    images = dicom_images(tmp_path)
    assert [each.title for each in images] == ["CT, series 3", "MR, series 7"]
    listed = "2 images: CT, series 3, 5 slices of 4 x 3 .* Name one of them by any of"
    with pytest.raises(ImageReadError, match=listed):
        read_image(tmp_path)
    np.testing.assert_array_equal(read_image(one[0]).data, VOLUME)


@formats("DICOM series with slices of another direction or size, such as localisers")
def test_mixed_directions_are_images_of_their_own(tmp_path: Path) -> None:
    series = {"SeriesInstanceUID": "1.2.3"}
    axial = write_series(tmp_path, VOLUME, **series)
    sagittal = (0, 1, 0, 0, 0, -1)
    write_series(tmp_path / "s", VOLUME[:2], orientation=sagittal, **series)
    shutil.copy(tmp_path / "s" / "IM0000.dcm", tmp_path / "localiser.dcm")
    image = read_image(axial[0])
    np.testing.assert_array_equal(image.data, VOLUME)
    assert image.notices == (reading.OTHERS_TOO,)


@formats("DICOM with a slope and an intercept, signed or not")
@pytest.mark.parametrize("kind", [np.int16, np.uint16])
def test_numbers_are_rescaled_without_overflow(tmp_path: Path, kind: type) -> None:
    limits = np.iinfo(kind)
    volume = np.array([[[limits.min, 0, limits.max]]], kind)
    hounsfield = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
    write_series(tmp_path / "a", volume, **hounsfield)
    image = read_image(tmp_path / "a")
    assert image.data.dtype == np.int32
    np.testing.assert_array_equal(image.data, volume.astype(int) - 1024)
    write_series(tmp_path / "b", volume, RescaleSlope=0.5, Modality="PT")
    image = read_image(tmp_path / "b")
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data, volume * 0.5)


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOLUME)
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.RescaleSlope = int(dataset.InstanceNumber)
        dataset.save_as(path)
    slopes = np.arange(1, 6)[:, None, None]
    np.testing.assert_array_equal(read_image(tmp_path).data, VOLUME * slopes)


@formats("DICOM with white as 0 (MONOCHROME1)")
def test_white_as_zero_is_turned_round_but_in_hounsfield_units(tmp_path: Path) -> None:
    pixels = np.array([[0, 1, 4095]], np.uint16)
    how: dict[str, Any] = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12}
    path = write(tmp_path / "x.dcm", pixels, Modality="DX", HighBit=11, **how)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, [[4095, 4094, 0]])
    assert image.notices == ("white is stored as 0: its grey values were turned round",)
    path = write(tmp_path / "ct.dcm", pixels, HighBit=11, **how, RescaleType="HU")
    image = read_image(path)
    np.testing.assert_array_equal(image.data, [[0, 1, 4095]])
    assert "not turned round" in image.notices[-1]


@formats("DICOM photographs and ultrasound in colour")
def test_colours_are_red_green_and_blue(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    image = read_image(write(tmp_path / "skin.dcm", pixels, Modality="XC"))
    assert image.axes == ("y", "x", "c")
    assert image.unit is None
    np.testing.assert_array_equal(image.data, pixels)
    image = read_image(get_testdata_file("examples_palette.dcm", download=False))
    assert (image.axes, image.data.dtype) == (("y", "x", "c"), np.uint8)
    image = read_image(get_testdata_file("SC_ybr_full_422_uncompressed.dcm"))
    np.testing.assert_array_equal(image.data[5, 50], (254, 0, 0))


@formats("DICOM films: frames without places")
def test_frames_of_a_film_are_an_axis_of_time(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 255, (7, 4, 5)).astype(np.uint8)
    image = read_image(write(tmp_path / "us.dcm", film, Modality="US"))
    assert image.axes == ("t", "y", "x")
    assert image.notices == ("its 7 frames were taken for points in time",)
    np.testing.assert_array_equal(image.data, film)


@formats("DICOM of many frames with places (enhanced)")
def test_frames_lie_where_their_groups_say(tmp_path: Path) -> None:
    image = read_image(write_enhanced(tmp_path / "mr.dcm", VOLUME, times=2))
    assert image.axes == ("t", "z", "y", "x")
    slopes = np.arange(1, 6)[:, None, None]
    np.testing.assert_array_equal(image.data[0], VOLUME * slopes)
    np.testing.assert_array_equal(image.data[1], (VOLUME + 1) * slopes)
    np.testing.assert_allclose(world(image, (1, 2, 1)), (-9.25, -19.0, 32.0))


@formats("DICOM that is one slice")
def test_one_slice_is_as_thick_as_its_tag_says(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, VOLUME[:1], SliceThickness=3)
    image = read_image(path)
    assert image.data.shape == (1, 4, 3)
    assert image.spacing == (3.0, 0.5, 0.75)
    assert image.notices == ("it is one slice, as thick as SliceThickness says",)


@formats("DICOM slices of CT, MR or PET without places")
def test_slices_without_places_are_in_the_order_of_their_numbers(
    tmp_path: Path,
) -> None:
    write_series(tmp_path, VOLUME, ImagePositionPatient=None)
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.data, VOLUME)
    assert image.unit is None
    assert not image.is_placed
    assert image.notices[0].startswith("its files do not say where its slices lie")
    write_series(tmp_path / "b", VOLUME, ImagePositionPatient=None, InstanceNumber=1)
    with pytest.raises(ImageReadError, match="nor in which order they are"):
        read_image(tmp_path / "b")


@formats("DICOM stacks that lean, as of a tilted gantry")
def test_a_leaning_stack_keeps_its_shear_and_says_so(tmp_path: Path) -> None:
    for path in write_series(tmp_path, VOLUME):
        dataset = pydicom.dcmread(path)
        x, y, z = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x, y + (z - 30) / 4, z]
        dataset.save_as(path)
    image = read_image(tmp_path)
    np.testing.assert_allclose(world(image, (4, 0, 0)), (-10, -18, 38))
    assert "the volume leans" in image.notices[-1]


@formats("DICOM whose picture may show a name")
def test_burned_in_names_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", VOLUME[0], Modality="US", BurnedInAnnotation="YES")
    assert read_image(path).notices == (reading.BURNED_IN,)


@formats("DICOM that is cut off, or claims more than it can hold")
def test_what_is_cut_off_is_refused_before_its_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", VOLUME[0], Modality="US")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ImageReadError, match=r"a.dcm is cut off"):
        read_image(path)
    dataset = pydicom.dcmread(write(tmp_path / "b.dcm", VOLUME[0], Modality="US"))
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(tmp_path / "b.dcm")
    with pytest.raises(ImageReadError, match="its header claims 8,589,672,450 bytes"):
        read_image(tmp_path / "b.dcm")


def test_a_series_beyond_memory_is_refused_before_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(n_bytes: int, **words: str) -> None:
        raise NotEnoughMemory(f"{n_bytes} {words['what']}")

    write_series(tmp_path, VOLUME)
    monkeypatch.setattr(reading, "refuse_beyond_memory", refuse)
    with pytest.raises(ImageReadError, match=r"120 .* its pixels need"):
        read_image(tmp_path)


@formats("DICOM in a compression that nothing installed unpacks")
def test_a_compression_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom.pixels.decoders import JPEG2000LosslessDecoder

    monkeypatch.setattr(JPEG2000LosslessDecoder, "_available", {})
    path = get_testdata_file("MR_small_jp2klossless.dcm", download=False)
    with pytest.raises(ImageReadError, match=r"pylibjpeg-openjpeg: pip install 'napa"):
        read_image(path)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.save_as(tmp_path / "film.dcm")
    with pytest.raises(ImageReadError, match=r"MPEG-4.* save it without compression"):
        read_image(tmp_path / "film.dcm")


@formats("DICOM files that cannot be read among others of a folder")
def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    bad = write(tmp_path / "bad.dcm", VOLUME[0], Modality="US")
    bad.write_bytes(bad.read_bytes()[:200])
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.data, VOLUME)
    assert image.notices == ("1 file cannot be read, and is left out",)


@formats("DICOMDIR, reports, plans, doses, contours and segmentations of DICOM")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DICOMDIR", "references are not followed"),
        ("rtdose.dcm", "a radiotherapy dose"),
        ("rtstruct.dcm", "contours"),
        ("rtplan.dcm", "a plan of radiotherapy"),
        ("test-SR.dcm", "a report"),
        ("liver_1frame.dcm", "a segmentation"),
        ("waveform_ecg.dcm", "a waveform"),
    ],
)
def test_what_is_no_image_says_what_it_is(name: str, words: str) -> None:
    with pytest.raises(ImageReadError, match=words):
        read_image(get_testdata_file(name, download=False))


def test_a_folder_of_dicom_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.dat").write_bytes(bytes(500))
    assert not is_image_folder(tmp_path)
    write_series(tmp_path / "deep" / "er", VOLUME)
    (tmp_path / "deep" / "er" / "round").symlink_to(tmp_path)
    assert is_image_folder(tmp_path)
    assert read_image(tmp_path).data.shape == (5, 4, 3)
    assert not library.is_dicom_folder(tmp_path / "absent")


def test_planes_are_decoded_when_they_are_looked_at_and_once(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOLUME)
    (image,) = dicom_images(tmp_path)
    planes = open_dicom(image).data
    assert isinstance(planes, Planes)
    assert not planes.is_complete
    for path in paths:
        if pydicom.dcmread(path, stop_before_pixels=True).InstanceNumber == 3:
            path.unlink()  # the one in the middle, which is there already
    np.testing.assert_array_equal(planes[2], VOLUME[2])
    np.testing.assert_array_equal(planes[1:3, 1:, ::2], VOLUME[1:3, 1:, ::2])
    np.testing.assert_array_equal(planes[...], VOLUME)
    assert planes.is_complete


def test_planes_are_filled_behind_until_nobody_uses_them(tmp_path: Path) -> None:
    write_series(tmp_path, VOLUME)
    (image,) = dicom_images(tmp_path)
    planes = open_dicom(image).data
    planes.fill_behind().join(timeout=60)
    assert planes.is_complete


def test_a_plane_whose_file_vanished_is_told(tmp_path: Path) -> None:
    paths = write_series(tmp_path, VOLUME)
    (image,) = dicom_images(tmp_path)
    planes = open_dicom(image).data
    for path in paths:
        path.unlink()
    with pytest.raises(ImageReadError, match=r"IM000\d.dcm cannot be read: No such"):
        np.asarray(planes)


@formats("DICOM where pydicom is not installed")
def test_pydicom_is_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "pydicom":
            raise ImportError(name)
        return real(name, *arguments, **named)

    path = write(tmp_path / "a.dcm", VOLUME[0])
    monkeypatch.setattr(builtins, "__import__", without)
    for each in (path, tmp_path):
        with pytest.raises(ImageReadError, match=r"pip install 'napari-dmoe\[dicom\]'"):
            read_image(each)


def test_nothing_private_is_in_what_is_told(tmp_path: Path) -> None:
    from dicom_files import WHO

    write_series(tmp_path, VOLUME, **WHO)
    for name, kind in (("MRN-4711.dcm", "US"), ("Doe^Jane.dcm", "SR")):
        write(tmp_path / name, VOLUME[0], Modality=kind)
    bad = tmp_path / "MRN-4711.dcm"
    bad.write_bytes(bad.read_bytes()[:200])
    (image,) = dicom_images(tmp_path)
    read = read_dicom(tmp_path)
    assert read.notices == (
        "1 file cannot be read, and is left out",
        "left out, as they are no images: a report (1)",
    )
    told = f"{image!r} {image.title} {image.size} {read!r} {read.notices}"
    assert not [value for value in WHO.values() if value in told]


@pytest.mark.parametrize("name", ["PixelData", "Rows"])
def test_a_header_without_its_pixels_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.dcm", VOLUME[0], Modality="US")
    dataset = pydicom.dcmread(path)
    delattr(dataset, name)
    dataset.save_as(path)
    with pytest.raises(
        ImageReadError, match=r"a\.dcm (is cut off|holds no (image|pixels))"
    ):
        read_image(path)
