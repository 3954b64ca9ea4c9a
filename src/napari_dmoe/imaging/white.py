"""Which number is white in an image: decided once, for all of its planes together.

Networks of planes were published for bytes, whose white is 255, and take floats in
[0, 1] as fractions of it. What lies a hair above either, and a few hot pixels, change
nothing of that: they become white themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_dmoe.imaging.pixels import NOTHING_FINITE, channels_first
from napari_dmoe.imaging.resampling import PIXELS_AT_ONCE
from napari_dmoe.imaging.spatial import ImageError, SpatialImage
from napari_dmoe.progress import Pulse, no_pulse

BYTE = 255.0
"""White, as published."""

OVERSHOOT = {1.0: (1.5, 1.0), BYTE: (1.25 * BYTE, 0.15)}
"""How far floats may reach beyond white, and which share of them: a cubic zoom, noise,
rounding."""

_FEW, _FEW_OF_A_PLANE, _FEW_OF_SEEN = 1e-4, 3, 0.005
"""Hot pixels: as a share of all values, in one plane and channel, and as a share of
those that show something without them."""

_VISIBLE, _ENOUGH = 1 / 16, 0.01
"""An image shows something in a range when 1 % of it reaches a sixteenth of white."""

_GAP = 2.0
"""Hot pixels of images with more than 8 bits are so many times as high as the rest."""

_NEARLY_BLACK = "; nearly all of the image is nearly black"

_IN_TABLE = 2
"""Bytes of numbers that are so few that each of them is scaled once."""

_BYTES_IN_16_BITS = 257
"""A byte that was spread over 16 bits is a multiple of this."""


@dataclass(frozen=True)
class White:
    """The number that becomes 1, and what is to be said of it."""

    top: float
    notices: tuple[str, ...] = ()
    """What is unusual: values below 0, above white, or of more than 8 bits."""
    statement: str = ""
    """What was taken for white, where the numbers alone do not say it: of floats."""


@dataclass
class Range:
    """What is known of numbers that are looked at part by part, not kept."""

    dtype: np.dtype[Any]
    few: int
    """Values that may be hot pixels."""
    low: float = math.inf
    high: float = -math.inf
    n: int = 0
    n_bad: int = 0
    n_above: dict[float, int] = field(default_factory=lambda: {1.0: 0, BYTE: 0})
    n_visible: dict[float, int] = field(default_factory=lambda: {1.0: 0, BYTE: 0})
    octaves: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1025, int))
    """How many values from 16 on lie between each power of 2 and the next."""
    has_fractions: bool = False
    is_spread: bool = True
    """Whether all values are bytes that were spread over 16 bits."""
    largest: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """The largest values above those of bytes, in rising order."""

    def add(self, values: NDArray[Any]) -> None:
        """Look at some numbers."""
        part, n_bad = finite(values)
        self.n, self.n_bad = self.n + part.size, self.n_bad + n_bad
        high = float(part.max())
        self.low, self.high = min(self.low, float(part.min())), max(self.high, high)
        for white in self.n_above:
            self.n_visible[white] += int((part >= white * _VISIBLE).sum())
            if high > white:
                self.n_above[white] += int((part > white).sum())
        if values.dtype.kind == "f" and not self.has_fractions:
            self.has_fractions = bool((part != np.floor(part)).any())
        if self.is_spread:
            self.is_spread = not (part % _BYTES_IN_16_BITS).any()
        if high >= 16:
            exponents = part[part >= 16].view(np.int64) >> 52  # as frexp, but faster
            self.octaves += np.bincount(exponents - 1022, minlength=1025)
        if high > BYTE:
            self.largest = np.sort(
                np.concatenate([self.largest, _top(part[part > BYTE], self.few + 1)])
            )[-(self.few + 1) :]

    def shows(self, white: float) -> bool:
        """Whether an image can be seen in a range, but for a few hot pixels."""
        n_above = self.n_above[white]
        few = max(self.few, _FEW_OF_SEEN * (self.n_visible[white] - n_above))
        return n_above <= few and self.is_seen(white)

    def is_seen(self, white: float) -> bool:
        """Whether more than hot pixels reach a sixteenth of white."""
        if white in self.n_visible:
            n = self.n_visible[white]
        else:  # to the power of 2 below it
            n = int(self.octaves[math.frexp(white * _VISIBLE)[1] :].sum())
        return n >= max(1, _ENOUGH * self.n)


def white_of_values(values: NDArray[Any], *, pulse: Pulse = no_pulse) -> White:
    """Decide for the numbers (C, H, W) of one plane.

    Raises
    ------
    ImageError
        When nothing is finite.
    """
    if _is_known(values.dtype):
        return decide(Range(values.dtype, 0))
    found = Range(values.dtype, _few(values.size, len(values)))
    for rows in rows_of(values):
        pulse()
        found.add(values[rows])
    return decide(found)


def white_of_planes(
    planes: Iterable[SpatialImage],
    place: tuple[slice, ...],
    *,
    dtype: np.dtype[Any],
    n_values: int,
    n_planes: int,
    pulse: Pulse = no_pulse,
) -> White:
    """Decide for a stack whose planes are read one by one, and not kept.

    Bytes and masks need not be read. `place` is what is seen of each plane, `n_planes`
    counts them once for each channel, and `n_values` all that is seen.

    Raises
    ------
    ImageError
        For numbers that no network takes, and when nothing is finite.
    """
    if _is_known(dtype):
        return decide(Range(dtype, 0))
    found = Range(dtype, _few(n_values, n_planes))
    for plane in planes:
        pulse()
        values, _ = channels_first(plane, ("y", "x"), place=place, pulse=pulse)
        for rows in rows_of(values):
            pulse()
            found.add(values[rows])
    return decide(found)


def _is_known(dtype: np.dtype[Any]) -> bool:
    """Whether white is known without a look at the numbers."""
    return dtype.kind == "b" or dtype == np.uint8


def _few(n_values: int, n_planes: int) -> int:
    return max(_FEW_OF_A_PLANE * n_planes, int(_FEW * n_values))


def decide(found: Range) -> White:
    """Decide what is white in numbers that were looked at.

    Raises
    ------
    ImageError
        When nothing is finite.
    """
    if found.dtype.kind == "b":
        return White(1.0, ("the image is a mask: True was taken for white",))
    if found.dtype == np.uint8:
        return White(BYTE)
    if found.n and found.n_bad == found.n:
        raise ImageError(NOTHING_FINITE)
    top, beyond = _top_of(found)
    is_black = top != 1 and not found.is_seen(top)
    notices = [said + _NEARLY_BLACK for said in beyond] if is_black else list(beyond)
    if found.low < 0:
        notices.insert(0, f"values below 0 (down to {found.low:g}) were set to 0")
    statement = "" if beyond else _statement(found, top)
    return White(top, tuple(notices), statement)


def _top_of(found: Range) -> tuple[float, list[str]]:
    """Return what is white, and what becomes of values beyond it."""
    is_float = found.dtype.kind == "f"
    if is_float and 0 < found.high <= 1:
        return 1.0, []
    fitting = [
        white
        for white in OVERSHOOT
        if (white == BYTE or is_float)
        and (found.high <= white or found.shows(white) or _overshoots(found, white))
    ]
    if fitting:
        return fitting[0], _beyond(found, fitting[0], found.n_above[fitting[0]])
    if found.is_spread and found.high <= BYTE * _BYTES_IN_16_BITS:
        notice = "the image holds bytes spread over 16 bits: 65535 was taken for white"
        return BYTE * _BYTES_IN_16_BITS, [notice]
    top = found.high
    if len(found.largest) > found.few:
        top = _below_the_gap(found.largest)
    if top < found.high:
        return top, _beyond(found, top, int((found.largest > top).sum()))
    words = f"values reach {top:g}: 0 to {top:g} was scaled to 0 to 255"
    return top, [words]


def _overshoots(found: Range, white: float) -> bool:
    most, share = OVERSHOOT[white]
    is_near = found.has_fractions and found.high <= most
    return is_near and found.n_above[white] <= share * found.n


def _beyond(found: Range, top: float, n_above: int) -> list[str]:
    """Say what became of values beyond white, but for a hair's breadth."""
    if found.high <= top * (1 + 1e-3):
        return []
    values = "value" if n_above == 1 else "values"
    words = f"values reach {found.high:g}: {top:g} was taken for white, and "
    return [words + f"{n_above} {values} above it became white"]


