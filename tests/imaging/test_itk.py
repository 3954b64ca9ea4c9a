"""NRRD and MetaImage files: voxels and their place, as ITK itself has them."""

from __future__ import annotations

import builtins
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from napari_dmoe.cohorts.layouts.checking import why_no_image
from napari_dmoe.cohorts.layouts.opening import open_cohort
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.itk import NO_DIRECTION, NO_SIZES, NO_UNIT
from napari_dmoe.imaging.spatial import ImageReadError

formats = pytest.mark.formats
LETTERS = [
    "".join(pair[flip] for pair, flip in zip(order, flips, strict=True))
    for order in itertools.permutations(("LR", "PA", "SI"))
    for flips in itertools.product((0, 1), repeat=3)
]
"""The 48 orientations."""


def volume(*shape: int, dtype: type = np.int16) -> sitk.Image:
    """Return a volume with shape (k, j, i), turned obliquely about its axes."""
    numbers = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    image = sitk.GetImageFromArray(numbers)
    image.SetSpacing((0.5, 2.0, 3.0))
    image.SetOrigin((-7.0, 11.0, 40.0))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.1, -0.2, 0.05)
    image.SetDirection(turn.GetMatrix())
    return image


def nrrd(path: Path, *lines: str, sizes: str = "4 3 2", n_bytes: int = 24) -> Path:
    """Write a header by hand, and as many bytes behind it."""
    head = ["NRRD0004", "type: uint8", "dimension: 3", f"sizes: {sizes}", *lines]
    text = "\n".join([*head, "encoding: raw", "", ""])
    path.write_bytes(text.encode() + bytes(range(n_bytes)))
    return path


@formats("NRRD and MetaImage in any of the 48 orientations")
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("letters", LETTERS)
def test_every_voxel_lies_where_itk_says(
    tmp_path: Path, letters: str, suffix: str
) -> None:
    source = sitk.DICOMOrient(volume(5, 4, 3), letters)
    sitk.WriteImage(source, str(tmp_path / f"a{suffix}"))
    image = read_image(tmp_path / f"a{suffix}")
    place = [image.spatial_axes.index(axis) for axis in "xyz"]
    for index in ((0, 0, 0), (1, 2, 1)):
        world = (image.affine @ [*index, 1])[place]
        ijk = source.TransformPhysicalPointToIndex(world.tolist())
        assert image.data[index] == source[ijk]
        there = source.TransformIndexToPhysicalPoint(ijk)
        np.testing.assert_allclose(world, there, atol=1e-5)
    assert image.unit == "mm"
    assert image.is_placed
    is_nrrd = suffix in (".nrrd", ".nhdr")
    assert image.notices == ((NO_UNIT,) if is_nrrd else ())


@formats("NRRD of a world to the right and the front")
def test_a_world_to_the_right_and_the_front_is_turned(tmp_path: Path) -> None:
    lines = ("space: right-anterior-superior", 'space units: "cm" "cm" "cm"')
    axes = "space directions: (0.2,0,0) (0,0.3,0) (0,0,0.4)"
    path = nrrd(tmp_path / "a.nrrd", *lines, axes, "space origin: (1,2,3)")
    image = read_image(path)
    assert image.axes == ("z", "y", "x")
    expected = [[4, 0, 0, 30], [0, -3, 0, -20], [0, 0, -2, -10], [0, 0, 0, 1]]
    np.testing.assert_allclose(image.affine, expected, atol=1e-6)
    assert image.notices == ()


@formats("NRRD that leaves direction, sizes or unit open")
def test_what_a_header_leaves_open_is_said(tmp_path: Path) -> None:
    image = read_image(nrrd(tmp_path / "sizes.nrrd", "spacings: 1 2 3"))
    assert image.notices == (NO_DIRECTION, NO_UNIT)
    np.testing.assert_allclose(np.diag(image.affine), [3, 2, 1, 1])
    assert not image.is_placed
    image = read_image(nrrd(tmp_path / "bare.nrrd"))
    assert image.notices == (NO_DIRECTION, NO_SIZES)
    assert image.unit is None


