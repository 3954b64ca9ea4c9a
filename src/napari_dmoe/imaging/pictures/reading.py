"""PNG, JPEG and BMP, read with Pillow: only these, whatever else Pillow can open."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.ImageFile
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from napari_dmoe.imaging.pictures import colours
from napari_dmoe.imaging.pictures.orientation import ORIENTATION_TAG, turning, upright
from napari_dmoe.imaging.pictures.sizes import refuse_claim
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, ImageReadError, SpatialImage

MAX_PIXELS = 178_956_970
"""Most pixels of a PNG, JPEG or BMP: Pillow's own limit."""

_FREE_BYTES = 2**28
_MAX_RATIO = 300
"""A picture above `_FREE_BYTES` takes at most so many times its file: photographs take
3 to 50 times theirs, and one colour over and over 1,000 times."""

_CAN_SHRINK = {"PNG": 1100, "JPEG": 1100, "BMP": 300}
"""Deflate and Huffman codes reach about 1,030, run lengths 255."""

_DEEP = ("RGB;16B", "RGBA;16B", "LA;16B")
"""Stored 16 bits a channel, of which Pillow alone would keep 8."""

_STEPS = {"L;2": 85, "L;4": 17}
_ROWS = 512


def read_picture(path: Path, kind: str, *, as_labels: bool = False) -> SpatialImage:
    """Read one PNG, JPEG or BMP file.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"PNG", "JPEG", "BMP"}
        What it is; no other decoder is tried.
    as_labels : bool
        Whether its numbers are labels, as :func:`read_labels` of
        :mod:`napari_dmoe.imaging.files` says.

    Returns
    -------
    SpatialImage
        (y, x) or (y, x, c), turned upright; `notices` say what was converted.

    Raises
    ------
    ImageReadError
        When it is too large, or of colours that cannot be converted.
    """
    with _opened(path, kind) as picture:
        _refuse_too_large(path, picture, as_labels=as_labels)
        data, notices = _read(path, picture, as_labels=as_labels)
        if (n_frames := getattr(picture, "n_frames", 1)) > 1:
            notices.append(f"the first of {n_frames} pictures was read")
        turned = picture.getexif().get(ORIENTATION_TAG)
    data = upright(data, turned)
    axes = ("y", "x", CHANNEL_AXIS)[: data.ndim]
    return SpatialImage(data, axes, notices=(*notices, *turning(turned)))


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[ImageFile]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path, formats=(kind,))
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(path) from error
    kept = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
    # Another package may have asked for grey where a file is cut off.
    PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with picture:
            yield picture
    finally:
        PIL.ImageFile.LOAD_TRUNCATED_IMAGES = kept


def _too_many_pixels(path: Path) -> ImageReadError:
    return ImageReadError(
        f"{path.name} claims more pixels than the {MAX_PIXELS / 1e6:.0f} million that "
        "a PNG, JPEG or BMP may have here: cut it into parts, or save it as TIFF"
    )


def _refuse_too_large(path: Path, picture: ImageFile, *, as_labels: bool) -> None:
    n_pixels = picture.width * picture.height
    if n_pixels > MAX_PIXELS:
        raise _too_many_pixels(path)
    n_bands = len(picture.getbands())
    depth = 2 if ";16" in _raw_mode(picture) else 1
    stored = n_pixels * n_bands * depth
    has_colours = picture.mode == "P" and not as_labels
    n_bytes = n_pixels * 4 if has_colours else stored
    on_disk = path.stat().st_size
    bits = 1 if picture.mode in ("1", "P") else 8
    held = 4 if n_bands > 1 else depth
    if picture.format == "JPEG":  # the coefficients of a progressive one
        held += 2 * n_bands
    refuse_claim(
        path.name,
        stored * bits // 8,
        can_hold=on_disk * _CAN_SHRINK.get(picture.format or "", 1100) + 2**20,
        peak=n_bytes + n_pixels * held * depth,
    )
    if n_bytes > max(_FREE_BYTES, _MAX_RATIO * on_disk):
        raise ImageReadError(
            f"{path.name} of {on_disk / 1e6:.1f} MB would unpack to "
            f"{n_bytes / 1e6:,.0f} MB, as no photograph does: cut it into parts"
        )


