"""TIFF files out, whole or not at all.

They say where they lie: axes, spacing and unit stand in tifffile's own description, and
the resolution tags repeat them for other programs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.spatial import CHANNEL_AXIS
from napari_dmoe.imaging.units import millimetres


def write_tiff(
    path: str | os.PathLike[str],
    data: NDArray[Any],
    *,
    axes: Sequence[str],
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    classes: Sequence[str] | None = None,
) -> None:
    """Write an array as TIFF, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where to.
    data : array
        One axis per name in `axes`.
    axes : sequence of str
        Axis names, one letter each: ``z``, ``y``, ``x``, ``c``, ``t`` or another.
    spacing : sequence of float, optional
        Pixel size along the spatial axes, in their order in `axes`, in `unit`.
    unit : str, optional
        Unit of `spacing`.
    classes : sequence of str
        What labels mean, the first being 0; empty where nobody knows. With them the
        array is a mask, and stored as uint32: napari's own reader, which opens TIFFs
        unless it is told otherwise, takes those for labels, and others for a picture,
        in which few labels are black.

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left behind.
    """
    letters = "".join({CHANNEL_AXIS: "S"}.get(axis, axis.upper()[:1]) for axis in axes)
    description: dict[str, Any] = {"axes": letters}
    if spacing is not None:
        description |= {"spacing": [float(s) for s in spacing], "unit": unit}
    if classes is not None:
        data = data.astype(np.uint32)
    if classes:
        description["classes"] = list(classes)
    options: dict[str, Any] = {}
    mm = millimetres(unit)
    if spacing is not None and mm is not None and len(spacing) >= 2:
        tags = [10 / (mm * s) for s in (spacing[-1], spacing[-2])]
        options = {"resolution": tags, "resolutionunit": "CENTIMETER"}
    is_rgb = letters.endswith("S") and data.shape[-1] in (3, 4)
    photometric = "rgb" if is_rgb else "minisblack"
    target = Path(path)
    with atomic_path(target) as partial:
        tifffile.imwrite(
            partial,
            data,
            photometric=photometric,
            compression="zlib",
            metadata=description,
            **options,
        )
