"""Image files: what is read, what is refused, and that nothing half-written stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_dmoe.imaging.disk.atomic import atomic_path, write_text
from napari_dmoe.imaging.files import read_image, write_tiff
from napari_dmoe.imaging.frames import Frames
from napari_dmoe.imaging.spatial import ImageError, ImageReadError, SpatialImage


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.formats("PNG, BMP and TIFF, 8 bit grey or RGB")
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
@pytest.mark.parametrize("shape", [(12, 15), (12, 15, 3)])
def test_lossless_pictures_come_back(
    tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    path = tmp_path / f"image{suffix}"
    iio.imwrite(path, picture(*shape))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, picture(*shape))
    assert image.axes == ("y", "x", "c")[: len(shape)]
    assert image.unit is None


def test_grey_with_opacity_is_read_as_grey(tmp_path: Path) -> None:
    iio.imwrite(tmp_path / "la.png", np.dstack([picture(9, 9), picture(9, 9)]))
    assert read_image(tmp_path / "la.png").data.shape == (9, 9)


def test_spacing_and_axes_survive_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, picture(5, 9, 8), axes="tyx", spacing=(0.02, 0.01), unit="mm")
    image = read_image(path)
    assert image.axes == ("t", "y", "x")
    assert image.spacing == pytest.approx((0.02, 0.01))
    assert image.unit == "mm"
    with tifffile.TiffFile(path) as file:  # for programs that only know the tags
        x, y = file.pages[0].get_resolution(unit="CENTIMETER")
    assert (x, y) == pytest.approx((1000, 500))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tif", b"", "is damaged"),
        ("a.tif", b"hello", "is damaged"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "is damaged"),
        ("a.jpg", b"<html>", "is damaged"),
        ("a.docx", b"PK", r"expected one of \.png"),
    ],
)
def test_unreadable_files_are_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageReadError, match=rf"^{name}.*({message})"):
        read_image(tmp_path / name)


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"gone\.png: there is no such file"):
        read_image(tmp_path / "gone.png")


def test_a_tiff_that_claims_too_much_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_dmoe.imaging.pictures.sizes.MAX_BYTES", 50)
    tifffile.imwrite(tmp_path / "big.tif", picture(9, 9))
    with pytest.raises(ImageReadError, match="more than the"):
        read_image(tmp_path / "big.tif")


def test_a_tiff_of_unclear_axes_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "q.tif", picture(3, 5, 5), photometric="minisblack", metadata=None
    )
    with pytest.raises(ImageReadError, match="ambiguous"):
        read_image(tmp_path / "q.tif")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as partial:  # noqa: PT012
        partial.write_text("half")
        raise RuntimeError("disk full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_planes_come_in_the_order_of_the_other_axes() -> None:
    data = picture(2, 4, 5, 3, 6)  # t y x z c
    affine = np.diag([2.0, 3, 4, 1])
    planes = Frames(
        SpatialImage(data, ("t", "y", "x", "z", "c"), affine, "mm"), ("y", "x")
    )
    assert (planes.axes, planes.shape, len(planes)) == (("t", "z"), (2, 3), 6)
    plane = planes[4]
    np.testing.assert_array_equal(plane.data, data[1, :, :, 1])
    assert plane.axes == ("y", "x", "c")
    assert plane.spacing == (2, 3)
    with pytest.raises(IndexError):
        planes[6]


def test_a_plain_image_is_one_plane() -> None:
    planes = Frames(SpatialImage(picture(4, 5), ("y", "x")), ("y", "x"))
    assert len(planes) == 1
    np.testing.assert_array_equal(planes[0].data, picture(4, 5))


def test_planes_need_y_and_x() -> None:
    with pytest.raises(ImageError, match="needs the axes y and x"):
        Frames(SpatialImage(picture(4, 5), ("t", "c")), ("y", "x"))


def test_two_threads_that_write_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "sizes.csv"
    with ThreadPoolExecutor(1) as pool, atomic_path(path) as mine:
        mine.write_text("mine")
        pool.submit(write_text, path, "theirs").result()
        assert path.read_text() == "theirs"
    assert path.read_text() == "mine"
