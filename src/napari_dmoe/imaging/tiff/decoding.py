"""The numbers of a TIFF's pages, unpacked no further than their tags say.

tifffile knows where the parts of a picture lie. They are unpacked here, with zlib, lzma
and Pillow's libtiff, so that no further package is needed and a part that would unpack
to more than its place is cut off. Where compression and colour are one (JPEG, CCITT,
YCbCr), Pillow reads whole pages.
"""

from __future__ import annotations

import lzma
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_dmoe.imaging.pictures.orientation import swaps_sides
from napari_dmoe.imaging.spatial import ImageError, ImageReadError

NONE, CCITT, LZW, JPEG, OLD_JPEG = 1, (2, 3, 4), 5, 7, 6
DEFLATE, PACKBITS, LZMA, ZSTD = (8, 32946), 32773, 34925, 50000
LARGEST_RATIO = {
    NONE: 1,
    PACKBITS: 64,
    **dict.fromkeys(DEFLATE, 1100),
    JPEG: 1100,
    OLD_JPEG: 1100,
    LZW: 1400,
    ZSTD: 33_000,
    LZMA: 20_000,
    **dict.fromkeys(CCITT, 1_000_000),
}
"""How often the pixels may be larger than what is stored, per compression read here."""

_WITH_PREDICTOR = (LZW, *DEFLATE, LZMA, ZSTD)
"""Where libtiff, and so other programs, takes differences of neighbours for stored."""

_PLANAR = 2
YCBCR = 6
_BY_PILLOW = (0, 1, 2, 5, YCBCR)
"""Greys, RGB, CMYK and YCbCr."""

ADVICE = "save it without compression, or with LZW or Deflate"
_WHOLE = (1, 8, 16, 32, 64)


def refuse_compression(name: str, page: Any) -> None:
    """Refuse a compression or depth that is not read here, by its name.

    Raises
    ------
    ImageReadError
        The message says what to do.
    """
    kind = page.compression
    if kind not in LARGEST_RATIO:
        known = getattr(kind, "name", kind)
        raise ImageReadError(f"{name} is compressed with {known}: {ADVICE}")
    if by_pillow(page) and page.bitspersample not in (1, 8):
        raise ImageReadError(
            f"{name} has {page.bitspersample} bits a channel as {_pillow_words(page)}: "
            "save it with 8 bits, or without compression"
        )
    if by_pillow(page) and page.photometric not in _BY_PILLOW:
        colours = getattr(page.photometric, "name", page.photometric)
        words = _pillow_words(page)
        raise ImageReadError(f"{name} holds {colours} pixels as {words}: {ADVICE}")
    if page.photometric == YCBCR and page.compression == NONE and page.is_subsampled:
        raise ImageReadError(
            f"{name} holds subsampled YCbCr without compression: save it as RGB"
        )
    if kind == PACKBITS and _predictor(page) is None:
        raise ImageReadError(
            f"{name} is compressed with PackBits and names a predictor, which some "
            f"programs apply and some do not: {ADVICE}"
        )
    if page.dtype is None or not isinstance(page.bitspersample, int):
        raise ImageReadError(
            f"{name} has pixels of {page.bitspersample} bits: save it with 8 or 16"
        )


def _predictor(page: Any) -> int | None:
    """Return the predictor that a page was written with; None where nobody can say.

    Of PackBits tifffile takes differences, and libtiff names them but takes none.
    """
    kind = page.compression
    if page.predictor == 1 or page.bitspersample == 1:
        return 1
    software = str(page.parent.pages.first.tags.valueof(305) or "")
    if kind in _WITH_PREDICTOR or (kind == PACKBITS and "tifffile" in software):
        return int(page.predictor)
    return None if kind == PACKBITS else 1


def by_pillow(page: Any) -> bool:
    """Return whether a page is read by Pillow, which converts its colours too."""
    with_colours = (*CCITT, JPEG, OLD_JPEG)
    return page.compression in with_colours or page.photometric == YCBCR


def _pillow_words(page: Any) -> str:
    return "YCbCr" if page.photometric == YCBCR else f"{page.compression.name}"


