"""Masks out, in any order and place, and in again by the libraries of others."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import highdicom
import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import zarr
from dicom_series import write_series

from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.nifti_writing import write_nifti
from napari_dmoe.imaging.segments.dicom_seg import write_dicom_seg
from napari_dmoe.imaging.segments.meaning import segments_of
from napari_dmoe.imaging.segments.seg_nrrd import write_seg_nrrd
from napari_dmoe.imaging.segments.zarr_labels import write_zarr_labels
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage
from napari_dmoe.imaging.world import SHEARED as IS_SHEARED
from napari_dmoe.imaging.world import placed_image

formats = pytest.mark.formats
SHAPE = (3, 4, 5)
CLASSES = ("background", "prostate", "lesion")
SIZES = np.array([0.7, 1.1, 4.5])
TO_RAS = np.diag([-1.0, -1, 1, 1])


def turned(degrees: float) -> np.ndarray:
    """Return the direction of axes that are turned about two others."""
    a, b = np.radians(degrees), np.radians(degrees / 2)
    about_z = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    return np.array(about_z) @ about_x


def affine_of(sides: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = sides
    affine[:3, 3] = -12.5, 31.25, 70.0
    return affine


STRAIGHT = affine_of(np.diag(SIZES))
OBLIQUE = affine_of(turned(20) * SIZES)
SHEARED = affine_of(turned(20) * SIZES @ [[1, 0.1, 0], [0, 1, 0], [0, 0, 1]])
ORDERS = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
every_order = pytest.mark.parametrize(("order", "flips"), ORDERS)


def labels() -> np.ndarray:
    """Return labels (I, J, K) that no turn leaves as they are."""
    made = np.zeros(SHAPE[::-1], np.uint8)
    made[1:4, 0, 1], made[0, 2, 2], made[4, 3, 0] = 1, 2, 2
    return made


def stored(
    affine: np.ndarray, order: tuple[int, ...], flips: tuple[int, ...]
) -> tuple[SpatialImage, np.ndarray]:
    """Return the volume in another order, and the affine of its (i, j, k)."""
    places = np.array([[axis, flip] for axis, flip in zip(order, flips, strict=True)])
    to_new = nib.orientations.inv_ornt_aff(places, SHAPE[::-1])
    data = nib.orientations.apply_orientation(labels(), places)
    return placed_image(data, affine @ to_new, unit="mm"), affine @ to_new


def in_the_world(samples: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return (x, y, z, label) of what is labelled in (I, J, K) samples, sorted."""
    found = np.argwhere(samples)
    where = found @ affine[:3, :3].T + affine[:3, 3]
    rows = np.column_stack([where, samples[tuple(found.T)]])
    return rows[np.lexsort(np.round(rows, 3).T)]


def by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nib.load(path)
    return np.asarray(image.dataobj), TO_RAS @ image.affine


def by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, affine


def by_pynrrd(path: Path) -> tuple[np.ndarray, np.ndarray]:
    samples, header = nrrd.read(str(path))
    assert header["space"] == "left-posterior-superior"
    affine = np.eye(4)
    affine[:3, :3] = header["space directions"].T
    affine[:3, 3] = header["space origin"]
    return samples, affine


def by_zarr(path: Path) -> tuple[np.ndarray, np.ndarray]:
    group = zarr.open_group(str(path), mode="r")
    (image,) = group.attrs["ome"]["multiscales"]
    assert [axis["unit"] for axis in image["axes"]] == ["millimeter"] * 3
    scale, move = image["datasets"][0]["coordinateTransformations"]
    assert min(scale["scale"]) > 0
    affine = np.diag([*scale["scale"][::-1], 1.0])
    affine[:3, 3] = move["translation"][::-1]
    return group["0"][:].T, affine


def by_highdicom(path: Path) -> tuple[np.ndarray, np.ndarray]:
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    # Its array is along planes, rows and columns, as its affine is.
    return volume.array, volume.affine


