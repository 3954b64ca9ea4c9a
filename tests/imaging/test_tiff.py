"""TIFF files of other programs: numbers, colours and pictures as they are meant."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from napari_dmoe.imaging.files import read_image, read_labels
from napari_dmoe.imaging.spatial import ImageReadError, SpatialImage

formats = pytest.mark.formats


def noise(*shape: int, kind: str = "u1") -> NDArray:
    rng = np.random.default_rng(0)
    if kind[-2] == "f":
        return rng.normal(size=shape).astype(kind)
    return rng.integers(0, np.iinfo(kind).max, shape, endpoint=True).astype(kind)


def smooth(height: int = 40, width: int = 56) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    channels = (4 * x + 20, 5 * y + 30, 255 - 2 * x - 2 * y)
    return np.stack(channels, -1).clip(0, 255).astype(np.uint8)


Tag = tuple[int, str, tuple[int, ...]]


def by_hand(
    pixels: bytes, *tags: Tag, order: str = "<", strips: tuple[int, ...] = ()
) -> bytes:
    """Write a TIFF with any tags; its parts stand behind the directory.

    Its pixels are one strip, or several of so many bytes.
    """
    sizes = {"B": (2, 1), "H": (3, 2), "I": (4, 4)}
    strips = strips or (len(pixels),)
    every = sorted((*tags, (273, "I", (0,) * len(strips)), (279, "I", strips)))
    behind = 8 + 2 + 12 * len(every) + 4
    longer = {t[0]: t for t in every if len(t[2]) * sizes[t[1]][1] > 4}
    start = behind + sum(len(v) * sizes[k][1] for _, k, v in longer.values())
    out, rest = struct.pack(f"{order}H", len(every)), b""
    for tag, kind, values in every:
        if tag == 273:
            values = tuple(start + sum(strips[:n]) for n in range(len(strips)))
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        if tag in longer:
            data, rest = struct.pack(f"{order}I", behind + len(rest)), rest + data
        out += struct.pack(f"{order}HHI", tag, sizes[kind][0], len(values))
        out += data.ljust(4, b"\0")
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    return head + out + bytes(4) + rest + pixels


def plain_tags(height: int, width: int, bits: tuple[int, ...], colours: int) -> list:
    return [
        (256, "I", (width,)),
        (257, "I", (height,)),
        (258, "H", bits),
        (259, "H", (1,)),
        (262, "H", (colours,)),
        (277, "H", (len(bits),)),
        (278, "I", (height,)),
    ]


KINDS = ["u1", "u2", "u4", "i2", "f4", "f8"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="plain"),
        pytest.param({"tile": (16, 32)}, id="tiled", marks=formats("TIFF in tiles")),
        pytest.param(
            {"byteorder": ">"}, id="big-endian", marks=formats("big-endian numbers")
        ),
        pytest.param({"bigtiff": True}, id="big", marks=formats("BigTIFF")),
        pytest.param(
            {"compression": "zlib", "byteorder": ">", "predictor": True},
            id="deflate",
            marks=formats("Deflate, with and without predictor"),
        ),
        pytest.param(
            {"compression": "lzma"}, id="lzma", marks=formats("LZMA (XZ) compression")
        ),
        pytest.param(
            {"rowsperstrip": 7, "compression": "zlib"},
            id="strips",
            marks=formats("TIFF in strips"),
        ),
    ],
)
def test_numbers_come_back_however_they_are_stored(
    tmp_path: Path, kind: str, how: dict[str, Any]
) -> None:
    if kind[0] == "f":
        how = {k: v for k, v in how.items() if k != "predictor"}
    for shape in ((33, 41), (33, 41, 3)):
        pixels = noise(*shape, kind=kind)
        photometric = "rgb" if len(shape) == 3 else "minisblack"
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, **how)
        image = read_image(tmp_path / "a.tif")
        assert image.data.dtype == pixels.dtype
        np.testing.assert_array_equal(image.data, pixels)
        assert image.notices == ()


def segments_in(pixels: NDArray, compression: str) -> bytes:
    """Compress numbers as one strip of bytes, by Pillow's libtiff."""
    out = BytesIO()
    data = pixels.reshape(len(pixels), -1).view(np.uint8)
    tags = {278: len(pixels)}
    picture = Image.fromarray(np.ascontiguousarray(data))
    picture.save(out, "TIFF", compression=compression, tiffinfo=tags)
    with tifffile.TiffFile(BytesIO(out.getvalue())) as file:
        (at,), (size,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
    return out.getvalue()[at : at + size]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param("tiff_lzw", 5, marks=formats("LZW, of any depth")),
        pytest.param("zstd", 50000, marks=formats("Zstd, of any depth")),
        pytest.param("packbits", 32773, marks=formats("PackBits")),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_compressions_of_bytes_keep_every_depth(
    tmp_path: Path, name: str, number: int, kind: str, n: int
) -> None:
    pixels = noise(21, 19, n, kind=kind)
    sort = {"u": 1, "i": 2, "f": 3}[kind[0]]
    tags = plain_tags(21, 19, (8 * pixels.itemsize,) * n, 2 if n == 3 else 1)
    tags[3] = (259, "H", (number,))
    content = by_hand(segments_in(pixels, name), *tags, (339, "H", (sort,) * n))
    (tmp_path / "a.tif").write_bytes(content)
    image = read_image(tmp_path / "a.tif")
    assert image.data.dtype == pixels.dtype
    np.testing.assert_array_equal(image.data, pixels.squeeze())


@formats("LZW with a predictor")
def test_lzw_of_a_picture_program_is_read(tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(
        tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={317: 2}
    )
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, smooth())


@formats("predictor of floating point numbers")
@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_predictor_of_floats_is_undone(tmp_path: Path, kind: str, n: int) -> None:
    pixels = noise(12, 9, n, kind=kind)
    size = pixels.itemsize
    parts = pixels.astype(f">{kind}").reshape(12, 9 * n, 1).view(np.uint8)
    planes = parts.reshape(12, 9 * n, size).transpose(0, 2, 1).reshape(12, -1, n)
    stored = np.diff(planes, axis=1, prepend=np.zeros((12, 1, n), np.uint8))
    tags = plain_tags(12, 9, (8 * size,) * n, 2 if n == 3 else 1)
    tags[3] = (259, "H", (8,))
    packed = zlib.compress(stored.astype(np.uint8).tobytes())
    more = (317, "H", (3,)), (339, "H", (3,) * n)
    (tmp_path / "a.tif").write_bytes(by_hand(packed, *tags, *more))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, pixels.squeeze())


