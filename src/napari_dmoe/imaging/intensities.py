"""The intensities of a volume that is seen piece by piece, and what becomes 0 and 1."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.pixels import NOTHING_FINITE, not_finite
from napari_dmoe.imaging.spatial import ImageError

Window = tuple[float, float]
"""Intensities that become 0 and 1."""

VOXELS_FOR_PERCENTILES = 2**25
"""Larger volumes are thinned out for their percentiles, evenly along each axis."""

VOXELS_FOR_A_LOOK = 2**20
"""Voxels that tell whether nearly all of a volume is one value."""

_PERCENTILES = (0.5, 99.5)

_WIDEST_RANGE, _FARTHEST = 1e37, 1e300
"""Ranges whose differences would be infinite as 32-bit and as 64-bit floats."""


class Intensities:
    """What is known of a volume's numbers once all of its pieces were seen.

    Parameters
    ----------
    shape : (C, D, H, W)
        Shape of the volume.
    n_kept : int
        About how many of its voxels are kept for percentiles, evenly along each axis.
    """

    def __init__(self, shape: Sequence[int], n_kept: int) -> None:
        size = math.prod(shape)
        self._skip = math.ceil((size / max(1, n_kept)) ** (1 / 3))
        self._kept: list[NDArray[np.floating]] = []
        self._least, self._most = math.inf, -math.inf
        self._size, self._n_bad = size, 0
        self.checksum = 0
        """A sum of all numbers so far, by which they are known again."""

    def see(self, values: NDArray[np.floating], first: int, n_bad: int) -> None:
        """Take the planes (C, d, H, W) from number `first` on, in their order.

        `n_bad` voxels of the source were no finite numbers, and are 0 now.
        """
        self._least = min(self._least, float(values.min()))
        self._most = max(self._most, float(values.max()))
        self._n_bad += n_bad
        self.checksum = zlib.crc32(np.ascontiguousarray(values).data, self.checksum)
        every = slice(None, None, self._skip)
        planes = slice(-first % self._skip, None, self._skip)
        # Copied, even where it is empty: a view would keep all of the planes.
        self._kept.append(values[:, planes, every, every].flatten())

    def refuse_nothing(self, n_source: int) -> None:
        """Refuse a volume none of whose source's `n_source` numbers is finite."""
        if self._n_bad == n_source:
            raise ImageError(NOTHING_FINITE)

    @property
    def notices(self) -> list[str]:
        """What a person should know of numbers that are none."""
        return [not_finite(self._n_bad)] if self._n_bad else []

    @property
    def _is_wide(self) -> bool:
        return self._most - self._least > _WIDEST_RANGE

    @property
    def least(self) -> float:
        """The least of the numbers that :meth:`within_reach` returns."""
        return max(self._least, -_FARTHEST) if self._is_wide else self._least

    @property
    def most(self) -> float:
        """The greatest of them."""
        return min(self._most, _FARTHEST) if self._is_wide else self._most

    def within_reach(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return values of the volume whose differences are finite numbers."""
        if not self._is_wide:
            return values
        return np.clip(values.astype(np.float64), -_FARTHEST, _FARTHEST)

    def thinned(self) -> NDArray[np.floating]:
        """Return the voxels that were kept, (N,), in any order; they are let go of."""
        kept, self._kept = np.concatenate(self._kept), []
        return self.within_reach(kept)


def own_window(
    thinned: NDArray[np.floating], least: float, most: float
) -> tuple[Window, list[str]]:
    """Return the percentiles that become 0 and 1, or the range where they agree.

    Also what a person should know. The order of `thinned` is lost.
    """
    low, high = map(float, np.percentile(thinned, _PERCENTILES, overwrite_input=True))
    if low < high or least == most:
        return (low, high), []
    notice = (
        f"nearly all intensities are {low:g}: not the percentiles but the whole range, "
        f"{least:g} to {most:g}, was scaled to 0 to 1"
    )
    return (least, most), [notice]


def unlike_the_window(
    thinned: NDArray[np.floating], window: Window, least: float, most: float
) -> list[str]:
    """Say so where a volume hardly reaches a window, or hardly varies in it."""
    low, high = window
    if most <= low or least >= high:
        return [
            f"all intensities ({least:g} to {most:g}) lie outside the model's window "
            f"of {low:g} to {high:g}: is this the kind of image that it was made for?"
        ]
    notices = []
    if least >= 0 > low:
        notices.append(
            f"intensities begin at {least:g}, where the model expects values below 0 "
            "such as Hounsfield units"
        )
    first, last = np.clip(np.percentile(thinned, _PERCENTILES), low, high)
    if first == last and least < most:
        where = {low: "lie below", high: "lie above"}.get(float(first), "are alike in")
        notices.append(
            f"nearly all intensities {where} the model's window of {low:g} to "
            f"{high:g}, though they reach from {least:g} to {most:g}: it sees hardly "
            "anything"
        )
    return notices


def windowed(values: NDArray[np.floating], window: Window) -> NDArray[np.floating]:
    """Return intensities in [0, 1], as shares of a window."""
    low, high = window
    scaled: NDArray[np.floating] = (np.clip(values, low, high) - low) / (
        (high - low) or 1.0
    )
    return scaled