def decoded(path: Path, series: Any) -> tuple[NDArray[Any], int]:
    """Read a series that :func:`refuse_compression` let pass.

    Returns
    -------
    array
        In the series' shape; packed bits as whole numbers, bilevel ones as bool.
    int
        The orientation that is still to be applied.
    """
    page = series.keyframe
    orientation = int(page.tags.valueof(274, 1))
    if by_pillow(page):
        return _by_pillow(path, series)
    is_plain = page.compression == NONE and page.predictor == 1 and page.fillorder == 1
    if is_plain and page.bitspersample in _WHOLE[1:]:
        return _whole([series.asarray()], series), orientation
    return _whole([_page(each) for each in series.pages], series), orientation


def _whole(pages: list[NDArray[Any]], series: Any) -> NDArray[Any]:
    data = pages[0] if len(pages) == 1 else np.stack(pages)
    if data.size != math.prod(series.shape):
        raise ImageError(f"it holds fewer planes than it says: {data.shape}")
    return data.reshape(series.shape)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow from warning of what is checked here, or raised as an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError as error:
            raise ImageError(f"one of its parts is too large: {ADVICE}") from error


def _by_pillow(path: Path, series: Any) -> tuple[NDArray[Any], int]:
    pages, left = [], 1
    with _quiet(), Image.open(path, formats=("TIFF",)) as picture:
        for page in series.pages:
            if not isinstance(page.index, int):
                raise ImageReadError(f"{path.name} keeps its picture below another one")
            picture.seek(page.index)
            picture.load()  # which turns it upright
            left = int(picture.getexif().get(274, 1))
            is_raw = picture.mode == "YCbCr"
            pixels = np.asarray(picture.convert("RGB") if is_raw else picture)
            is_planar = page.keyframe.planarconfig == _PLANAR and pixels.ndim == 3
            pages.append(np.moveaxis(pixels, -1, 0) if is_planar else pixels)
    return _turned_whole(pages, series, left), left


def _turned_whole(pages: list[NDArray[Any]], series: Any, left: int) -> NDArray[Any]:
    """Put pages together whose rows may be columns by now."""
    shape = list(series.shape)
    if left == 1 and swaps_sides(series.keyframe.tags.valueof(274, 1)):
        y, x = series.axes.index("Y"), series.axes.index("X")
        shape[y], shape[x] = shape[x], shape[y]
    data = pages[0] if len(pages) == 1 else np.stack(pages)
    if data.size != math.prod(shape):
        raise ImageError(f"its colours are stored in a way that is not read: {ADVICE}")
    return data.reshape(shape)


def _page(page: Any) -> NDArray[Any]:
    """Read one page, part by part: strips, or tiles."""
    of = page.keyframe
    whole = np.zeros(of.shaped, of.dtype)
    for encoded, where, shape in _parts(page):
        if encoded is None:  # a part that the file leaves out
            continue
        part = _numbers(of, encoded, shape)
        plane, depth, row, column, _ = where
        part = part[: of.imagedepth - depth, : of.imagelength - row]
        part = part[:, :, : of.imagewidth - column]
        n_deep, n_rows, n_columns, _ = part.shape
        whole[
            plane, depth : depth + n_deep, row : row + n_rows,
            column : column + n_columns,
        ] = part  # fmt: skip
    return whole.reshape(of.shape)


def _parts(page: Any) -> Iterator[tuple[bytes | None, tuple[int, ...], Any]]:
    """Yield what is stored, its place in the page and its shape."""
    of = page.keyframe
    kept = of.compression, of.predictor
    # So that tifffile tells where parts lie without a decoder of its own.
    of.compression, of.predictor = NONE, 1
    try:
        where = of.decode
    finally:
        of.compression, of.predictor = kept
    reads = page.parent.filehandle.read_segments
    for encoded, index in reads(page.dataoffsets, page.databytecounts, sort=True):
        _, place, shape = where(None, index)
        yield encoded, place, shape


