"""Colours as files store them, as the red, green and blue that networks take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

CMYK_NOTICE = "CMYK was converted to RGB, without a colour profile"
LAB_NOTICE = "CIELAB was converted to RGB (sRGB)"
PALETTE_NOTICE = "its palette's colours were taken"
OPACITY_NOTICE = "opacity was left out"

_ROWS = 256


def cmyk_to_rgb(inks: NDArray[Any]) -> NDArray[Any]:
    """Convert (..., 4) inks, 0 where there is none, to (..., 3) of the same depth."""
    most = np.iinfo(inks.dtype).max
    rgb = np.empty((*inks.shape[:-1], 3), inks.dtype)
    for part, out in zip(_parts(inks), _parts(rgb), strict=True):
        paper = most - part.astype(np.uint64)
        out[:] = (paper[..., :3] * paper[..., 3:] + most // 2) // most
    return rgb


def lab_to_rgb(lab: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert (y, x, 3) CIELAB, D50, its a and b from 128 on, to sRGB.

    Little CMS does it: a profile is made, none is read.
    """
    change = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    rgb = np.empty_like(lab)
    for part, out in zip(_parts(lab), _parts(rgb), strict=True):
        signed = part ^ np.array([0, 128, 128], np.uint8)  # as TIFF has it
        size = part.shape[1::-1]
        picture = Image.frombytes("LAB", size, signed.tobytes())
        out[:] = np.asarray(ImageCms.applyTransform(picture, change))
    return rgb


def palette_to_colours(indices: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """Look up the colours of (..., ) indices in an (n, 3 or 4) table.

    A table of greys gives grey, without a channel axis; indices beyond the table's
    end are black, as other programs show them.
    """
    n = max(len(table), int(np.iinfo(indices.dtype).max) + 1)
    whole = np.zeros((n, table.shape[1]), table.dtype)
    whole[: len(table)] = table
    is_grey = table.shape[1] == 3 and (table == table[:, :1]).all()
    colours: NDArray[Any] = (whole[:, 0] if is_grey else whole)[indices]
    return colours


def labels_of_palette(
    indices: NDArray[Any], table: NDArray[Any]
) -> tuple[NDArray[Any], list[str]]:
    """Return the labels that a palette picture shows: its indices.

    Greys in another order than the indices are the numbers themselves: a program made
    the palette of a grey mask, and stored first what it met first. Black and white
    alone, with white first, so are 255 where it is white.
    """
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=2))
    shown = palette_to_colours(used.astype(indices.dtype), table)
    if shown.ndim > 1 or (np.diff(shown.astype(int)) > 0).all():
        return indices, ["the numbers of its palette were taken as labels"]
    said = "the greys of its palette, which are in no order, were taken as labels"
    if shown.tolist() == [np.iinfo(table.dtype).max, 0]:
        said = "its palette has white before black: what is white is labelled"
    return palette_to_colours(indices, table), [said]


def one_of_equal_channels(data: NDArray[Any]) -> tuple[NDArray[Any], list[str]]:
    """Return labels saved as colour as (y, x), where red, green and blue are equal."""
    if data.ndim != 3 or data.shape[-1] not in (3, 4):
        return data, []
    red, green, blue = (data[..., i] for i in range(3))
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        return data, []
    said = "its red, green and blue are equal: one of them was taken as labels"
    return np.ascontiguousarray(red), [said]


def _parts(data: NDArray[Any]) -> list[NDArray[Any]]:
    """Return views of a few rows each, so that no large copy is made at once."""
    return [data[top : top + _ROWS] for top in range(0, len(data), _ROWS)]