def _raw_mode(picture: ImageFile) -> str:
    """Return how the pixels are stored; known only until they are loaded."""
    arguments = picture.tile[0][3] if picture.tile else ""
    first = arguments[0] if isinstance(arguments, tuple) else arguments
    return first if isinstance(first, str) else ""


def _read(
    path: Path, picture: ImageFile, *, as_labels: bool
) -> tuple[NDArray[Any], list[str]]:
    stored, notices = _raw_mode(picture), list[str]()
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        raise ImageReadError(
            f"{path.name} is a CMYK JPEG that does not say whether its inks are "
            "inverted: save it as RGB"
        )
    data = _of_16_bits(path, stored) if stored in _DEEP else _pixels(picture)
    if picture.mode == "P":
        return _from_palette(picture, data, as_labels=as_labels)
    if picture.mode == "1":
        numbers = data.view(np.uint8)  # Pillow's true is 255, and NumPy's is 1
        np.minimum(numbers, 1, out=numbers)
        numbers *= 1 if as_labels else 255
        return numbers, notices
    if picture.mode in ("LA", "PA") or stored == "LA;16B":
        data = data[..., 0] if data.ndim == 3 else data
        notices.append(colours.OPACITY_NOTICE)
    if picture.mode == "CMYK":
        data, notices = colours.cmyk_to_rgb(data), [colours.CMYK_NOTICE]
    if picture.mode == "I":  # 16 bits, as older releases of Pillow hold them
        data = data.astype(np.uint16)
    if as_labels:
        data, said = colours.one_of_equal_channels(data)
        data, notices = data // _STEPS.get(stored, 1), [*notices, *said]
    return data, notices


def _pixels(picture: ImageFile) -> NDArray[Any]:
    """Return decoded pixels, copied by and by: one copy is held beside Pillow's own."""
    width, height = picture.size
    picture.load()
    top = np.asarray(picture.crop((0, 0, width, 1)))
    data = np.empty((height, *top.shape[1:]), top.dtype)
    for row in range(0, height, _ROWS):
        box = (0, row, width, min(height, row + _ROWS))
        data[row : row + _ROWS] = np.asarray(picture.crop(box))
    return data


def _decoded_as(path: Path, raw_mode: str) -> NDArray[np.uint8]:
    """Decode a PNG whose samples are taken for another kind of the same size.

    Of 16 bits a channel Pillow keeps the upper 8; so the lower 8 are had as well.
    """
    with _opened(path, "PNG") as picture:
        for place, tile in enumerate(picture.tile):
            # A plain tuple before Pillow 11, whose type is named since.
            picture.tile[place] = type(tile)._make((*tile[:3], raw_mode))
        return _pixels(picture)


def _of_16_bits(path: Path, stored: str) -> NDArray[np.uint16]:
    """Read a PNG of 16 bits a channel: colour, or grey without its opacity."""
    if stored == "LA;16B":
        halves = _decoded_as(path, "RGBA")
        upper, lower = halves[..., 0], halves[..., 1]
    else:
        upper, lower = (_decoded_as(path, mode) for mode in (stored, stored[:-1] + "L"))
    data = upper.astype(np.uint16)
    data <<= 8
    data |= lower
    return data


def _from_palette(
    picture: ImageFile, indices: NDArray[Any], *, as_labels: bool
) -> tuple[NDArray[Any], list[str]]:
    table = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    if as_labels:
        return colours.labels_of_palette(indices, table)
    seen = picture.info.get("transparency")
    if seen is not None:
        opacity = np.full(len(table), 255, np.uint8)
        if isinstance(seen, bytes):
            opacity[: len(seen)] = np.frombuffer(seen, np.uint8)[: len(table)]
        else:
            opacity[seen : seen + 1] = 0
        table = np.column_stack([table, opacity])
    return colours.palette_to_colours(indices, table), [colours.PALETTE_NOTICE]