@formats("a predictor that no compression applies")
@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_a_predictor_without_its_compression_says_nothing(
    tmp_path: Path, compression: str | None
) -> None:
    """So libtiff and the programs that use it have it."""
    picture = Image.fromarray(smooth())
    how = {"compression": compression, "quality": 95} if compression else {}
    picture.save(tmp_path / "a.tif", tiffinfo={317: 2}, **how)
    with Image.open(tmp_path / "a.tif") as seen:
        expected = np.asarray(seen)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, expected)


@formats("PackBits with a predictor")
def test_a_predictor_under_packbits_is_refused(tmp_path: Path) -> None:
    picture = Image.fromarray(smooth())
    picture.save(tmp_path / "a.tif", compression="packbits", tiffinfo={317: 2})
    with pytest.raises(ImageReadError, match="PackBits and names a predictor"):
        read_image(tmp_path / "a.tif")


@formats("PackBits with a predictor, by tifffile")
def test_a_predictor_under_packbits_is_undone_where_tifffile_wrote_it(
    tmp_path: Path,
) -> None:
    differences = np.diff(smooth(), axis=1, prepend=np.zeros((40, 1, 3), np.uint8))
    tags = plain_tags(40, 56, (8, 8, 8), 2)
    tags[3] = (259, "H", (32773,))
    more = (317, "H", (2,)), (305, "B", tuple(b"tifffile.py\0"))
    content = by_hand(segments_in(differences, "packbits"), *tags, *more)
    (tmp_path / "a.tif").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, smooth())


@formats("predictor of whole numbers, on floating point numbers")
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "zstd"])
def test_differences_of_the_bits_of_floats_are_undone(
    tmp_path: Path, compression: str
) -> None:
    """As libtiff writes them: of the numbers that the same bits are."""
    pixels = noise(17, 23, kind="f4")
    picture = Image.fromarray(pixels)
    picture.save(tmp_path / "a.tif", compression=compression, tiffinfo={317: 2})
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, pixels)


@formats("JPEG compression, planar")
def test_planes_of_channels_under_jpeg_keep_their_places(tmp_path: Path) -> None:
    channels, parts = np.moveaxis(smooth(), -1, 0), []
    for channel in channels:
        out = BytesIO()
        Image.fromarray(np.ascontiguousarray(channel)).save(out, "JPEG", quality=95)
        parts.append(out.getvalue())
    tags = plain_tags(*channels.shape[1:], (8, 8, 8), 2)
    tags[3] = (259, "H", (7,))
    content = b"".join(parts), *tags, (284, "H", (2,))
    (tmp_path / "a.tif").write_bytes(by_hand(*content, strips=tuple(map(len, parts))))
    image = read_image(tmp_path / "a.tif")
    assert image.axes == ("c", "y", "x")
    assert np.abs(image.data.astype(int) - channels).mean() < 3


