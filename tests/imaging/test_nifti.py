"""NIfTI files: pixels and their place in the world, there and back."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import io_orientation

from napari_dmoe.imaging.files import image_stem, image_suffix, read_image
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.phantoms.samples import sample_ct, sample_folder, sample_mr

formats = pytest.mark.formats
IN_MM = formats("NIfTI in cm, nm or inch, written")
OBLIQUE = np.array([[2.0, 0.3, 0, 5], [-0.3, 3, 0.1, 6], [0, 0.1, 4, 7], [0, 0, 0, 1]])
ORIENTATIONS = [
    np.array([[axis, flip] for axis, flip in zip(order, flips, strict=True)])
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def save(path: Path, data: np.ndarray, affine: np.ndarray = OBLIQUE) -> Path:
    image = nib.Nifti1Image(data, affine, dtype=data.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, 1)
    nib.save(image, path)
    return path


def numbers(*shape: int, dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 99, shape).astype(dtype)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_keeps_its_world_and_its_affine(
    tmp_path: Path, orientation: np.ndarray
) -> None:
    source = nib.Nifti1Image(numbers(3, 4, 5), OBLIQUE).as_reoriented(orientation)
    path = save(tmp_path / "a.nii", np.asarray(source.dataobj), source.affine)
    image = read_image(path)
    place = [image.spatial_axes.index(axis) for axis in "xyz"]
    for index in ((0, 0, 0), (1, 2, 1)):
        world = (image.affine @ [*index, 1])[place]
        ras = np.array([-world[0], -world[1], world[2], 1])
        ijk = np.rint(np.linalg.inv(source.affine) @ ras)[:3].astype(int)
        assert image.data[index] == source.dataobj[tuple(ijk)]
        np.testing.assert_allclose((source.affine @ [*ijk, 1])[:3], ras[:3], atol=1e-4)
    names = ["xyz"[int(i)] for i in io_orientation(source.affine)[:, 0]]
    assert image.axes == tuple(reversed(names))
    write_nifti(tmp_path / "b.nii.gz", image)
    again = nib.load(tmp_path / "b.nii.gz")
    np.testing.assert_allclose(again.affine, source.affine, atol=1e-5)
    np.testing.assert_array_equal(again.dataobj, source.dataobj)


def test_the_world_is_head_back_and_left(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", numbers(2, 2, 2), np.diag([2.0, 3, 4, 1]))
    image = read_image(path)
    assert (image.axes, image.unit) == (("z", "y", "x"), "mm")
    np.testing.assert_array_equal(image.affine, np.diag([4.0, -3, -2, 1]))
    assert image.spacing == (4, 3, 2)
    assert image.notices == ()


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", ">i2", ">f4"])
def test_numbers_are_kept_whatever_their_type(tmp_path: Path, dtype: str) -> None:
    data = numbers(3, 4, 5).astype(dtype)
    header = nib.Nifti1Header(endianness=dtype[0] if dtype[0] == ">" else "<")
    header.set_data_dtype(data.dtype)
    header.set_xyzt_units("mm")
    nib.save(nib.Nifti1Image(data, OBLIQUE, header), tmp_path / "a.nii")
    image = read_image(tmp_path / "a.nii")
    np.testing.assert_array_equal(image.data.T, data)
    assert image.data.dtype.kind == np.dtype(dtype).kind
    assert image.data.dtype.isnative


def test_scaled_numbers_are_scaled(tmp_path: Path) -> None:
    image = nib.Nifti1Image(numbers(2, 3, 4), OBLIQUE)
    image.header.set_slope_inter(2, -1000)
    nib.save(image, tmp_path / "a.nii")
    expected = nib.load(tmp_path / "a.nii").get_fdata()
    found = read_image(tmp_path / "a.nii").data
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.T, expected, rtol=1e-6)


def test_nifti_2_is_read(tmp_path: Path) -> None:
    data = numbers(2, 3, 4)
    nib.save(nib.Nifti2Image(data, OBLIQUE), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_image(tmp_path / "a.nii").data.T, data)


def test_further_axes_are_time_and_single_ones_go(tmp_path: Path) -> None:
    series = read_image(save(tmp_path / "a.nii.gz", numbers(2, 3, 4, 5)))
    assert series.axes == ("t", "z", "y", "x")
    assert series.data.shape == (5, 4, 3, 2)
    single = read_image(save(tmp_path / "b.nii.gz", numbers(2, 3, 4, 1)))
    assert single.axes == ("z", "y", "x")
    flat = read_image(save(tmp_path / "c.nii.gz", numbers(2, 3)))
    assert flat.data.shape == (1, 3, 2)


def test_colours_become_channels(tmp_path: Path) -> None:
    rgb = np.zeros((2, 3, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    rgb["G"] = 7
    image = read_image(save(tmp_path / "a.nii", rgb))
    assert image.axes == ("c", "z", "y", "x")
    assert image.data[:, 0, 0, 0].tolist() == [0, 7, 0]


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001)])
def test_other_units_become_mm(tmp_path: Path, unit: str, factor: float) -> None:
    image = nib.Nifti1Image(numbers(2, 2, 2), np.diag([1.0, 2, 3, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    found = read_image(tmp_path / "a.nii")
    assert found.spacing == pytest.approx((3 * factor, 2 * factor, factor))
    assert found.unit == "mm"


@pytest.mark.parametrize(
    ("unit", "stated", "millimetres"),
    [
        pytest.param("um", "micron", 0.001, marks=formats("NIfTI in um, written")),
        pytest.param("µm", "micron", 0.001, marks=formats("NIfTI in um, written")),
        ("microns", "micron", 0.001),
        pytest.param("m", "meter", 1000.0, marks=formats("NIfTI in m, written")),
        ("mm", "mm", 1.0),
        pytest.param(
            "cm", "mm", 10.0, marks=formats("NIfTI in cm, nm or inch, written")
        ),
        pytest.param(
            "nm", "mm", 1e-6, marks=formats("NIfTI in cm, nm or inch, written")
        ),
        pytest.param(
            "inch", "mm", 25.4, marks=formats("NIfTI in cm, nm or inch, written")
        ),
    ],
)
def test_units_are_written_as_what_they_are(
    tmp_path: Path, unit: str, stated: str, millimetres: float
) -> None:
    affine = np.array(
        [[0.5, 0, 0, 7], [0, -0.25, 0, 8], [0, 0, -0.75, 9], [0, 0, 0, 1]]
    )
    image = SpatialImage(numbers(2, 3, 4), ("z", "y", "x"), affine, unit)
    path = tmp_path / "a.nii.gz"
    write_nifti(path, image)
    spacing = np.array([0.5, 0.25, 0.75]) * millimetres
    found = read_image(path)
    assert (found.unit, found.notices) == ("mm", ())
    np.testing.assert_allclose(found.spacing, spacing, rtol=1e-6)
    np.testing.assert_allclose(found.affine[:-1], affine[:-1] * millimetres, rtol=1e-6)
    theirs = nib.load(path)
    assert theirs.header.get_xyzt_units()[0] == stated
    factor = {"micron": 0.001, "mm": 1, "meter": 1000}[stated]
    zooms = np.array(theirs.header.get_zooms()) * factor
    np.testing.assert_allclose(zooms[::-1], spacing, rtol=1e-6)
    assert int(theirs.header["qform_code"]) > 0
    sitk = pytest.importorskip("SimpleITK")
    volume = sitk.ReadImage(str(path))
    np.testing.assert_allclose(volume.GetSpacing()[::-1], spacing, rtol=1e-5)
    origin = np.array(volume.GetOrigin())[::-1]
    np.testing.assert_allclose(origin, np.array([7, 8, 9]) * millimetres, rtol=1e-5)


@pytest.mark.formats("NIfTI without a unit, written")
@pytest.mark.parametrize("unit", [None, "pixel"])
def test_an_unknown_unit_stays_unknown_and_is_said(
    tmp_path: Path, unit: str | None
) -> None:
    image = SpatialImage(numbers(2, 3, 4), ("z", "y", "x"), np.eye(4), unit)
    write_nifti(tmp_path / "a.nii", image)
    assert nib.load(tmp_path / "a.nii").header.get_xyzt_units()[0] == "unknown"
    assert "states no unit" in read_image(tmp_path / "a.nii").notices[0]


def test_a_unit_that_is_no_length_is_refused(tmp_path: Path) -> None:
    image = SpatialImage(numbers(2, 3, 4), ("z", "y", "x"), np.eye(4), "furlong")
    with pytest.raises(ImageReadError, match=r"a\.nii: 'furlong' is no unit of length"):
        write_nifti(tmp_path / "a.nii", image)
    assert not list(tmp_path.iterdir())


def test_a_file_without_a_unit_says_that_mm_were_assumed(tmp_path: Path) -> None:
    nib.save(
        nib.Nifti1Image(numbers(2, 2, 2), np.diag([2.0, 3, 4, 1])), tmp_path / "a.nii"
    )
    image = read_image(tmp_path / "a.nii")
    assert image.notices == ("the file states no unit of length: mm were assumed",)


def test_a_record_travels_in_the_header_and_files_are_reproducible(
    tmp_path: Path,
) -> None:
    image = SpatialImage(numbers(2, 3, 4), ("z", "y", "x"), np.eye(4), "mm")
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, image, record='{"made": "here"}')
    extension = nib.load(tmp_path / "a.nii.gz").header.extensions[0]
    assert extension.get_content().decode().rstrip("\0 ") == '{"made": "here"}'
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.nii.gz", "b.nii.gz"}


def test_masks_are_stored_in_the_order_of_their_source(tmp_path: Path) -> None:
    sagittal = np.array([[0, 0, 3.0, 0], [2, 0, 0, 0], [0, 4, 0, 0], [0, 0, 0, 1]])
    image = read_image(save(tmp_path / "a.nii", numbers(3, 4, 5), sagittal))
    assert image.axes == ("x", "z", "y")
    place = [image.axes.index(axis) for axis in "zyx"]
    mask = SpatialImage(
        image.data.transpose(place) > 50,
        ("z", "y", "x"),
        image.affine[np.ix_([*place, 3], [*place, 3])],
        "mm",
    )
    write_nifti(tmp_path / "b.nii", mask, order=image.axes)
    again = nib.load(tmp_path / "b.nii")
    np.testing.assert_allclose(again.affine, sagittal, atol=1e-5)
    assert again.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(again.dataobj, numbers(3, 4, 5) > 50)


def test_planes_are_no_volumes(tmp_path: Path) -> None:
    plane = SpatialImage(numbers(3, 4), ("y", "x"))
    with pytest.raises(ImageReadError, match="volumes along z, y and x"):
        write_nifti(tmp_path / "a.nii", plane)
    assert not list(tmp_path.iterdir())


def test_another_library_sees_the_same_voxels_in_the_same_place(
    tmp_path: Path,
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    # That library only takes affines without shear.
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ np.diag([2, -3, 4])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (5, 6, 7)
    image = read_image(save(tmp_path / "a.nii", numbers(3, 4, 5), affine))
    write_nifti(tmp_path / "b.nii.gz", image)
    theirs = sitk.ReadImage(str(tmp_path / "b.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), image.data)
    for index in ((0, 0, 0), (4, 2, 1)):
        world = (image.affine @ [*index, 1])[:3]
        x, y, z = theirs.TransformIndexToPhysicalPoint([*map(int, index[::-1])])
        np.testing.assert_allclose((z, y, x), world, atol=1e-4)


def test_the_real_ct_and_its_labels_keep_their_affine(tmp_path: Path) -> None:
    case = sample_ct()
    assert set(np.unique(case.labels.data)) == {0, 1, 2}
    assert np.count_nonzero(case.labels.data == 1) == 549
    assert case.image.spacing == pytest.approx((3, 3, 3))
    write_nifti(tmp_path / "labels.nii.gz", case.labels, order=case.image.axes)
    source = nib.load(sample_folder("ct") / "ct.nii.gz")
    again = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_allclose(again.affine, source.affine, atol=1e-5)
    assert again.shape == source.shape


def test_the_real_mr_lies_as_its_source_did() -> None:
    case = sample_mr()
    assert case.image.data.shape == (25, 256, 256)
    assert case.image.spacing == pytest.approx((6.5, 0.78125, 0.78125))
    assert np.count_nonzero(case.labels.data) == 4137
    np.testing.assert_array_equal(case.image.affine, case.labels.affine)


@pytest.mark.parametrize(
    ("name", "suffix", "stem"),
    [
        ("a.nii.gz", ".nii.gz", "a"),
        ("A.B.NII.GZ", ".nii.gz", "A.B"),
        ("a.nii", ".nii", "a"),
        ("a.b.png", ".png", "a.b"),
        ("a", "", "a"),
    ],
)
def test_names_end_as_their_format_does(name: str, suffix: str, stem: str) -> None:
    assert image_suffix(Path(name)) == suffix
    assert image_stem(Path(name)) == stem
