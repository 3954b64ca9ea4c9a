"""Groups as dots with their intervals, laid out for a page, which draws them itself.

A page draws lines and text sharper than a picture, in its own colours by day, in the
dark and in print; the template ``groups.svg.j2`` says how they look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_dmoe.evaluation.reporting.figures import (
    MODEL_COLOURS,
    GroupMark,
    Series,
    groups_drawn,
)

WIDTH = 720.0
_ROW, _LINE = 30.0, 17.0
"""Heights of a group, and of each further model in it."""
_TOP, _BOTTOM, _RIGHT = 8.0, 46.0, 16.0
_LETTER = 7.0
"""How wide a letter of a label is, about."""
_LONGEST = 34
_KEY_ROW = 20.0
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Label:
    """One group's name, and how many cases each model counts in it."""

    y: float
    text: str
    n: str
    is_small: bool


@dataclass(frozen=True)
class Tick:
    """One number of the axis."""

    x: float
    text: str


@dataclass(frozen=True)
class Dot:
    """One group of one model."""

    model: int
    """Which colour and shape."""
    x: float
    y: float
    is_small: bool
    interval: tuple[float, float] | None
    middle: tuple[float, float] | None
    """Where the middle half of its cases lies: no case is seen alone."""


@dataclass(frozen=True)
class Key:
    """One model in the legend, or where its mean over all cases lies."""

    model: int
    x: float
    y: float
    text: str = ""


@dataclass(frozen=True)
class Plot:
    """Where everything lies, in pixels from the top left."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    title: str
    labels: tuple[Label, ...]
    ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    overall: tuple[Key, ...]
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class _Axis:
    left: float
    right: float
    low: float
    high: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.left + share * (self.right - self.left), 1)


def plot_of(series: Sequence[Series], *, score: str) -> Plot | None:
    """Lay groups out as rows, each model a dot in them; None where there is no mean.

    Parameters
    ----------
    series : sequence of Series
        One a model.
    score : str
        What is measured, for the axis.
    """
    series = [each for each in series if any(map(_is_drawn, each.marks))]
    if not series:
        return None
    names = groups_drawn(series)
    counts = [_counts(series, name) for name in names]
    letters = max(len(_short(name) + n) for name, n in zip(names, counts, strict=True))
    left = min(0.42 * WIDTH, _LETTER * letters + 48)
    keys = _keys(series) if len(series) > 1 else ()
    top = _TOP + (keys[-1].y + 8 if keys else 0)
    row = _ROW + _LINE * (len(series) - 1)
    bottom = top + row * len(names)
    axis, ticks = _scale(series, left)
    middles = {name: top + row * (i + 0.5) for i, name in enumerate(names)}
    return Plot(
        width=WIDTH,
        height=bottom + _BOTTOM,
        left=left,
        right=axis.right,
        top=top,
        bottom=bottom,
        title=score,
        labels=tuple(
            Label(middles[name], _short(name), n, _is_small(series, name))
            for name, n in zip(names, counts, strict=True)
        ),
        ticks=ticks,
        dots=tuple(
            _dot(mark, place, middles[mark.group] + _offset(place, len(series)), axis)
            for place, each in enumerate(series)
            for mark in each.marks
            if _is_drawn(mark)
        ),
        overall=tuple(
            Key(_look(place), axis(each.overall), top)
            for place, each in enumerate(series)
            if math.isfinite(each.overall)
        ),
        keys=keys,
    )


def _is_drawn(mark: GroupMark) -> bool:
    return math.isfinite(mark.mean)


def _look(place: int) -> int:
    return place % len(MODEL_COLOURS)


def _offset(place: int, n: int) -> float:
    return _LINE * (place - (n - 1) / 2)


def _dot(mark: GroupMark, place: int, y: float, axis: _Axis) -> Dot:
    middle = _middle(mark)
    has_interval = math.isfinite(mark.low) and math.isfinite(mark.high)
    return Dot(
        _look(place),
        axis(mark.mean),
        y,
        mark.is_small,
        (axis(mark.low), axis(mark.high)) if has_interval else None,
        (axis(middle[0]), axis(middle[1])) if middle else None,
    )


def _middle(mark: GroupMark) -> tuple[float, float] | None:
    values = np.array([v for v in mark.values if math.isfinite(v)], np.float64)
    if len(values) < 2:
        return None
    low, high = np.quantile(values, (0.25, 0.75))
    return float(low), float(high)


def _scale(series: Sequence[Series], left: float) -> tuple[_Axis, tuple[Tick, ...]]:
    """Return an axis from one round number to another, and the numbers on it."""
    shown = [each.overall for each in series]
    for mark in (m for each in series for m in each.marks if _is_drawn(m)):
        shown += [mark.mean, mark.low, mark.high, *(_middle(mark) or ())]
    finite = [value for value in shown if math.isfinite(value)]
    low, high = min(finite), max(finite)
    spread = (high - low) or max(abs(high), 1.0) * 0.1
    rough = spread / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    digits = max(0, -math.floor(math.log10(step)) + (step / power == 2.5))
    axis = _Axis(left, WIDTH - _RIGHT, first * step, last * step)
    return axis, tuple(
        Tick(axis(n * step), f"{n * step:.{digits}f}") for n in range(first, last + 1)
    )


def _counts(series: Sequence[Series], name: str) -> str:
    found = [m.n for each in series for m in each.marks if m.group == name]
    return " / ".join(f"{n:,}" for n in dict.fromkeys(found))


def _is_small(series: Sequence[Series], name: str) -> bool:
    return all(m.is_small for each in series for m in each.marks if m.group == name)


def _short(name: str, longest: int = _LONGEST) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _keys(series: Sequence[Series]) -> tuple[Key, ...]:
    """Return the legend, one model after another in lines."""
    x, y = 8.0, _KEY_ROW / 2
    found: list[Key] = []
    for place, each in enumerate(series):
        text = _short(each.name, 60)
        width = 40 + _LETTER * len(text)
        if found and x + width > WIDTH:
            x, y = 8.0, y + _KEY_ROW
        found.append(Key(_look(place), x, y, text))
        x += width
    return tuple(found)