@formats("JPEG compression, grey or RGB")
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_in_tiff_is_read(tmp_path: Path, channels: int) -> None:
    pixels = smooth() if channels == 3 else smooth()[..., 0]
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    image = read_image(tmp_path / "a.tif")
    assert image.data.shape == pixels.shape
    assert np.abs(image.data.astype(int) - pixels).mean() < 3


@formats("CCITT (fax) compression")
@pytest.mark.parametrize("name", ["group3", "group4", "tiff_ccitt"])
def test_fax_compression_is_read_as_black_and_white(tmp_path: Path, name: str) -> None:
    bits = noise(20, 33) > 127
    Image.fromarray(bits).save(tmp_path / "a.tif", compression=name)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, bits * 255)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").data, bits)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        pytest.param(34712, "JPEG2000", marks=formats("JPEG 2000 compression")),
        pytest.param(50001, "WEBP", marks=formats("WebP compression")),
        pytest.param(34887, "LERC", marks=formats("LERC and other compressions")),
        pytest.param(4711, "4711"),
    ],
)
def test_other_compressions_are_refused_by_name(
    tmp_path: Path, number: int, name: str
) -> None:
    tags = plain_tags(9, 7, (8,), 1)
    tags[3] = (259, "H", (number,))
    (tmp_path / "a.tif").write_bytes(by_hand(bytes(99), *tags))
    with pytest.raises(ImageReadError, match=rf"^a\.tif is compressed with {name}: sa"):
        read_image(tmp_path / "a.tif")


@formats("CMYK, 8 or 16 bit")
@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_cmyk_is_converted(tmp_path: Path, kind: str, planar: str) -> None:
    rgb = noise(12, 9, 3, kind=kind)
    most = np.iinfo(kind).max
    cmyk = np.dstack([most - rgb, np.zeros((12, 9), kind)])
    stored = np.moveaxis(cmyk, -1, 0) if planar == "separate" else cmyk
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="separated", planarconfig=planar
    )
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, rgb)
    assert image.axes == ("y", "x", "c")
    assert "CMYK" in image.notices[0]
    cmyk[..., 3] = most
    stored = np.moveaxis(cmyk, -1, 0) if planar == "separate" else cmyk
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="separated", planarconfig=planar
    )
    assert not read_image(tmp_path / "a.tif").data.any()


@formats("CMYK with opacity")
def test_the_opacity_of_cmyk_is_left_out(tmp_path: Path) -> None:
    rgb = noise(12, 9, 3)
    five = np.dstack([255 - rgb, np.zeros((12, 9, 2), np.uint8)])
    tifffile.imwrite(
        tmp_path / "a.tif", five, photometric="separated", extrasamples=["unassalpha"]
    )
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, rgb)
    assert image.notices[0] == "opacity was left out"


@formats("CMYK, JPEG-compressed")
def test_cmyk_under_jpeg_is_converted(tmp_path: Path) -> None:
    Image.fromarray(smooth()).convert("CMYK").save(
        tmp_path / "a.tif", compression="jpeg", quality=98
    )
    image = read_image(tmp_path / "a.tif")
    assert np.abs(image.data.astype(int) - smooth()).mean() < 3


@formats("YCbCr, also subsampled under JPEG or LZW")
@pytest.mark.parametrize(
    ("compression", "sampling"),
    [(1, (1, 1)), (5, (1, 1)), (5, (2, 2)), (7, (1, 1)), (7, (2, 2))],
)
def test_ycbcr_is_converted(
    tmp_path: Path, compression: int, sampling: tuple[int, int]
) -> None:
    path = tmp_path / "a.tif"
    if compression == 7:
        level = {(1, 1): 0, (2, 2): 2}[sampling]
        Image.fromarray(smooth()).save(
            path, compression="jpeg", quality=95, subsampling=level
        )
    else:
        ycc = np.asarray(Image.fromarray(smooth()).convert("YCbCr"))
        path.write_bytes(subsampled(ycc, *sampling, compression=compression))
    image = read_image(path)
    assert image.data.shape == smooth().shape
    assert np.abs(image.data.astype(int) - smooth()).mean() < 4
    with tifffile.TiffFile(path) as file:
        is_ycc = file.pages[0].photometric == 6
    assert (image.notices == ("YCbCr was converted to RGB",)) == is_ycc


