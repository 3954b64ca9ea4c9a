"""Pictures that say how they are to be turned: EXIF's and TIFF's orientation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORIENTATION_TAG = 274

_TURNS: Mapping[object, str] = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored about its diagonal",
    6: "turned by 90 degrees clockwise",
    7: "mirrored about its other diagonal",
    8: "turned by 90 degrees anticlockwise",
}


def swaps_sides(orientation: object) -> bool:
    """Return whether rows become columns."""
    return orientation in (5, 6, 7, 8)


def turning(orientation: object) -> list[str]:
    """Say what is done to a picture of this orientation; nothing for an upright one."""
    if orientation not in _TURNS:
        return []
    return [f"the file's orientation {orientation} was applied: {_TURNS[orientation]}"]


def upright(
    data: NDArray[Any], orientation: object, *, y: int = 0, x: int = 1
) -> NDArray[Any]:
    """Turn pixels the way that their file says they are seen.

    Parameters
    ----------
    data : array
        The pixels as they are stored.
    orientation : object
        The value of the tag: 1 to 8 as TIFF 6.0 and EXIF number them. Anything else
        says nothing, as other programs have it.
    y, x : int
        Which axes are rows and columns.

    Returns
    -------
    array
        The pixels as they are seen; rows and columns keep their axes.
    """
    if orientation not in _TURNS:
        return data
    if swaps_sides(orientation):
        data = np.swapaxes(data, y, x)
    if orientation in (3, 4, 7, 8):
        data = np.flip(data, y)
    if orientation in (2, 3, 6, 7):
        data = np.flip(data, x)
    return np.ascontiguousarray(data)
