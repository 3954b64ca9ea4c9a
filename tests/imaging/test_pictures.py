"""PNG, JPEG and BMP as people have them: the right colours, upright, and only these."""

from __future__ import annotations

import os
import stat
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import ImageReadError

formats = pytest.mark.formats


def smooth(height: int = 40, width: int = 56) -> NDArray[np.uint8]:
    """Return a colour picture without sharp edges, which JPEG keeps well."""
    y, x = np.mgrid[:height, :width]
    channels = (4 * x + 20, 5 * y + 30, 255 - 2 * x - 2 * y)
    return np.stack(channels, -1).clip(0, 255).astype(np.uint8)


def noise(*shape: int, most: int = 256) -> NDArray:
    kind = np.uint8 if most <= 256 else np.uint16
    return np.random.default_rng(0).integers(0, most, shape).astype(kind)


def png(
    pixels: NDArray, colour_type: int, *, depth: int = 16, chunks: bytes = b""
) -> bytes:
    """Write a PNG by hand: Pillow writes no colours of 16 bits."""
    height, width = pixels.shape[:2]
    rows = [b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels]
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    ends = chunk(b"IHDR", head) + chunks + body + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + ends


def chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


@formats("PNG, 16 bit grey or RGB")
@pytest.mark.parametrize(
    ("colour_type", "n"), [(0, 1), (2, 3), (4, 2), (6, 4)], ids=["L", "RGB", "LA", "A"]
)
def test_16_bits_of_a_png_are_all_read(
    tmp_path: Path, colour_type: int, n: int
) -> None:
    pixels = noise(9, 7, n, most=65536)
    (tmp_path / "a.png").write_bytes(png(pixels, colour_type))
    wanted = pixels[..., 0] if n in (1, 2) else pixels
    for read in (read_image, read_labels):
        image = read(tmp_path / "a.png")
        assert image.data.dtype == np.uint16
        np.testing.assert_array_equal(image.data, wanted)
    assert any("opacity" in said for said in image.notices) == (n == 2)


@formats("PNG with interlaced rows")
def test_interlaced_16_bits_are_all_read(tmp_path: Path) -> None:
    """Adam7: seven small pictures, one after the other."""
    pixels = noise(9, 11, 3, most=65536)
    steps = [
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4),
        (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1),
    ]  # fmt: skip
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes()
        for top, left, down, right in steps
        for row in pixels[top::down, left::right]
    )
    head = struct.pack(">IIBBBBB", 11, 9, 16, 2, 0, 0, 1)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    content = b"".join(chunk(*part) for part in parts)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, pixels)


@formats("CMYK JPEG, as Photoshop and Pillow write it")
@pytest.mark.parametrize("is_ycck", [False, True])
def test_a_cmyk_jpeg_has_the_colours_of_its_original(
    tmp_path: Path, is_ycck: bool
) -> None:
    path, pixels = tmp_path / "a.jpg", smooth()
    cmyk = with_black(pixels)
    if is_ycck:
        path.write_bytes(ycck_jpeg(cmyk))
    else:
        Image.fromarray(cmyk, "CMYK").save(path, quality=98, subsampling=0)
    image = read_image(path)
    assert image.axes == ("y", "x", "c")
    assert image.data.shape == pixels.shape
    assert np.abs(image.data.astype(int) - pixels).mean() < 3
    assert image.notices == ("CMYK was converted to RGB, without a colour profile",)