@formats("YCbCr, subsampled without compression")
def test_subsampled_ycbcr_without_compression_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(subsampled(smooth(), 2, 2, compression=1))
    with pytest.raises(ImageReadError, match="subsampled YCbCr without compression"):
        read_image(path)


def subsampled(
    ycc: NDArray[np.uint8], across: int, down: int, *, compression: int
) -> bytes:
    """Write YCbCr as TIFF 6.0 has it: the Y of a block, and then its Cb and Cr."""
    height, width = ycc.shape[:2]
    rows = []
    for top in range(0, height, down):
        for left in range(0, width, across):
            block = ycc[top : top + down, left : left + across]
            middle = block[..., 1:].reshape(-1, 2).mean(0).round().astype(np.uint8)
            rows += [*block[..., 0].ravel(), *middle]
    tags = plain_tags(height, width, (8, 8, 8), 6)
    more = [(530, "H", (across, down)), (531, "H", (1,))]
    stored = np.array(rows, np.uint8)
    if compression == 1:
        return by_hand(stored.tobytes(), *tags, *more)
    tags[3] = (259, "H", (compression,))
    return by_hand(segments_in(stored[None], "tiff_lzw"), *tags, *more)


@formats("CIELAB and ICCLAB, 8 bit")
@pytest.mark.parametrize("photometric", [8, 9])
def test_lab_is_converted(tmp_path: Path, photometric: int) -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [119, 119, 119]],
                        [[190, 60, 50], [50, 120, 70], [40, 60, 160]]])  # fmt: skip
    pixels = np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)
    change = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = ImageCms.applyTransform(Image.fromarray(pixels), change).tobytes()
    stored = np.frombuffer(lab, np.uint8).reshape(pixels.shape)
    if photometric == 9:
        stored = stored ^ np.array([0, 128, 128], np.uint8)
    tags = plain_tags(*pixels.shape[:2], (8, 8, 8), photometric)
    (tmp_path / "a.tif").write_bytes(by_hand(stored.tobytes(), *tags))
    image = read_image(tmp_path / "a.tif")
    assert np.abs(image.data.astype(int) - pixels).max() <= 4
    assert image.notices == ("CIELAB was converted to RGB (sRGB)",)


@pytest.mark.parametrize(
    ("photometric", "bits", "words"),
    [
        pytest.param(8, (16,) * 3, "CIELAB of 16", marks=formats("CIELAB, 16 bit")),
        pytest.param(10, (8,) * 3, "ITULAB pixels", marks=formats("ITULAB")),
        pytest.param(32803, (16,), "CFA pixels", marks=formats("raw sensor (CFA)")),
        pytest.param(32845, (16,) * 3, "LOGLUV", marks=formats("LogLuv and LogL")),
        pytest.param(4, (1,), "MASK pixels", marks=formats("transparency mask alone")),
    ],
)
def test_other_colours_are_refused_by_name(
    tmp_path: Path, photometric: int, bits: tuple[int, ...], words: str
) -> None:
    tags = plain_tags(9, 8, bits, photometric)
    content = by_hand(bytes(9 * 8 * 6), *tags)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageReadError, match=rf"^a\.tif holds {words}.*grey or RGB"):
        read_image(tmp_path / "a.tif")


@formats("inks other than CMYK")
def test_other_inks_are_refused(tmp_path: Path) -> None:
    tags = [*plain_tags(9, 8, (8,) * 4, 5), (332, "H", (2,))]
    (tmp_path / "a.tif").write_bytes(by_hand(bytes(9 * 8 * 4), *tags))
    with pytest.raises(ImageReadError, match="holds inks that are not cyan"):
        read_image(tmp_path / "a.tif")


def with_palette(indices: NDArray, table: NDArray, *, bits: int = 8) -> bytes:
    height, width = indices.shape
    tags = plain_tags(height, width, (bits,), 3)
    whole = np.zeros((2**bits, 3), int)
    whole[: len(table)] = table
    each = np.unpackbits(indices[..., None], axis=-1)[..., -bits:]
    packed = np.packbits(each.reshape(height, -1), axis=1)
    return by_hand(packed.tobytes(), *tags, (320, "H", tuple(whole.T.ravel().tolist())))


@formats("palette of colours")
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("scale", [1, 257])
def test_a_palette_gives_colours_for_an_image_and_numbers_for_labels(
    tmp_path: Path, bits: int, scale: int
) -> None:
    table = np.array([[0, 0, 0], [200, 30, 10], [20, 180, 60]])
    indices = np.random.default_rng(0).integers(0, 3, (9, 14)).astype(np.uint8)
    content = with_palette(indices, table * scale, bits=bits)
    (tmp_path / "a.tif").write_bytes(content)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, table[indices])
    assert image.axes == ("y", "x", "c")
    labels = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(labels.data, indices)
    assert "palette" in image.notices[0]
    assert "palette" in labels.notices[0]


