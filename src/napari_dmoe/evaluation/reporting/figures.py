"""Groups as dots with their intervals, or as violins: drawn into a Figure of any owner.

The fairness dock draws with these functions; the page of a report draws itself, in
the same colours. They know no window and no pyplot; who shows the figure decides its
size, and whether it is light or dark.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_dmoe.evaluation.groups.membership import SMALL_GROUP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["dots", "violins"]
"""Dots alone, or with how the cases' scores are spread behind them."""

MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's: told apart with any kind of colour vision. Shapes differ, too."""

DARK_COLOURS = ("#4aa8e8", "#ff8a3d", "#2fc799", "#e39cc4", "#f2b632", "#8fd0f5")
"""The same for a dark ground."""

_SHAPES = "osD^vP"
_MOST_POINTS = 400
"""Cases of a group that are drawn one by one; of more a violin tells more."""


@dataclass(frozen=True)
class Look:
    """Colours of what is no model, for light or dark surroundings."""

    ink: str
    faint: str
    grid: str
    ground: str


LIGHT = Look(ink="#1d2433", faint="#7a8394", grid="#e4e7ec", ground="#ffffff")
DARK = Look(ink="#e6e9ef", faint="#8f98a8", grid="#333b49", ground="#161b24")


@dataclass(frozen=True)
class GroupMark:
    """One group of one model.

    Parameters
    ----------
    group : str
        What the group is called.
    n : int
        Counted cases; below
        :data:`~napari_dmoe.evaluation.groups.membership.SMALL_GROUP` it is drawn faint.
    mean, low, high : float
        The mean and the ends of its interval; NaN where there is none.
    values : tuple of float
        The cases' scores, for points and violins; empty where they are not shown.
    """

    group: str
    n: int
    mean: float
    low: float = math.nan
    high: float = math.nan
    values: tuple[float, ...] = ()

    @property
    def is_small(self) -> bool:
        """Whether so few cases count that the mean says little."""
        return self.n < SMALL_GROUP


@dataclass(frozen=True)
class Series:
    """One model's groups, and its mean over all cases."""

    name: str
    marks: tuple[GroupMark, ...]
    overall: float = math.nan


def groups_drawn(series: Sequence[Series]) -> tuple[str, ...]:
    """Return the groups in the order of their rows, from the top: row i is at y = i."""
    return tuple(dict.fromkeys(m.group for each in series for m in each.marks))


def height_of(series: Sequence[Series]) -> float:
    """Return how high a figure of these groups should be, in inches."""
    rows = len(groups_drawn(series)) * max(1.0, 0.62 * len(series))
    return 0.95 + 0.36 * max(rows, 1.0)


def draw_groups(
    figure: Figure,
    series: Sequence[Series],
    *,
    score: str,
    kind: Kind = "dots",
    look: Look = LIGHT,
) -> Axes:
    """Draw groups as rows: each mean, its interval, its cases and how many they are.

    Parameters
    ----------
    figure : Figure
        Drawn anew; what it held is gone.
    series : sequence of Series
        One a model; each has a colour and a shape of its own.
    score : str
        What is measured, for the axis.
    kind : {"dots", "violins"}
        Whether the spread of the cases stands behind the dots.
    look : Look
        Colours of what is no model.

    Returns
    -------
    Axes
        Row i of :func:`groups_drawn` lies at y = i, so that a click at `ydata` is on
        the group ``round(ydata)``. A group with few cases is drawn hollow; a dashed
        line is the mean over all cases.
    """
    figure.clear()
    figure.set_facecolor("none")
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    names = groups_drawn(series)
    for place, each in enumerate(series):
        colour = MODEL_COLOURS[place % len(MODEL_COLOURS)]
        shape = _SHAPES[place % len(_SHAPES)]
        offset = _offset(place, len(series))
        if not math.isnan(each.overall):
            axes.axvline(each.overall, color=colour, lw=1, ls=(0, (4, 3)), alpha=0.55)
        for mark in each.marks:
            y = names.index(mark.group) + offset
            _draw_cases(axes, mark, y, colour, kind, 0.36 / len(series))
            _draw_mark(axes, mark, y, (colour, look.ground), shape)
    _label(axes, series, names, look)
    axes.set_xlabel(score, color=look.ink)
    if len(series) > 1:
        _legend(axes, series, look)
    figure.set_layout_engine("constrained")
    return axes


def _offset(place: int, n: int) -> float:
    return 0.0 if n == 1 else 0.62 * (place / (n - 1) - 0.5)


def _draw_cases(
    axes: Axes, mark: GroupMark, y: float, colour: str, kind: Kind, half: float
) -> None:
    """Draw a group's cases, one by one or as a violin, behind its mean."""
    values = np.array([v for v in mark.values if math.isfinite(v)], np.float64)
    if not len(values):
        return
    is_spread = len(values) > 2 and float(np.ptp(values)) > 0
    if (kind == "violins" or len(values) > _MOST_POINTS) and is_spread:
        drawn = axes.violinplot(
            [values], [y], orientation="horizontal", widths=2 * half, showextrema=False
        )
        bodies: Any = drawn["bodies"]
        for body in bodies:
            body.set(facecolor=colour, edgecolor="none", alpha=0.22)
        return
    # Side by side in a fixed order: chance would draw another picture each time.
    steps = (np.arange(len(values)) * 0.618034) % 1 - 0.5
    axes.scatter(
        values, y + 1.5 * half * steps, s=7, color=colour, alpha=0.25, linewidths=0
    )


def _draw_mark(
    axes: Axes, mark: GroupMark, y: float, colours: tuple[str, str], shape: str
) -> None:
    """Draw a mean and its interval in a colour, hollow where few cases count."""
    colour, ground = colours
    if math.isnan(mark.mean):
        return
    if not (math.isnan(mark.low) or math.isnan(mark.high)):
        axes.plot([mark.low, mark.high], [y, y], color=colour, lw=2.2, alpha=0.9)
    face = ground if mark.is_small else colour
    style: dict[str, Any] = {"color": colour, "markerfacecolor": face}
    axes.plot([mark.mean], [y], shape, ms=7.5, mew=1.6, zorder=5, **style)


def _label(
    axes: Axes, series: Sequence[Series], names: Sequence[str], look: Look
) -> None:
    counts = [_counts(series, name) for name in names]
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels(
        [f"{_short(name)}  (n {n})" for name, n in zip(names, counts, strict=True)]
    )
    for tick, name in zip(axes.get_yticklabels(), names, strict=True):
        marks = [m for each in series for m in each.marks if m.group == name]
        tick.set_color(look.faint if all(m.is_small for m in marks) else look.ink)
        tick.set_parse_math(False)  # a group may be called $x$
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="x", colors=look.ink, length=0)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=look.grid, lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(look.grid)


def _counts(series: Sequence[Series], name: str) -> str:
    found = [m.n for each in series for m in each.marks if m.group == name]
    return " / ".join(map(str, dict.fromkeys(found)))


def _short(name: str, longest: int = 28) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _legend(axes: Axes, series: Sequence[Series], look: Look) -> None:
    from matplotlib.lines import Line2D

    shown = zip(series, itertools.cycle(MODEL_COLOURS), itertools.cycle(_SHAPES))
    keys = [
        Line2D([], [], marker=shape, lw=2.2, label=_short(each.name, 40), color=colour)
        for each, colour, shape in shown
    ]
    legend = axes.legend(
        handles=keys,
        frameon=False,
        fontsize="small",
        labelcolor=look.ink,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=min(3, len(keys)),
        borderaxespad=0.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
