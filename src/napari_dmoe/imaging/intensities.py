"""The intensities of a volume that is seen piece by piece, and what becomes 0 and 1."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

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
        kept = values[:, planes, every, every]
        self._kept.append(kept.reshape(len(values), -1).copy())

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
        """Return the voxels that were kept, (C, N), in any order; let go of them."""
        kept, self._kept = np.concatenate(self._kept, 1), []
        return self.within_reach(kept)


@dataclass(frozen=True)
class Measures:
    """How a model's card has a volume's intensities scaled."""

    window: Window | None = None
    """Intensities that become 0 and 1, or are the limits before it is standardised."""
    percentiles: tuple[float, float] | None = None
    """Percentiles of the image that are taken for them, where there is no window."""
    standardise: bool = False
    """Whether each channel gets zero mean and unit variance."""
    above: float | None = None
    """Intensity above which voxels are measured; None where all are."""

    @property
    def are_own(self) -> bool:
        """Whether the image's own numbers decide, so that many of them are needed."""
        return self.window is None or self.standardise


@dataclass(frozen=True)
class Scale:
    """What is done to the intensities of a volume, or of all volumes of an image."""

    window: Window | None
    """What becomes 0 and 1, or the limits before it is standardised."""
    mean: NDArray[np.float64] | None = None
    """(C, 1, 1, 1) array: mean of each channel, where it is standardised."""
    spread: NDArray[np.float64] | None = None
    """(C, 1, 1, 1) array: standard deviation of each channel, above 0."""
    above: float | None = None
    """What is not above this becomes 0, where it is standardised by its foreground."""

    def of(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the intensities (C, D, H, W) as a network sees them."""
        if self.mean is None or self.spread is None:
            return values if self.window is None else windowed(values, self.window)
        limited = values if self.window is None else np.clip(values, *self.window)
        scaled = (limited - self.mean) / self.spread
        if self.above is not None:
            scaled[values <= self.above] = 0
        return np.asarray(scaled)


def scale_by(
    thinned: NDArray[np.floating], how: Measures, least: float, most: float
) -> tuple[Scale, list[str]]:
    """Return what is done to intensities, and what a person should know of it.

    Parameters
    ----------
    thinned : (C, N) float array
        Voxels of the volume, in any order, which is lost.
    how : Measures
        What the model's card asks for.
    least, most : float
        Least and greatest of all of its voxels.
    """
    notices, above, chosen = list[str](), how.above, thinned
    if above is not None and not (thinned > above).any():
        notices.append(
            f"no intensity is above {above:g}, where foreground begins: all voxels "
            "were measured"
        )
        above = None
    if above is not None:
        chosen = thinned[thinned > above]
    window = how.window
    if window is not None:
        notices += unlike_the_window(thinned, window, least, most)
    elif how.percentiles is not None or not how.standardise:
        ends = (least, most) if above is None else (float(chosen.min()), most)
        copied = chosen if above is not None or not how.standardise else chosen.copy()
        window, said = own_window(copied, *ends, how.percentiles or _PERCENTILES)
        notices += said
    if not how.standardise:
        return Scale(window), notices
    moments = [_moments(channel, window, above) for channel in thinned]
    mean, spread = (
        np.array(each).reshape(-1, 1, 1, 1) for each in zip(*moments, strict=True)
    )
    return Scale(window, mean, spread, above), notices


def _moments(
    values: NDArray[np.floating], window: Window | None, above: float | None
) -> tuple[float, float]:
    """Return mean and standard deviation of a channel; 0 and 1 where nothing is."""
    chosen = (values if above is None else values[values > above]).astype(np.float64)
    if window is not None:
        chosen = np.clip(chosen, *window)
    if not len(chosen):
        return 0.0, 1.0
    return float(chosen.mean()), float(chosen.std()) or 1.0


def own_window(
    thinned: NDArray[np.floating],
    least: float,
    most: float,
    percentiles: tuple[float, float] = _PERCENTILES,
) -> tuple[Window, list[str]]:
    """Return the percentiles that become 0 and 1, or the range where they agree.

    Also what a person should know. The order of `thinned` is lost.
    """
    low, high = map(float, np.percentile(thinned, percentiles, overwrite_input=True))
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