@formats("palette of greys")
def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    indices = noise(9, 14)
    greys = np.repeat(np.arange(256)[:, None] * 257, 3, 1)
    (tmp_path / "a.tif").write_bytes(with_palette(indices, greys))
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, indices)
    assert image.axes == ("y", "x")


@formats("white as 0 (min-is-white)")
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_numbers_of_which_white_is_0_are_turned_round(
    tmp_path: Path, kind: str
) -> None:
    pixels, most = noise(9, 14, kind=kind), np.iinfo(kind).max
    tifffile.imwrite(tmp_path / "a.tif", most - pixels, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, pixels)
    assert "white as 0" in image.notices[0]
    mask = (pixels > most // 2) * np.array(most, kind)
    tifffile.imwrite(tmp_path / "a.tif", most - mask, photometric="miniswhite")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").data, mask)


@formats("labels, or numbers with a sign or fraction, with white as 0")
def test_numbers_that_cannot_be_turned_round_are_refused(tmp_path: Path) -> None:
    for pixels in (noise(9, 14, kind="f4"), noise(9, 14, kind="i2")):
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
        with pytest.raises(ImageReadError, match="white is 0"):
            read_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", noise(9, 14) % 3, photometric="miniswhite")
    with pytest.raises(ImageReadError, match=r"labels of which white is 0"):
        read_labels(tmp_path / "a.tif")


@formats("mask of ImageJ with its inverted look")
def test_a_mask_of_imagej_keeps_its_numbers(tmp_path: Path) -> None:
    mask = (noise(9, 14) > 127) * np.uint8(255)
    tifffile.imwrite(tmp_path / "a.tif", mask, imagej=True, photometric="miniswhite")
    labels = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(labels.data, mask)
    assert "inverted look" in labels.notices[0]


@pytest.mark.parametrize("how", [{}, {"metadata": None}, {"compression": "zlib"}])
def test_booleans_of_tifffile_are_their_numbers(tmp_path: Path, how: dict) -> None:
    mask = noise(9, 14) > 127
    tifffile.imwrite(tmp_path / "a.tif", mask, **how)
    labels = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(labels.data, mask)
    assert labels.notices == ()


@formats("palette, CIELAB or others under JPEG or CCITT")
def test_colours_that_pillow_would_not_convert_are_refused(tmp_path: Path) -> None:
    tags = plain_tags(9, 14, (8,) * 3, 8)
    tags[3] = (259, "H", (7,))
    (tmp_path / "a.tif").write_bytes(by_hand(bytes(999), *tags))
    with pytest.raises(ImageReadError, match="holds CIELAB pixels as JPEG: save it"):
        read_image(tmp_path / "a.tif")


@formats("parts that the file leaves out (sparse)")
def test_parts_that_are_left_out_are_0_and_said(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.tif", noise(32, 32)
    tifffile.imwrite(path, pixels, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags[325]
        at, kind = tag.valueoffset, tag.dtype_name
        size = {"SHORT": 2, "LONG": 4}[kind]
    content = bytearray(path.read_bytes())
    content[at : at + size] = bytes(size)
    path.write_bytes(bytes(content))
    image = read_image(path)
    pixels[:16, :16] = 0
    np.testing.assert_array_equal(image.data, pixels)
    assert image.notices == ("1 parts that the file leaves out are 0",)


@formats("bilevel (1 bit)")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("fill", [1, 2])
def test_one_bit_is_black_and_white_or_0_and_1(
    tmp_path: Path, photometric: int, fill: int
) -> None:
    bits = noise(9, 14) > 127
    stored = np.packbits(bits if photometric else ~bits, axis=1)
    if fill == 2:
        each = np.unpackbits(stored[..., None], axis=-1)[..., ::-1]
        stored = np.packbits(each, axis=-1)[..., 0]
    tags = [*plain_tags(9, 14, (1,), photometric), (266, "H", (fill,))]
    (tmp_path / "a.tif").write_bytes(by_hand(stored.tobytes(), *tags))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, bits * 255)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").data, bits)


@formats("grey of 2, 4 or 12 bits")
@pytest.mark.parametrize("bits", [2, 4, 12])
def test_few_bits_are_spread_in_an_image_and_kept_in_labels(
    tmp_path: Path, bits: int
) -> None:
    numbers = np.random.default_rng(0).integers(0, 2**bits, (9, 14))
    each = (numbers[..., None] >> np.arange(bits)[::-1]) & 1
    packed = np.packbits(each.reshape(9, -1).astype(np.uint8), axis=1)
    content = by_hand(packed.tobytes(), *plain_tags(9, 14, (bits,), 1))
    (tmp_path / "a.tif").write_bytes(content)
    spread = numbers * {2: 85, 4: 17, 12: 1}[bits]
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, spread)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif").data, numbers)


@formats("grey with opacity")
def test_the_opacity_of_grey_is_left_out(tmp_path: Path) -> None:
    pixels = noise(9, 14, 2)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="minisblack",
        planarconfig="contig", extrasamples=["unassalpha"],
    )  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, pixels[..., 0])
    assert image.notices == ("opacity was left out",)