def _below_the_gap(largest: NDArray[np.float64]) -> float:
    """Return the largest value that is no hot pixel."""
    gaps = np.flatnonzero(largest[1:] / _GAP > largest[:-1])
    return float(largest[gaps[0]] if len(gaps) else largest[-1])


def _statement(found: Range, top: float) -> str:
    if found.dtype.kind != "f" or found.high <= 0 or top not in OVERSHOOT:
        return ""
    words = f"the image's values reach {found.high:g}: {top:g} was taken for white"
    if top == BYTE and not found.is_seen(top):
        words += ", so that it is nearly black. Divide it by its white to change that"
    return words


def _top(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return values if len(values) <= n else np.partition(values, -n)[-n:]


def finite(values: NDArray[Any]) -> tuple[NDArray[np.float64], int]:
    """Return new 64-bit floats, with 0 for what is not finite, and how many are not."""
    with np.errstate(over="ignore"):  # what is too large becomes infinite
        floats = values.astype(np.float64)
    if values.dtype.kind in "ui":
        return floats, 0
    bad = ~np.isfinite(floats)
    n_bad = int(np.count_nonzero(bad))
    if n_bad:
        floats[bad] = 0
    return floats, n_bad


def rows_of(
    values: NDArray[Any], at_once: int = PIXELS_AT_ONCE
) -> Iterator[tuple[slice, slice]]:
    """Yield the rows (C, H, W) that are worked on at a time."""
    n = values.shape[1]
    step = max(1, n * at_once // values.size)
    for begin in range(0, n, step):
        yield slice(None), slice(begin, begin + step)


def unit_range(
    values: NDArray[Any], top: float, pulse: Pulse
) -> tuple[NDArray[np.float64], int, bool]:
    """Bring any numbers (C, H, W) to [0, 1] as the published 0-255 range does.

    Says how many of them are no finite ones, and whether each channel is constant.
    """
    if values.dtype.kind == "u" and values.dtype.itemsize <= _IN_TABLE:
        return _by_table(values, top, pulse), 0, _is_constant(values, pulse)
    scaled = np.empty(values.shape, np.float64)
    low, high, n_bad = np.inf, -np.inf, 0  # of each channel
    for rows in rows_of(values):
        pulse()
        part, n = finite(values[rows])
        low, high = (
            np.minimum(low, part.min((1, 2))),
            np.maximum(high, part.max((1, 2))),
        )
        n_bad += n
        np.clip(part, 0, top, out=part)
        scaled[rows] = part / np.float64(top)
    return scaled, n_bad, bool(np.array_equal(low, high))


def _by_table(values: NDArray[Any], top: float, pulse: Pulse) -> NDArray[np.float64]:
    """Look up what each number becomes: the same to the bit, in a tenth of the time."""
    numbers = np.arange(2 ** (8 * values.dtype.itemsize), dtype=np.float64)
    table = np.clip(numbers, 0, top) / np.float64(top)
    scaled = np.empty(values.shape, np.float64)
    for rows in rows_of(values):
        pulse()
        scaled[rows] = table[values[rows]]
    return scaled


def _is_constant(values: NDArray[Any], pulse: Pulse) -> bool:
    """Say whether each channel (C, H, W) is constant; looked at until one is not."""
    first = values[:, :1, :1]
    for rows in rows_of(values):
        pulse()
        if (values[rows] != first).any():
            return False
    return True
