"""Colours of TIFF files, by what their tags say of the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.pictures import colours
from napari_dmoe.imaging.spatial import CHANNEL_AXIS, ImageReadError
from napari_dmoe.imaging.tiff.decoding import YCBCR, by_pillow

_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _CMYK = 0, 1, 2, 3, 5
_CIELAB, _ICCLAB = 8, 9
_READ = (_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _CMYK, YCBCR, _CIELAB, _ICCLAB)
_OPACITY = (1, 2)
WHITE_NOTICE = "its numbers were turned round: the file has white as 0"

Axes = tuple[str, ...]
Converted = tuple[NDArray[Any], Axes, list[str]]


def refuse_colours(name: str, page: Any) -> None:
    """Refuse colours that are not converted here, by their name.

    Raises
    ------
    ImageReadError
        The message says what to do.
    """
    kind, words = page.photometric, None
    if kind not in _READ:
        words = f"{getattr(kind, 'name', kind)} pixels"
    elif kind in (_CIELAB, _ICCLAB) and page.bitspersample != 8:
        words = f"CIELAB of {page.bitspersample} bits a channel"
    elif kind == _CMYK and page.tags.valueof(332, 1) != 1:
        words = "inks that are not cyan, magenta, yellow and black"
    elif kind == _CMYK and page.dtype.kind != "u":
        words = f"CMYK of {page.dtype}"
    elif kind == _WHITE_IS_0 and page.dtype.kind not in ("b", "u"):
        words = f"{page.dtype} of which white is 0"
    if words:
        raise ImageReadError(
            f"{name} holds {words}, which are not converted: save it as grey or RGB"
        )


def as_colours(data: NDArray[Any], axes: Axes, page: Any, *, name: str) -> Converted:
    """Return numbers as grey or RGB, the channel axis where it was or last."""
    data, axes, notices = _without_opacity(data, axes, page)
    kind, bits = page.photometric, page.bitspersample
    if by_pillow(page) and kind not in (_CMYK, _PALETTE):
        notices += _said_of_pillow(kind)
        data = data.astype(np.uint8) * 255 if data.dtype == bool else data
        return data, axes, notices
    if kind == _PALETTE:
        table = _palette(page)
        data = colours.palette_to_colours(data, table)
        axes = (*axes, CHANNEL_AXIS)[: data.ndim]
        return data, axes, [*notices, colours.PALETTE_NOTICE]
    if kind in (_CMYK, _CIELAB, _ICCLAB):
        data, axes, said = _inks_or_lab(data, axes, kind, name=name)
        return data, axes, notices + said
    if bits == 1:
        data = data.astype(np.uint8) * 255
        bits, kind = 8, _BLACK_IS_0 if _are_booleans(page) else kind
    elif bits in (2, 4):
        data, bits = data * (255 // (2**bits - 1)), 8
        notices.append(f"its {page.bitspersample} bits were spread over 0 to 255")
    if kind == _WHITE_IS_0:
        data = (2**bits - 1 - data).astype(data.dtype)
        notices.append(WHITE_NOTICE)
    return data, axes, notices


def as_labels(data: NDArray[Any], axes: Axes, page: Any, *, name: str) -> Converted:
    """Return numbers as labels: palettes by their indices, bilevel as 0 and 1."""
    kind = page.photometric
    if kind == _PALETTE:
        data, said = colours.labels_of_palette(data, _palette(page))
        return data, axes, said
    if kind == _WHITE_IS_0 and page.is_imagej and not by_pillow(page):
        return (
            np.asarray(data, np.uint8 if data.dtype == bool else None),
            axes,
            ["its inverted look was left aside: its numbers were taken as labels"],
        )
    if page.bitspersample == 1:
        # What tifffile writes of booleans has white as 0, and means the numbers.
        is_meant = kind == _WHITE_IS_0 and not _are_booleans(page)
        is_turned = kind == _WHITE_IS_0 and by_pillow(page)
        data = (~data if is_meant != is_turned else data).astype(np.uint8)
        return data, axes, [WHITE_NOTICE] if is_meant else []
    if kind == _WHITE_IS_0:
        _refuse_turned_labels(data, 2**page.bitspersample - 1, name=name)
    if kind in (_WHITE_IS_0, _BLACK_IS_0) and page.bitspersample < 8:
        return data, axes, []
    data, axes, notices = as_colours(data, axes, page, name=name)
    if axes[-3:] == ("y", "x", CHANNEL_AXIS) and len(axes) == 3:
        data, said = colours.one_of_equal_channels(data)
        axes, notices = axes[: data.ndim], notices + said
    return data, axes, notices


def _are_booleans(page: Any) -> bool:
    """Say whether one bit is True, and no ink: tifffile calls both min-is-white."""
    return page.bitspersample == 1 and str(page.software or "").startswith("tifffile")


def _refuse_turned_labels(data: NDArray[Any], most: int, *, name: str) -> None:
    """Refuse labels of which white is 0, except a mask of black and white."""
    if not np.isin(data, (0, most)).all():
        raise ImageReadError(
            f"{name} holds labels of which white is 0 (min-is-white): save it with "
            "black as 0"
        )


def _said_of_pillow(kind: int) -> list[str]:
    if kind == YCBCR:
        return ["YCbCr was converted to RGB"]
    return [WHITE_NOTICE] if kind == _WHITE_IS_0 else []


def _without_opacity(data: NDArray[Any], axes: Axes, page: Any) -> Converted:
    """Leave out the opacity of grey and of CMYK; that of RGB is seen later."""
    wanted = {_BLACK_IS_0: 1, _WHITE_IS_0: 1, _CMYK: 4, _CIELAB: 3, _ICCLAB: 3}
    n = wanted.get(page.photometric)
    extra = tuple(page.extrasamples or ())
    if n is None or CHANNEL_AXIS not in axes or not extra:
        return data, axes, []
    at = axes.index(CHANNEL_AXIS)
    if data.shape[at] != n + 1 or (n == 1 and extra[0] not in _OPACITY):
        return data, axes, []
    data = np.take(data, range(n), axis=at)
    if n == 1:
        data, axes = np.squeeze(data, at), (*axes[:at], *axes[at + 1 :])
    return data, axes, [colours.OPACITY_NOTICE]


def _inks_or_lab(data: NDArray[Any], axes: Axes, kind: int, *, name: str) -> Converted:
    at = axes.index(CHANNEL_AXIS) if CHANNEL_AXIS in axes else -1
    if at < 0 or data.shape[at] != (4 if kind == _CMYK else 3):
        raise ImageReadError(f"{name} does not hold the channels that its tags say")
    data = np.moveaxis(data, at, -1)
    axes = (*axes[:at], *axes[at + 1 :], CHANNEL_AXIS)
    if kind == _CMYK:
        return colours.cmyk_to_rgb(data), axes, [colours.CMYK_NOTICE]
    if kind == _CIELAB:  # a and b are signed
        data = data ^ np.array([0, 128, 128], np.uint8)
    planes = data.reshape(-1, *data.shape[-3:])
    rgb = np.stack([colours.lab_to_rgb(plane) for plane in planes])
    return rgb.reshape(data.shape), axes, [colours.LAB_NOTICE]


def _palette(page: Any) -> NDArray[Any]:
    """Return a page's table, (n, 3), in 8 bits where it is one of 8."""
    table = np.asarray(page.colormap, np.uint16).T
    # Some programs write 8 bits into the 16 that the format has.
    return (table if table.max() < 256 else table >> 8).astype(np.uint8)