@formats("channels one after the other (planar)")
def test_planes_of_channels_are_read(tmp_path: Path) -> None:
    pixels = noise(3, 19, 24)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="separate",
        compression="zlib",
    )  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    assert image.axes == ("c", "y", "x")
    np.testing.assert_array_equal(image.data, pixels)


@formats("several pages of one size")
@pytest.mark.parametrize("compression", [None, "zlib", "tiff_lzw"])
def test_pages_are_slices(tmp_path: Path, compression: str | None) -> None:
    pixels = noise(5, 19, 24)
    if compression == "tiff_lzw":
        first, *rest = (Image.fromarray(page) for page in pixels)
        first.save(
            tmp_path / "a.tif", save_all=True, append_images=rest,
            compression=compression,
        )  # fmt: skip
    else:
        tifffile.imwrite(
            tmp_path / "a.tif", pixels, photometric="minisblack",
            compression=compression, metadata=None,
        )  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    assert image.axes == ("z", "y", "x")
    np.testing.assert_array_equal(image.data, pixels)


@formats("two to four pages of one size, without named axes")
@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_pages_may_be_channels_or_slices(tmp_path: Path, n: int) -> None:
    first, *others = (Image.fromarray(noise(9, 11) + i) for i in range(n))
    first.save(tmp_path / "a.tif", save_all=True, append_images=others)
    with pytest.raises(ImageReadError, match="ambiguous"):
        read_image(tmp_path / "a.tif")


def test_labels_with_axes_of_one_sample_are_told_by_the_others(tmp_path: Path) -> None:
    mask = noise(1, 9, 14) % 2
    tifffile.imwrite(tmp_path / "a.tif", mask, photometric="minisblack")
    labels = read_labels(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.squeeze(labels.data), mask[0])
    assert [axis for axis in labels.axes if axis in "yx"] == ["y", "x"]


@formats("orientation tag")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_pictures_are_turned_as_their_tag_says(
    tmp_path: Path, orientation: int, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(smooth()).save(
        path, compression=compression, tiffinfo={274: orientation}
    )
    seen = turned(smooth(), orientation)
    image = read_image(path)
    assert image.data.shape == seen.shape
    assert np.abs(image.data.astype(int) - seen).mean() < 3
    said = [f"orientation {orientation} was applied" in each for each in image.notices]
    assert sum(said) == (orientation > 1)
    mask = (smooth()[..., 0] > 99).astype(np.uint8)
    Image.fromarray(mask).save(path, tiffinfo={274: orientation})
    np.testing.assert_array_equal(read_labels(path).data, turned(mask, orientation))


def turned(pixels: NDArray, orientation: int) -> NDArray:
    """Turn pixels as TIFF 6.0 describes it: where row 0 and column 0 are seen."""
    flips = {2: (1,), 3: (0, 1), 4: (0,), 5: (), 6: (1,), 7: (0, 1), 8: (0,)}
    pixels = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    return np.flip(pixels, flips.get(orientation, ()))


@formats("a preview before or behind the picture")
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("is_marked", [True, False])
def test_a_preview_is_passed_over_and_said(
    tmp_path: Path, is_first: bool, is_marked: bool
) -> None:
    whole, kind = smooth(80, 112), 1 if is_marked else 0
    preview = whole[::4, ::4]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        pages = [(preview, kind), (whole, 0)]
        for pixels, subfile in pages if is_first else pages[::-1]:
            file.write(pixels, photometric="rgb", subfiletype=subfile, metadata=None)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, whole)
    if is_first:
        words = "a preview was passed over" if is_marked else "the largest was read"
        assert words in image.notices[0]


@formats("several pictures of other sizes, none a preview")
def test_several_pictures_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for shape in ((30, 40, 3), (40, 30, 3)):
            file.write(noise(*shape), photometric="rgb", metadata=None)
    with pytest.raises(ImageReadError, match=r"holds 2 pictures \(40 x 30, 30 x 40\)"):
        read_image(tmp_path / "a.tif")


