"""OME-Zarr stores axes that run backwards in the world turned round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def as_stored(
    array: NDArray[np.generic], axes: Sequence[str], sides: Sequence[float]
) -> NDArray[np.generic]:
    """Return an array (*leading, z, y, x) as OME-Zarr stores it.

    The image's `axes` have voxels with these signed `sides`.
    """
    flips = (slice(None, None, -1 if sides[axes.index(a)] < 0 else 1) for a in "zyx")
    return array[(..., *flips)]