def by_pydicom(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return each labelled voxel by the frames' own positions; the affine is one's."""
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    turn = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    down, along = shared.PixelMeasuresSequence[0].PixelSpacing
    affine = np.eye(4)
    affine[:3, 0] = np.array(turn[:3], float) * along
    affine[:3, 1] = np.array(turn[3:], float) * down
    normal = np.cross(affine[:3, 0] / along, affine[:3, 1] / down)
    groups = dataset.PerFrameFunctionalGroupsSequence
    places = [
        np.array(g.PlanePositionSequence[0].ImagePositionPatient, float) for g in groups
    ]
    heights = np.round([place @ normal for place in places], 3)
    planes = sorted({*heights})
    affine[:3, 2] = normal * np.diff(planes).min()
    affine[:3, 3] = places[int(np.argmin(heights))]
    samples = np.zeros((dataset.Columns, dataset.Rows, len(planes)), np.uint8)
    frames = np.atleast_3d(dataset.pixel_array).reshape(-1, *samples.shape[1::-1])
    for group, frame, height in zip(groups, frames, heights, strict=True):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        samples[..., planes.index(height)][frame.T > 0] = number
    return samples, affine


Reader = Callable[[Path], tuple[np.ndarray, np.ndarray]]


def assert_in_place(
    path: Path, read: Reader, affine: np.ndarray, *, is_same_order: bool
) -> None:
    """Say that a library finds the same labels at the same places."""
    samples, found = read(path)
    expected = in_the_world(labels(), affine)
    np.testing.assert_allclose(in_the_world(samples, found), expected, atol=1e-4)
    if is_same_order:
        return
    sides = sorted(np.linalg.norm(found[:3, :3], axis=0))
    np.testing.assert_allclose(sides, SIZES, atol=1e-5)


@every_order
@pytest.mark.parametrize("affine", [STRAIGHT, OBLIQUE], ids=["straight", "oblique"])
def test_in_every_order_labels_lie_where_they_lay(
    tmp_path: Path, affine: np.ndarray, order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    image, own = stored(affine, order, flips)
    known = segments_of(image.data, CLASSES)
    write_nifti(tmp_path / "a.nii.gz", image)
    write_seg_nrrd(tmp_path / "a.seg.nrrd", image, known)
    for name, read in (
        ("a.nii.gz", by_nibabel),
        ("a.nii.gz", by_itk),
        ("a.seg.nrrd", by_pynrrd),
        ("a.seg.nrrd", by_itk),
    ):
        samples, found = read(tmp_path / name)
        np.testing.assert_allclose(found, own, atol=1e-5)
        np.testing.assert_array_equal(samples, np.asarray(image.data).T)
        assert_in_place(tmp_path / name, read, affine, is_same_order=True)
    if affine is STRAIGHT:
        write_zarr_labels(tmp_path / "a.ome.zarr", image, known)
        assert_in_place(tmp_path / "a.ome.zarr", by_zarr, affine, is_same_order=False)


@pytest.fixture(scope="module", params=["straight", "oblique"])
def series(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, np.ndarray]:
    affine = {"straight": STRAIGHT, "oblique": OBLIQUE}[request.param]
    folder = tmp_path_factory.mktemp("series")
    return write_series(folder, np.zeros(SHAPE), affine), affine


@every_order
def test_in_every_order_a_dicom_seg_lies_on_its_series(
    tmp_path: Path,
    series: tuple[Path, np.ndarray],
    order: tuple[int, ...],
    flips: tuple[int, ...],
) -> None:
    folder, affine = series
    image, _ = stored(affine, order, flips)
    path = tmp_path / "a.dcm"
    write_dicom_seg(path, image, segments_of(image.data, CLASSES), folder)
    for read in (by_highdicom, by_pydicom):
        assert_in_place(path, read, affine, is_same_order=False)


@formats("sheared axes as .seg.nrrd or DICOM-SEG, oblique ones as OME-Zarr")
@every_order
def test_only_nifti_holds_a_shear(
    tmp_path: Path, order: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    image, own = stored(SHEARED, order, flips)
    write_nifti(tmp_path / "a.nii.gz", image)
    samples, found = by_nibabel(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(found, own, atol=1e-5)
    np.testing.assert_array_equal(samples, np.asarray(image.data).T)
    known = segments_of(image.data, CLASSES)
    with pytest.raises(ImageReadError, match=r"right angles.* save as NIfTI"):
        write_seg_nrrd(tmp_path / "a.seg.nrrd", image, known)
    with pytest.raises(ImageReadError, match=r"right angles.* save as NIfTI"):
        write_dicom_seg(tmp_path / "a.dcm", image, known, tmp_path)
    with pytest.raises(ImageReadError, match=r"oblique.* save as NIfTI"):
        write_zarr_labels(tmp_path / "a.ome.zarr", image, known)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def test_a_shear_is_told_when_it_is_read_and_sizes_go_along_the_axes(
    tmp_path: Path,
) -> None:
    for affine, said in ((OBLIQUE, ()), (SHEARED, (IS_SHEARED,))):
        write_nifti(tmp_path / "a.nii.gz", placed_image(labels(), affine, unit="mm"))
        image = read_image(tmp_path / "a.nii.gz")
        assert image.notices == said
        sides = np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_allclose(sorted(image.spacing), sorted(sides), rtol=1e-6)


@formats("mask as .seg.nrrd")
def test_names_and_colours_are_those_of_the_labels(
    tmp_path: Path, series: tuple[Path, np.ndarray]
) -> None:
    folder, affine = series
    image = placed_image(labels(), affine, unit="mm")
    colours = {1: (255, 0, 51), 2: (0, 204, 0)}
    known = segments_of(image.data, CLASSES, colours)
    write_seg_nrrd(tmp_path / "a.seg.nrrd", image, known)
    header = nrrd.read_header(str(tmp_path / "a.seg.nrrd"))
    told = ("Name", "Color", "LabelValue", "Layer", "ID")
    assert [[header[f"Segment{n}_{what}"] for what in told] for n in (0, 1)] == [
        ["prostate", "1.000000 0.000000 0.200000", "1", "0", "Segment_1"],
        ["lesion", "0.000000 0.800000 0.000000", "2", "0", "Segment_2"],
    ]
    assert [header[f"Segment{n}_Extent"] for n in (0, 1)] == [
        "1 3 0 0 1 1",
        "0 4 2 3 0 2",
    ]
    assert "SCT^41216001^Prostate" in header["Segment0_Tags"]
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    write_dicom_seg(tmp_path / "a.dcm", image, known, folder)
    seg = highdicom.seg.segread(tmp_path / "a.dcm")
    found = [seg.get_segment_description(n) for n in (1, 2)]
    assert [each.segment_label for each in found] == ["prostate", "lesion"]
    for each, colour in zip(found, colours.values(), strict=True):
        lab = highdicom.color.CIELabColor.from_dicom_value(
            each.RecommendedDisplayCIELabValue
        )
        np.testing.assert_allclose(lab.to_rgb(), colour, atol=2)
    if affine is STRAIGHT:
        write_zarr_labels(tmp_path / "a.ome.zarr", image, known)
        about = json.loads((tmp_path / "a.ome.zarr" / "zarr.json").read_text())
        label = about["attributes"]["ome"]["image-label"]
        assert label["colors"][0] == {"label-value": 1, "rgba": [255, 0, 51, 255]}
        assert label["properties"][2] == {"label-value": 2, "class": "lesion"}