def ome(folder: Path, pixels: NDArray, axes: str, **facts: Any) -> SpatialImage:
    path = folder / "a.ome.tif"
    photometric = "rgb" if axes.endswith("S") else "minisblack"
    tifffile.imwrite(
        path, pixels, ome=True, photometric=photometric, metadata={"axes": axes} | facts
    )
    return read_image(path)


@formats("OME-TIFF of one image")
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (9, 14)), ("ZYX", (5, 9, 14)), ("CYX", (3, 9, 14)), ("TZYX", (2, 5, 9, 14)),
     ("YXS", (9, 14, 3))],
)  # fmt: skip
def test_ome_axes_are_taken(tmp_path: Path, axes: str, shape: tuple[int, ...]) -> None:
    pixels = noise(*shape)
    image = ome(tmp_path, pixels, axes)
    assert image.axes == tuple(axes.lower().replace("s", "c"))
    np.testing.assert_array_equal(image.data, pixels)


@formats("OME-TIFF of several files, one of them absent")
def test_a_part_of_several_files_is_refused(tmp_path: Path) -> None:
    ome(tmp_path, noise(5, 9, 14), "ZYX")
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata or ""
    of = '<UUID FileName="{}">urn:uuid:{}</UUID></TiffData>'
    data = [
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1">'
        + of.format("a.ome.tif" if z == 0 else f"b{z}.ome.tif", f"0000000{z}")
        for z in range(5)
    ]
    at, end = text.index("<TiffData"), text.index("</Pixels>")
    text = text[:at] + "".join(data) + text[end:]
    tifffile.imwrite(path, noise(9, 14), description=text, metadata=None)
    with pytest.raises(
        ImageReadError, match=r"one part of an OME-TIFF.* b1\.ome\.tif,"
    ):
        read_image(path)


@formats("OME-TIFF of one file that was renamed")
def test_a_renamed_file_is_no_part_of_several(tmp_path: Path) -> None:
    ome(tmp_path, noise(9, 14), "YX")
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata or ""
    number = text.split('UUID="')[1].split('"')[0]
    plane = f'<TiffData IFD="0"><UUID FileName="old.tif">{number}</UUID></TiffData>'
    at, end = text.index("<TiffData"), text.index("</Pixels>")
    text = text[:at] + plane + text[end:]
    tifffile.imwrite(path, noise(9, 14), description=text, metadata=None)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, noise(9, 14))
    assert image.notices == ()


@formats("OME-TIFF of several files, all beside it")
def test_all_parts_of_several_files_are_read(tmp_path: Path) -> None:
    pixels = noise(2, 9, 14)
    ome(tmp_path, pixels, "ZYX")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        text = file.ome_metadata or ""
    own = text.split('UUID="')[1].split('"')[0]
    parts = [("a.ome.tif", own), ("b.ome.tif", f"{own[:-1]}x")]
    data = [
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">'
        f"{number}</UUID></TiffData>"
        for z, (name, number) in enumerate(parts)
    ]
    at, end = text.index("<TiffData"), text.index("</Pixels>")
    text = text[:at] + "".join(data) + text[end:]
    for (name, number), plane in zip(parts, pixels, strict=True):
        words = text.replace(f'UUID="{own}"', f'UUID="{number}"')
        tifffile.imwrite(tmp_path / name, plane, description=words, metadata=None)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == ("z", "y", "x")
    np.testing.assert_array_equal(image.data, pixels)


@formats("OME-TIFF whose description is another file")
def test_a_part_without_its_description_is_refused(tmp_path: Path) -> None:
    text = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/'
        '2016-06" UUID="urn:uuid:1"><BinaryOnly MetadataFile="all.companion.ome" '
        'UUID="urn:uuid:2"/></OME>'
    )
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, noise(9, 14), description=text, metadata=None)
    with pytest.raises(ImageReadError, match=r"all\.companion\.ome: open that file"):
        read_image(path)


@formats("OME-TIFF that lacks planes")
def test_planes_that_are_named_but_absent_are_refused(tmp_path: Path) -> None:
    ome(tmp_path, noise(5, 9, 14), "ZYX")
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata or ""
    for z in (7, 999_999_999):
        more = text.replace('SizeZ="5"', f'SizeZ="{z}"')
        more = more.replace('PlaneCount="5"', f'PlaneCount="{z}"')
        tifffile.imwrite(path, noise(5, 9, 14), description=more, metadata=None)
        with pytest.raises(ImageReadError, match=rf"it has {z:,} planes, but holds 5"):
            read_image(path)