@formats("NRRD and MetaImage with a fourth axis, or several numbers a voxel")
def test_time_channels_and_planes_have_their_axes(tmp_path: Path) -> None:
    frames = [volume(5, 4, 3), volume(5, 4, 3) + 1]
    sitk.WriteImage(sitk.JoinSeries(frames), str(tmp_path / "t.nrrd"))
    image = read_image(tmp_path / "t.nrrd")
    assert (image.axes, image.data.shape) == (("t", "z", "y", "x"), (2, 5, 4, 3))
    np.testing.assert_array_equal(image.data[1], sitk.GetArrayFromImage(frames[1]))
    sitk.WriteImage(sitk.Compose(frames), str(tmp_path / "c.mha"))
    image = read_image(tmp_path / "c.mha")
    assert (image.axes, image.data.shape) == (("c", "z", "y", "x"), (2, 5, 4, 3))
    np.testing.assert_array_equal(image.data[1], sitk.GetArrayFromImage(frames[1]))
    plane = sitk.GetImageFromArray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    plane.SetSpacing((0.5, 0.25))
    sitk.WriteImage(plane, str(tmp_path / "p.mha"))
    image = read_image(tmp_path / "p.mha")
    assert image.axes == ("y", "x")
    np.testing.assert_allclose(np.diag(image.affine), [0.25, 0.5, 1])


@formats("NRRD or MetaImage that is cut off, or claims more than it holds")
@pytest.mark.parametrize(
    ("sizes", "n_bytes", "words"),
    [
        ("4 3 2", 20, "cut off, damaged"),
        ("40000 30000 20000", 24, "claims 40000 x 30000 x 20000 voxels"),
        ("4 3", 24, "cut off, damaged"),
    ],
)
def test_damaged_files_are_refused_in_a_line(
    tmp_path: Path, sizes: str, n_bytes: int, words: str
) -> None:
    path = nrrd(tmp_path / "a.nrrd", sizes=sizes, n_bytes=n_bytes)
    with pytest.raises(ImageReadError, match=words) as found:
        read_image(path)
    assert "\n" not in str(found.value)
    assert str(tmp_path) not in str(found.value)


@formats("MetaImage or NRRD whose file of voxels is gone")
def test_a_file_without_its_voxels_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(volume(5, 4, 3), str(tmp_path / "a.mhd"))
    (tmp_path / "a.raw").unlink()
    with pytest.raises(ImageReadError, match=r"a.mhd is cut off, damaged"):
        read_image(tmp_path / "a.mhd")


@formats("NRRD of complex numbers")
def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    image = sitk.Cast(volume(5, 4, 3), sitk.sitkFloat32)
    both = sitk.RealAndImaginaryToComplex(image, image)
    sitk.WriteImage(both, str(tmp_path / "a.nrrd"))
    with pytest.raises(ImageReadError, match="complex numbers"):
        read_image(tmp_path / "a.nrrd")


@formats("NRRD or MetaImage where SimpleITK is not installed")
def test_without_the_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "SimpleITK":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    path = nrrd(tmp_path / "a.nrrd")
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImageReadError, match=r"pip install 'napari-dmoe\[itk\]'"):
        read_image(path)


@formats("NRRD and MetaImage in a cohort table")
def test_a_cohort_table_names_them(tmp_path: Path) -> None:
    sitk.WriteImage(volume(5, 4, 3), str(tmp_path / "a.nrrd"))
    sitk.WriteImage(volume(5, 4, 3) > 50, str(tmp_path / "a_seg.mha"))
    (tmp_path / "fake.mha").write_bytes(b"not at all")
    table = tmp_path / "cohort.csv"
    table.write_text("image,labels\na.nrrd,a_seg.mha\n")
    (case,) = open_cohort(table, needs_labels=True)
    assert case.labels.data.sum() == (case.image.data > 50).sum()
    assert why_no_image(tmp_path / "a_seg.mha") == ""
    said = why_no_image(tmp_path / "fake.mha")
    assert said == "an image of the kind that its name says"