def with_black(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB as inks, with as much black as goes: K = 255 - max."""
    most = pixels.max(-1, keepdims=True).astype(float)
    inks = 255 * (1 - pixels / np.maximum(most, 1))
    return np.concatenate([inks, 255 - most], -1).round().astype(np.uint8)


def ycck_jpeg(cmyk: NDArray[np.uint8]) -> bytes:
    """Write what Photoshop does: inverted inks, C, M and Y of them as YCbCr.

    libjpeg stores four channels as they are; Adobe's mark is what calls them YCCK.
    """
    # The inverse of the inverted inks is taken for RGB, and made YCbCr.
    inks = Image.fromarray(np.ascontiguousarray(cmyk[..., :3]), "RGB")
    ycc = np.asarray(inks.convert("YCbCr"))
    four = np.dstack([ycc, 255 - cmyk[..., 3]])
    out = BytesIO()
    Image.fromarray(255 - four, "CMYK").save(out, "JPEG", quality=98, subsampling=0)
    content = out.getvalue()
    mark = content.index(b"Adobe")
    return content[: mark + 11] + b"\2" + content[mark + 12 :]


@formats("CMYK JPEG without Adobe's mark")
def test_a_cmyk_jpeg_that_does_not_say_how_it_is_stored_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(with_black(smooth()), "CMYK").save(path)
    content = path.read_bytes()
    at = content.index(b"\xff\xee")
    size = struct.unpack(">H", content[at + 2 : at + 4])[0]
    path.write_bytes(content[:at] + content[at + 2 + size :])
    with pytest.raises(ImageReadError, match=r"a\.jpg is a CMYK JPEG that does not"):
        read_image(path)


PALETTE = [[0, 0, 0], [200, 30, 10], [20, 180, 60], [7, 7, 250]]


@formats("PNG and BMP with a palette")
@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_a_palette_gives_colours_for_an_image_and_numbers_for_labels(
    tmp_path: Path, suffix: str
) -> None:
    path, indices = tmp_path / f"a{suffix}", noise(9, 7, most=4)
    picture = Image.fromarray(indices, "P")
    picture.putpalette(np.ravel(PALETTE).tolist())
    picture.save(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, np.array(PALETTE)[indices])
    assert image.notices == ("its palette's colours were taken",)
    labels = read_labels(path)
    np.testing.assert_array_equal(labels.data, indices)
    assert labels.axes == ("y", "x")
    assert labels.notices == ("the numbers of its palette were taken as labels",)


@formats("PNG with a palette and transparency")
def test_the_transparency_of_a_palette_is_a_fourth_channel(tmp_path: Path) -> None:
    path, indices = tmp_path / "a.png", noise(9, 7, most=4)
    picture = Image.fromarray(indices, "P")
    picture.putpalette(np.ravel(PALETTE).tolist())
    for stated, opacity in ((2, [255, 255, 0, 255]), (b"\x05\x80", [5, 128, 255, 255])):
        picture.save(path, transparency=stated)
        image = read_image(path)
        np.testing.assert_array_equal(image.data[..., :3], np.array(PALETTE)[indices])
        np.testing.assert_array_equal(image.data[..., 3], np.array(opacity)[indices])
        np.testing.assert_array_equal(read_labels(path).data, indices)


@formats("mask with a palette of black and white")
@pytest.mark.parametrize("white_is", [0, 1])
def test_white_of_a_black_and_white_palette_is_labelled(
    tmp_path: Path, white_is: int
) -> None:
    path, indices = tmp_path / "a.png", noise(9, 7, most=2)
    table = [0, 0, 0, 255, 255, 255] if white_is else [255, 255, 255, 0, 0, 0]
    picture = Image.fromarray(indices, "P")
    picture.putpalette(table)
    picture.save(path)
    labels = read_labels(path).data
    np.testing.assert_array_equal(labels > 0, indices == white_is)
    np.testing.assert_array_equal(read_image(path).data == 255, indices == white_is)


@formats("mask with a palette of greys in another order")
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("numbers", [(0, 1, 2), (0, 1, 3), (0, 128, 255)])
def test_greys_in_no_order_are_the_labels(
    tmp_path: Path, suffix: str, numbers: tuple[int, ...]
) -> None:
    """Pillow makes such palettes of grey masks: the brightest comes first."""
    path, mask = tmp_path / f"a{suffix}", np.array(numbers, np.uint8)[noise(9, 7) % 3]
    picture = Image.fromarray(np.dstack([mask] * 3))
    picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=3).save(path)
    labels = read_labels(path)
    np.testing.assert_array_equal(labels.data, mask)
    assert "the greys of its palette" in labels.notices[-1]


@formats("mask with a palette of greys in rising order")
def test_greys_in_rising_order_stand_for_their_indices(tmp_path: Path) -> None:
    path, indices = tmp_path / "a.png", noise(9, 7, most=3)
    picture = Image.fromarray(indices, "P")
    picture.putpalette([0, 0, 0, 128, 128, 128, 255, 255, 255])
    picture.save(path)
    np.testing.assert_array_equal(read_labels(path).data, indices)


@formats("bilevel PNG and BMP")
@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_one_bit_is_black_and_white_or_0_and_1(tmp_path: Path, suffix: str) -> None:
    path, bits = tmp_path / f"a{suffix}", noise(9, 13, most=2).astype(bool)
    Image.fromarray(bits).save(path)
    image, labels = read_image(path), read_labels(path)
    assert image.data.dtype == np.uint8
    np.testing.assert_array_equal(image.data, bits * 255)
    np.testing.assert_array_equal(labels.data, bits * 1)


@formats("PNG, grey of 2 or 4 bits")
@pytest.mark.parametrize("depth", [2, 4])
def test_few_bits_are_spread_in_an_image_and_kept_in_labels(
    tmp_path: Path, depth: int
) -> None:
    numbers = noise(6, 8, most=2**depth)
    bits = np.unpackbits(numbers[..., None], axis=-1)[..., -depth:]
    packed = np.packbits(bits.reshape(6, -1), axis=1)
    content = png(packed, 0, depth=8)
    head = struct.pack(">IIBBBBB", 8, 6, depth, 0, 0, 0, 0)
    content = content[:8] + chunk(b"IHDR", head) + content[8 + 25 :]
    (tmp_path / "a.png").write_bytes(content)
    spread = numbers * (255 // (2**depth - 1))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, spread)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").data, numbers)


@formats("PNG with opacity")
def test_opacity_is_kept_for_the_model_to_leave_out(tmp_path: Path) -> None:
    pixels = noise(9, 7, 4)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, pixels)
    Image.fromarray(pixels[..., :2]).save(tmp_path / "la.png")
    image = read_image(tmp_path / "la.png")
    np.testing.assert_array_equal(image.data, pixels[..., 0])
    assert image.notices == ("opacity was left out",)


@formats("PNG whose tRNS names one transparent colour")
def test_a_transparent_colour_changes_no_pixel(tmp_path: Path) -> None:
    pixels = noise(9, 7, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=(1, 2, 3))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, pixels)


@formats("mask saved as RGB or RGBA")
@pytest.mark.parametrize("n", [3, 4])
def test_equal_channels_are_one_label(tmp_path: Path, n: int) -> None:
    numbers = noise(9, 7, most=3)
    pixels = np.dstack([numbers] * 3 + [np.full((9, 7), 255, np.uint8)] * (n - 3))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    labels = read_labels(tmp_path / "a.png")
    np.testing.assert_array_equal(labels.data, numbers)
    assert "equal" in labels.notices[0]
    assert read_image(tmp_path / "a.png").data.shape == (9, 7, n)


def test_a_mask_of_colours_stays_one(tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    assert read_labels(tmp_path / "a.png").axes == ("y", "x", "c")


@formats("EXIF orientation of JPEG and PNG")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_are_turned_as_their_camera_says(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(smooth()).save(path, exif=exif, quality=95)
    with Image.open(path) as picture:
        seen = np.asarray(ImageOps.exif_transpose(picture))
        grey = np.asarray(ImageOps.exif_transpose(picture).convert("L"))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, seen)
    said = [f"orientation {orientation} was applied" in each for each in image.notices]
    assert said == [True] * (orientation > 1)
    Image.fromarray(smooth()[..., 0]).save(path, exif=exif, quality=100)
    assert read_labels(path).data.shape == grey.shape


@formats("EXIF orientation that is no number from 1 to 8")
def test_an_orientation_without_meaning_changes_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 9
    Image.fromarray(smooth()).save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.data, smooth())
    assert image.notices == ()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("a.png", "JPEG", marks=formats("JPEG named .png")),
        pytest.param("a.jpg", "PNG", marks=formats("PNG named .jpg")),
        pytest.param("a.jpeg", "BMP", marks=formats("BMP named .jpeg")),
        pytest.param("a.png", "TIFF", marks=formats("TIFF named .png")),
        pytest.param("a.tif", "PNG", marks=formats("PNG named .tif")),
    ],
)
def test_pictures_under_another_name_are_read_as_what_they_are(
    tmp_path: Path, name: str, kind: str
) -> None:
    Image.fromarray(smooth()).save(tmp_path / name, kind)
    image = read_image(tmp_path / name)
    assert np.abs(image.data.astype(int) - smooth()).mean() < 5
    assert f"the file is {kind}, though its name says" in image.notices[0]


OTHERS = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "a GIF": b"GIF89a\1\0\1\0\0\0\0;",
    "FITS": b"SIMPLE  =                    T" + b" " * 50,
    "an SVG drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a PDF": b"%PDF-1.7\n",
    "a web page": b"<!DOCTYPE html><html>",
    "WebP": b"RIFF\0\0\0\0WEBPVP8 ",
    "HEIC, AVIF or a film": b"\0\0\0\x18ftypheic",
    "DICOM": bytes(128) + b"DICM",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
}


@formats("PostScript, GIF, WebP, HEIC, SVG, PDF, FITS or DICOM named as a picture")
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_other_kinds_are_refused_by_name(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(ImageReadError, match=rf"a{suffix} .*: it is {kind}$"):
        read_image(path)


@formats("PostScript behind the head of a picture")
@pytest.mark.parametrize(
    "head", [b"", b"\xc5\xd0\xd3\xc6", b"\x89PNG\r\n\x1a\n", b"BM"]
)
def test_no_picture_starts_an_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    tools, mark = tmp_path / "bin", tmp_path / "started"
    tools.mkdir()
    for name in ("gs", "gswin64c", "gswin32c"):
        tool = tools / name
        tool.write_text(f"#!/bin/sh\necho ran > '{mark}'\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    for suffix in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(head + OTHERS["PostScript"])
        with pytest.raises(ImageReadError):
            read_image(path)
    assert not mark.exists()


@formats("JPEG or PNG that is cut off")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_picture_that_is_cut_off_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, share: float
) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)  # by others
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise(200, 200, 3)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageReadError, match="is damaged"):
        read_image(path)


@formats("PNG or JPEG of more pixels than 178,956,970")
def test_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path: Path) -> None:
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(bytes(3751)) for _ in range(30_000)) + rows.flush()
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", body), (b"IEND", b"")
    content = b"".join(chunk(*part) for part in parts)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(ImageReadError, match=r"more pixels than the 179 million"):
        read_image(tmp_path / "a.png")


@formats("PNG that claims more than its bytes can hold")
def test_a_claim_beyond_the_files_bytes_is_refused_unread(tmp_path: Path) -> None:
    content = png(noise(9, 7, 3), 2, depth=8)
    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    content = content[:8] + chunk(b"IHDR", head) + content[8 + 25 :]
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageReadError, match=r"than a file of its size can hold"):
        read_image(tmp_path / "a.png")


@formats("picture that unpacks to more than 268 MB and 300 times its file")
def test_a_flat_picture_that_unpacks_to_hundreds_of_times_its_file_is_refused(
    tmp_path: Path,
) -> None:
    rows = zlib.compressobj(9)
    row = bytes(1 + 3 * 13_000)
    body = b"".join(rows.compress(row) for _ in range(13_000)) + rows.flush()
    head = struct.pack(">IIBBBBB", 13_000, 13_000, 8, 2, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", body), (b"IEND", b"")
    content = b"".join(chunk(*part) for part in parts)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(ImageReadError, match=r"would unpack to 507 MB, as no photo"):
        read_image(tmp_path / "a.png")


def test_a_picture_beyond_memory_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(noise(90, 90, 3)).save(tmp_path / "a.png")
    there = "napari_dmoe.imaging.memory.available_bytes"
    monkeypatch.setattr(there, lambda: 90 * 90 * 3)
    with pytest.raises(ImageReadError, match=r"^a\.png: its pixels need .* memory"):
        read_image(tmp_path / "a.png")