def _numbers(page: Any, encoded: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    """Unpack one part to (depth, rows, columns, samples)."""
    deep, rows, columns, samples = shape
    in_row = columns * samples
    row_bytes = -(-in_row * page.bitspersample // 8)
    packed = _expanded(page, encoded, row_bytes, deep * rows)
    dtype = np.dtype(page.dtype)
    predictor = _predictor(page)
    if predictor == 3:
        values = _from_float_differences(packed, samples, in_row, dtype)
    elif page.bitspersample in _WHOLE[1:]:
        order = page.parent.byteorder
        values = packed.view(dtype.newbyteorder(order)).astype(dtype, copy=False)
    else:
        values = _whole_numbers(packed, page.bitspersample, in_row).astype(dtype)
    values = values.reshape(deep, rows, columns, samples)
    if predictor == 2 and page.bitspersample in _WHOLE[1:]:
        # Differences of whole numbers, of floats as well.
        whole = values if dtype.kind in "iu" else values.view(f"u{dtype.itemsize}")
        values = np.cumsum(whole, axis=2, dtype=whole.dtype).view(dtype)
    elif predictor not in (1, 3):
        raise ImageError(f"the predictor {predictor} is not read: {ADVICE}")
    return values


def _expanded(page: Any, encoded: bytes, row_bytes: int, n_rows: int) -> NDArray[Any]:
    """Undo a part's compression: (rows, bytes of a row), and never more than that."""
    kind, n = page.compression, row_bytes * n_rows
    if kind == NONE:
        data = encoded
    elif kind in DEFLATE:
        data = zlib.decompressobj().decompress(encoded, n)
    elif kind == LZMA:
        data = lzma.LZMADecompressor().decompress(encoded, n)
    else:
        data = _by_libtiff(encoded, int(kind), row_bytes, n_rows)
    if len(data) < n:
        raise ImageError("a part of the picture is cut off")
    values = np.frombuffer(data, np.uint8, n).reshape(n_rows, row_bytes)
    if page.fillorder == 2:
        values = np.packbits(np.unpackbits(values, bitorder="little")).reshape(
            values.shape
        )
    return values


def _by_libtiff(encoded: bytes, kind: int, row_bytes: int, n_rows: int) -> bytes:
    """Undo LZW, PackBits or Zstd: as the one strip of a grey TIFF made around it.

    These work on bytes, so that what the bytes mean does not matter.
    """
    tags = {
        256: row_bytes,
        257: n_rows,
        258: 8,
        259: kind,
        262: 1,
        273: 8 + 2 + 9 * 12 + 4,
        277: 1,
        278: n_rows,
        279: len(encoded),
    }
    fields = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    head = b"II*\0" + struct.pack("<IH", 8, len(fields)) + b"".join(fields) + bytes(4)
    content = BytesIO(head + encoded)
    with _quiet(), Image.open(content, formats=("TIFF",)) as picture:
        return picture.tobytes()


def _whole_numbers(packed: NDArray[Any], bits: int, in_row: int) -> NDArray[Any]:
    """Unpack rows of numbers of a few bits each, the highest bit first."""
    each = np.unpackbits(packed, axis=1)[:, : in_row * bits]
    each = each.reshape(len(packed), in_row, bits)
    if bits == 1:
        return each[..., 0]
    values = np.zeros(each.shape[:-1], np.uint32)
    for place in range(bits):
        values = (values << 1) | each[..., place]
    return values


def _from_float_differences(
    packed: NDArray[Any], samples: int, in_row: int, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Undo TIFF's predictor of floats: differences of bytes, highest bytes first."""
    n_rows, n = len(packed), dtype.itemsize
    summed = packed.reshape(n_rows, -1, samples).cumsum(axis=1, dtype=np.uint8)
    ordered = summed.reshape(n_rows, n, in_row).transpose(0, 2, 1)
    return np.ascontiguousarray(ordered).view(dtype.newbyteorder(">")).astype(dtype)


def missing_parts(series: Any) -> int:
    """Return how many strips or tiles the file leaves out."""
    counts = (page.databytecounts for page in series.pages if page is not None)
    return sum(count == 0 for each in counts for count in each)