@formats("OME-TIFF whose description is no XML")
def test_a_damaged_description_is_left_aside_and_said(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/">no</OME'
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, noise(9, 14), description=text + ">", metadata=None)
    tifffile.imwrite(path, noise(9, 14), description=text[:-9] + "OME>", metadata=None)
    image = read_image(path)
    assert image.data.shape == (9, 14)
    assert "OME description cannot be understood" in image.notices[0]


@formats("TIFF that is cut off")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_file_that_is_cut_off_is_refused(
    tmp_path: Path, compression: str | None, share: float
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(90, 90, 3), photometric="rgb", compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageReadError, match=r"a\.tif"):
        read_image(path)


@formats("TIFF that claims more than its bytes can hold")
@pytest.mark.parametrize(
    ("compression", "bits"), [(1, 8), (8, 8), (5, 8), (50000, 8), (34925, 8), (4, 1)]
)
def test_a_claim_beyond_the_files_bytes_is_refused_unread(
    tmp_path: Path, compression: int, bits: int
) -> None:
    tags = plain_tags(60_000, 60_000, (bits,), 1)
    tags[3] = (259, "H", (compression,))
    (tmp_path / "a.tif").write_bytes(by_hand(bytes(4800), *tags))
    with pytest.raises(ImageReadError, match=r"than a file of its size can hold"):
        read_image(tmp_path / "a.tif")


@formats("TIFF whose parts all lie at one place")
def test_parts_that_share_their_bytes_are_refused_unread(tmp_path: Path) -> None:
    strip = zlib.compress(bytes(1_000_000))
    n = 4000
    tags = [each for each in plain_tags(n * 1000, 1000, (8,), 1) if each[0] != 278]
    tags[3] = (259, "H", (8,))
    content = by_hand(strip, *tags, (278, "I", (1000,)), (60000, "I", (0,) * n))
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].tags[60000].valueoffset
        start = file.pages[0].tags[273].value[0]
        places = {tag: file.pages[0].tags[tag].offset for tag in (273, 279)}
    changed = bytearray(content)
    changed[at : at + 4 * n] = struct.pack(f"<{n}I", *[start] * n)
    for tag in (273, 279):  # what counts is where they lie
        struct.pack_into("<HHII", changed, places[tag], tag, 4, n, at)
    path.write_bytes(bytes(changed))
    with pytest.raises(ImageReadError, match=r"than a file of its size can hold"):
        read_image(path)


@formats("TIFF part that unpacks to more than its place")
@pytest.mark.parametrize("compression", [8, 34925])
def test_a_part_is_unpacked_no_further_than_its_place(
    tmp_path: Path, compression: int
) -> None:
    import lzma
    import tracemalloc

    pack = zlib.compress if compression == 8 else lzma.compress
    tags = plain_tags(9, 14, (8,), 1)
    tags[3] = (259, "H", (compression,))
    (tmp_path / "a.tif").write_bytes(by_hand(pack(bytes(2**26)), *tags))
    read_image(tmp_path / "a.tif")
    tracemalloc.start()
    assert not read_image(tmp_path / "a.tif").data.any()
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@formats("TIFF whose pages go round in a circle")
def test_a_circle_of_pages_ends(tmp_path: Path) -> None:
    content = bytearray(by_hand(bytes(126), *plain_tags(9, 14, (8,), 1)))
    n = struct.unpack_from("<H", content, 8)[0]
    struct.pack_into("<I", content, 10 + 12 * n, 8)
    (tmp_path / "a.tif").write_bytes(bytes(content))
    assert read_image(tmp_path / "a.tif").data.shape == (9, 14)


@formats("more than 10,000 pages of under 2,048 bytes each")
def test_thousands_of_tiny_pages_are_refused(tmp_path: Path) -> None:
    n, one = 10_001, 2 + 9 * 12 + 4
    content = bytearray(b"II*\0" + struct.pack("<I", 8))
    values = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in values.items())
    for page in range(n):
        after = 8 + one * (page + 1) if page < n - 1 else 0
        content += struct.pack("<H", 9) + fields + struct.pack("<I", after)
    (tmp_path / "a.tif").write_bytes(bytes(content))
    with pytest.raises(ImageReadError, match=r"^a\.tif holds 10,001 pages"):
        read_image(tmp_path / "a.tif")


@formats("ImageJ description of more planes than the file holds")
def test_imagej_planes_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(5, 9, 14), imagej=True, metadata={"axes": "ZYX"})
    content = path.read_bytes()
    for old, new in ((b"images=5", b"images=9"), (b"slices=5", b"slices=9")):
        content = content.replace(old, new)
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=r"it has 9 planes, but holds"):
        read_image(path)
