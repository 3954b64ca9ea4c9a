"""NIfTI files that are damaged, lie about themselves, or leave things open."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_dmoe.imaging import memory
from napari_dmoe.imaging.files import read_image
from napari_dmoe.imaging.nifti import read_record
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage

SHAPE = (3, 4, 5)
ROWS = ("srow_x", "srow_y", "srow_z")
formats = pytest.mark.formats


def good(dtype: type = np.int16) -> bytearray:
    data = np.arange(60, dtype=np.int16).reshape(SHAPE).astype(dtype)
    image = nib.Nifti1Image(data, np.diag([2.0, 3, 4, 1]), dtype=data.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1)
    return bytearray(image.to_bytes())


def changed(**fields: object) -> bytearray:
    content = good()
    header = np.frombuffer(content, nib.nifti1.header_dtype, 1)
    for name, value in fields.items():
        header[name][0] = value
    return content


def write(folder: Path, content: bytes, name: str = "scan.nii") -> Path:
    path = folder / name
    path.write_bytes(bytes(content))
    return path


def sized(voxel: float) -> bytearray:
    """Return a file that has nothing but voxel sizes to say where it lies."""
    pixdim = [1, voxel, 1, 1, 1, 1, 1, 1]
    return changed(sform_code=0, qform_code=0, pixdim=pixdim)


def dims(*sizes: int) -> list[int]:
    return [len(sizes), *sizes, *[1] * (7 - len(sizes))]


def test_the_file_that_the_others_are_made_of_is_good(tmp_path: Path) -> None:
    image = read_image(write(tmp_path, good()))
    assert image.data.shape == SHAPE[::-1]
    assert image.notices == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no NIfTI file, or it is cut off"),
        (good()[:100], "no NIfTI file, or it is cut off"),
        (good()[:400], "cannot hold|can hold|cut off"),
        (good()[:-2], "can hold|cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(600), "sizeof_hdr"),
        (changed(sizeof_hdr=347), "sizeof_hdr"),
        (changed(magic=b"abc"), "magic"),
        (changed(magic=b"ni1"), "two files"),
        (changed(datatype=9999), "datatype 9999"),
        (changed(dim=[0, 3, 4, 5, 1, 1, 1, 1]), r"dim\[0\] is 0"),
        (changed(dim=[8, 3, 4, 5, 1, 1, 1, 1]), r"dim\[0\] is 8"),
        pytest.param(
            changed(dim=[6, 3, 2, 1, 1, 1, 10, 1]),
            "at most 5 axes can have more than one pixel",
            marks=formats("NIfTI with a sixth or seventh axis longer than 1"),
        ),
        (changed(dim=[-1, 3, 4, 5, 1, 1, 1, 1]), r"dim\[0\] is -1"),
        (changed(dim=dims(3, 0, 5)), "dim holds"),
        (changed(dim=dims(3, -4, 5)), "dim holds"),
        (changed(dim=dims(3, 4, 50)), "dim claims 3 x 4 x 50"),
        (changed(dim=dims(30000, 30000, 30000)), "dim claims"),
        (changed(vox_offset=0), "vox_offset is 0"),
        (changed(vox_offset=1e9), r"begin at byte 1,000,000,000 \(vox_offset\)"),
        (changed(vox_offset=np.nan), "vox_offset is nan"),
        (changed(scl_slope=np.inf), "scl_slope"),
        (
            changed(sform_code=0, qform_code=0, pixdim=[1, 0, 1, 1, 1, 1, 1, 1]),
            "pixdim",
        ),
        (
            changed(sform_code=0, qform_code=0, pixdim=[1, np.nan, 1, 1, 1, 1, 1, 1]),
            "pixdim",
        ),
        (
            changed(sform_code=0, qform_code=0, pixdim=[1, -1, 1, 1, 1, 1, 1, 1]),
            "pixdim",
        ),
        (changed(srow_x=np.nan, qform_code=0), "neither sform"),
        (changed(srow_x=0, qform_code=0), "neither sform"),
        (good(np.complex64), "complex"),
    ],
)
def test_bad_files_are_refused_with_file_and_field(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(ImageReadError, match=message) as caught:
        read_image(write(tmp_path, content))
    assert "scan.nii" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(good()), "no gzip"),
        (gzip.compress(good())[:-20], "cut off"),
        (gzip.compress(good(), mtime=0)[:30], "cut off"),
        (gzip.compress(good())[:-8] + bytes(8), "damaged|cut off"),
        (gzip.compress(changed(dim=dims(20000, 20000, 9))), "dim claims"),
        (gzip.compress(changed(dim=dims(20, 20, 9))), "promises"),
    ],
)
def test_bad_gzip_files_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(ImageReadError, match=message) as caught:
        read_image(write(tmp_path, content, "scan.nii.gz"))
    assert "scan.nii.gz" in str(caught.value)


def compressed(content: bytes) -> bytes:
    return gzip.compress(bytes(content), compresslevel=1, mtime=0)


@formats("NIfTI whose pixels need more memory than there is")
@pytest.mark.parametrize(
    ("fields", "n_bytes"),
    [({}, 2**24), ({"scl_slope": 2}, 3 * 2**24), ({"scl_inter": 1}, 3 * 2**24)],
)
def test_pixels_beyond_memory_are_refused_before_they_are_unpacked(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fields: dict[str, float],
    n_bytes: int,
) -> None:
    header = changed(dim=dims(256, 256, 128), **({"scl_slope": 1} | fields))[:352]
    path = write(tmp_path, compressed(header + bytes(2**24)), "scan.nii.gz")
    monkeypatch.setattr(memory, "available_bytes", lambda: n_bytes - 1)
    with pytest.raises(ImageReadError, match=r"^scan\.nii\.gz: its pixels need .* cut"):
        read_image(path)
    monkeypatch.setattr(memory, "available_bytes", lambda: n_bytes)
    tracemalloc.start()
    try:
        assert read_image(path).data.shape == (128, 256, 256)
        assert tracemalloc.get_traced_memory()[1] < 1.6 * n_bytes
    finally:
        tracemalloc.stop()


@formats("NIfTI whose pixels begin in the header, or beyond 268 MB")
def test_pixels_that_begin_where_no_header_ends_are_not_looked_for(
    tmp_path: Path,
) -> None:
    content = compressed(changed(vox_offset=2.0**29)[:352] + os.urandom(2**20))
    path = write(tmp_path, content, "scan.nii.gz")
    with pytest.raises(ImageReadError, match=r"vox_offset is 5\.36871e"):
        read_image(path)


def test_what_follows_the_pixels_of_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(good()) + bytes(50_000_000))
    assert read_image(write(tmp_path, bomb, "scan.nii.gz")).data.shape == SHAPE[::-1]


@pytest.mark.parametrize(
    ("fields", "notice"),
    [
        ({"srow_x": [5, 0, 0, 0]}, "disagree: the sform"),
        ({"sform_code": 0, "qform_code": 0}, "how the patient lies"),
        ({"srow_x": 0, "srow_y": 0, "srow_z": 0}, "the qform was used"),
        pytest.param(
            {"srow_x": 0, "srow_y": 0, "srow_z": 0, "qform_code": 0},
            "all zeros, so the file does not say how the patient lies",
            marks=formats("NIfTI with an affine of zeros"),
        ),
    ],
)
def test_what_a_file_leaves_open_is_said(
    tmp_path: Path, fields: dict, notice: str
) -> None:
    image = read_image(write(tmp_path, changed(**fields)))
    assert any(notice in said for said in image.notices)


@pytest.mark.parametrize("value", [np.nan, 0])
def test_a_broken_sform_gives_way_to_a_sound_qform(
    tmp_path: Path, value: float
) -> None:
    content = changed(srow_x=value, srow_y=value, srow_z=value)
    assert read_image(write(tmp_path, content)).spacing == pytest.approx((4, 3, 2))


@pytest.mark.formats("NIfTI with a pixdim[0] of 0, or other odd signs beside its qform")
@pytest.mark.parametrize(
    ("pixdim", "notice"),
    [
        ([0, 2, 3, 4], ""),
        ([7, 2, 3, 4], "pixdim[0] is 7"),
        ([1, -2, 3, 4], "below 0"),
        ([-1, 2, 3, -4], "below 0"),
    ],
)
def test_a_qform_is_read_as_nibabel_mends_it(
    tmp_path: Path, pixdim: list[float], notice: str
) -> None:
    content = changed(sform_code=0, pixdim=[*pixdim, 1, 1, 1, 1])
    path = write(tmp_path, content)
    image, theirs = read_image(path), nib.load(path)
    ours = np.diag([-1, -1, 1, 1]) @ image.affine_along("xyz")
    np.testing.assert_allclose(ours, theirs.affine, atol=1e-6)
    assert [notice in said for said in image.notices] == [True] * bool(notice)


@pytest.mark.formats("NIfTI with an affine of zeros")
def test_an_affine_of_zeros_leaves_the_voxel_sizes(tmp_path: Path) -> None:
    zeros = changed(srow_x=0, srow_y=0, srow_z=0, qform_code=0)
    image = read_image(write(tmp_path, zeros))
    assert (image.axes, image.spacing) == (("z", "y", "x"), (4, 3, 2))
    np.testing.assert_array_equal(image.affine, np.diag([4.0, 3, 2, 1]))


@pytest.mark.formats("NIfTI with dim[0] of 6 or 7 and single further axes")
@pytest.mark.parametrize(
    "dim",
    [
        [6, 3, 4, 5, 1, 1, 1, 1],
        [7, 3, 4, 5, 1, 1, 1, 1],
        [3, 3, 4, 5, 0, 0, 0, 0],
        [3, 3, 4, 5, -7, 9, 9, 9],
        [4, 3, 4, 5, 1, 9, 9, 9],
    ],
)
def test_single_axes_and_what_stands_behind_the_last_do_not_count(
    tmp_path: Path, dim: list[int]
) -> None:
    image = read_image(write(tmp_path, changed(dim=dim)))
    assert image.axes == ("z", "y", "x")
    expected = read_image(write(tmp_path, good(), "good.nii"))
    np.testing.assert_array_equal(image.data, expected.data)


def test_further_axes_of_seven_are_time_and_channels(tmp_path: Path) -> None:
    image = read_image(write(tmp_path, changed(dim=[7, 3, 2, 1, 2, 5, 1, 1])))
    assert (image.axes, image.data.shape) == (
        ("c", "t", "z", "y", "x"),
        (5, 2, 1, 2, 3),
    )


@pytest.mark.formats("NIfTI with voxels of nanometres")
@pytest.mark.parametrize("size", [1e-5, 1e-9, 1e-3])
def test_tiny_voxels_are_no_flat_affine(tmp_path: Path, size: float) -> None:
    rows = {name: np.eye(3, 4)[i] * size for i, name in enumerate(ROWS)}
    content = changed(**rows, qform_code=0)
    image = read_image(write(tmp_path, content))
    assert image.spacing == pytest.approx((size, size, size))
    assert image.notices == ()
    there = nib.Nifti1Image.from_bytes(bytes(content))
    assert there.header.get_zooms() == pytest.approx((2, 3, 4))  # not from pixdim
    np.testing.assert_allclose(np.diag(there.affine)[:3], size)


@pytest.mark.parametrize("name", ["mask.nii", "mask.nii.gz"])
def test_a_record_is_read_no_further_than_it_can_reach(
    tmp_path: Path, name: str
) -> None:
    """An extension may claim 2 GB, and its pixels may begin behind them."""
    claimed = 2**31 - 16
    content = changed(vox_offset=2.0**31)
    head = bytes(content[:348]) + bytes([1, 0, 0, 0])
    body = np.array([claimed, 6], "<i4").tobytes()
    if name.endswith(".gz"):
        path = tmp_path / name
        with gzip.open(path, "wb") as file:
            file.write(head + body)
            for _ in range(64):
                file.write(bytes(2**20))
    else:
        path = write(tmp_path, head + body, name)
    tracemalloc.start()
    try:
        assert read_record(path) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**24


@pytest.mark.parametrize("size", [0, 7, -16, 2**20])
def test_an_extension_that_is_no_text_of_its_size_gives_no_record(
    tmp_path: Path, size: int
) -> None:
    content = changed(vox_offset=400)
    extension = np.array([size, 6], "<i4").tobytes() + bytes(40)
    whole = bytes(content[:348]) + bytes([1, 0, 0, 0]) + extension
    assert read_record(write(tmp_path, whole)) is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_record_behind_another_extension_is_found(tmp_path: Path, order: str) -> None:
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(np.int16).newbyteorder(order))
    image = nib.Nifti1Image(np.zeros(SHAPE, np.int16), np.eye(4), header)
    for code, text in ((2, b"DICOM"), ("comment", b"the record")):
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, text))
    path = tmp_path / "mask.nii.gz"
    nib.save(image, path)
    assert read_record(path) == "the record"
    assert read_record(write(tmp_path, good())) is None
    assert read_record(write(tmp_path, b"no image")) is None


@pytest.mark.parametrize("slope", [0, np.nan])
def test_a_slope_of_nothing_means_unscaled(tmp_path: Path, slope: float) -> None:
    image = read_image(write(tmp_path, changed(scl_slope=slope)))
    assert image.data.dtype == np.int16
    assert image.data.max() == 59


def flipped(place: int, bit: int) -> bytes:
    content = good()
    content[place] ^= 1 << bit
    return bytes(content)


def test_any_single_damaged_bit_is_refused_or_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    read: Callable[[Path], SpatialImage] = read_image
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place, bit in zip(
            rng.integers(0, 352, 300), rng.integers(0, 8, 300), strict=True
        ):
            try:
                image = read(write(tmp_path, flipped(int(place), int(bit))))
            except ImageReadError:
                refused += 1
            else:
                assert np.isfinite(image.affine).all()
    assert 0 < refused < 300
