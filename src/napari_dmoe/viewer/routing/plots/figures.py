"""The plots of the routing, drawn on figures of matplotlib. Knows no Qt.

Importing it takes a moment, so that widgets do it when they show their first plot.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from napari_dmoe.inference.pictures.colours import (
    MARK_COLOUR,
    expert_colours,
    hex_of,
    ink_on,
)

_SMALL, _TINY = 8, 7.5  # points
_FOLDED = 8  # letters
_CHARACTER = 6.6  # pixels that a letter takes, about
_LOAD_COLORMAP = "viridis"
_ALIKE_COLORMAP = "cividis"
_MOST_WRITTEN = 48
"""Cells of a heat map whose numbers can still be read."""


@dataclass(frozen=True)
class Ink:
    """The colours of a theme, as matplotlib takes them."""

    text: str = "#f0f1f2"
    background: str = "#262930"


PAPER = Ink("#000000", "#ffffff")
"""The colours of what is printed."""


def draw_loads(
    figure: Figure, load: NDArray[np.floating], block: int, unit: str, ink: Ink
) -> None:
    """Draw a heat map of loads, blocks from top to bottom, and mark the current one.

    The (L, E) `load` has shares in [0, 1], NaN where there is nothing; `unit` is what a
    block is called.
    """
    n_blocks, n_experts = load.shape
    axes = _fresh(figure, ink, left=34, right=10, top=8, bottom=40)
    axes.imshow(load, cmap=_LOAD_COLORMAP, vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(n_experts))
    axes.set_yticks(range(0, n_blocks, 1 if n_blocks <= 12 else 4))
    axes.set_xlabel("expert", fontsize=_SMALL, labelpad=4)
    axes.set_ylabel(unit, fontsize=_SMALL, labelpad=1)
    colours = expert_colours(n_experts)
    for tick, colour in zip(axes.get_xticklabels(), colours, strict=True):
        tick.set_bbox({"facecolor": hex_of(colour), "edgecolor": "none", "pad": 1.5})
        tick.set_color(hex_of(ink_on(colour)))
    if load.size <= _MOST_WRITTEN:
        for (row, place), share in np.ndenumerate(load):
            _write(axes, place, row, share, is_dark=share < 0.6, text=f"{share:.0%}")
    frame = Rectangle((-0.5, block - 0.5), n_experts, 1, fill=False)
    frame.set(edgecolor=hex_of(MARK_COLOUR), linewidth=2.5, clip_on=False, zorder=3)
    axes.add_patch(frame)


def draw_classes(
    figure: Figure, shares: NDArray[np.floating], classes: Sequence[str], ink: Ink
) -> None:
    """Draw a bar for each class, made of the experts' shares in their colours.

    The rows of `shares`, (K, E), sum to 1; that of a class that is not there is NaN.
    """
    axes = _fresh(figure, ink, left=_width(classes), right=24, top=4, bottom=20)
    rows = np.arange(len(classes))
    left = np.zeros(len(classes))
    filled = np.nan_to_num(shares)
    for expert, colour in enumerate(expert_colours(shares.shape[1])):
        axes.barh(rows, filled[:, expert], left=left, color=hex_of(colour), height=0.7)
        left += filled[:, expert]
    for row in np.flatnonzero(np.isnan(shares).any(1)):
        note = axes.text(0.02, int(row), "not here", color=ink.text, va="center")
        note.set_fontsize(_TINY)
    axes.set_yticks(rows, classes)
    axes.set_xticks([0, 0.5, 1], ["0", "50%", "100%"])
    axes.set_xlim(0, 1)
    axes.invert_yaxis()


def draw_alike(
    figure: Figure,
    matrix: NDArray[np.floating],
    names: Sequence[str],
    ink: Ink,
    *,
    limits: tuple[float, float],
) -> None:
    """Draw a small matrix of how alike the values of an attribute are, with numbers."""
    axes = _fresh(figure, ink, left=_width(names), right=10, top=6, bottom=34)
    low, high = limits
    axes.imshow(matrix, cmap=_ALIKE_COLORMAP, vmin=low, vmax=high, aspect="auto")
    axes.set_yticks(range(len(names)), names)
    short = [name if len(names) < 4 else _folded(name) for name in names]
    axes.set_xticks(range(len(names)), short)
    for (row, place), value in np.ndenumerate(matrix):
        is_dark = (value - low) / max(high - low, 1e-9) < 0.6
        text = f"{round(float(value), 2) + 0.0:.2f}"  # no minus before 0
        _write(axes, place, row, value, is_dark=is_dark, text=text)


def _fresh(
    figure: Figure, ink: Ink, *, left: float, right: float, top: float, bottom: float
) -> Axes:
    """Clear a figure and return its axes, with margins in pixels."""
    figure.clear()
    figure.set_facecolor(ink.background)
    width, height = figure.bbox.width, figure.bbox.height  # of a part of one, too
    x, y = min(left / width, 0.6), min(bottom / height, 0.6)
    across = max(1 - x - right / width, 0.1)
    axes = figure.add_axes((x, y, across, max(1 - y - top / height, 0.1)))
    axes.set_facecolor(ink.background)
    axes.tick_params(colors=ink.text, labelsize=_SMALL, length=0, pad=4)
    axes.xaxis.label.set_color(ink.text)
    axes.yaxis.label.set_color(ink.text)
    axes.spines[:].set_visible(False)
    return axes


def _folded(name: str) -> str:
    """Return a name on two lines at most, each of a few letters."""
    return textwrap.fill(name, _FOLDED, max_lines=2, placeholder="…")


def _width(names: Sequence[str]) -> float:
    """Return the pixels that names beside a plot take."""
    return max(map(len, names), default=0) * _CHARACTER + 10


def _write(
    axes: Axes, x: float, y: float, value: float, *, is_dark: bool, text: str
) -> None:
    if np.isfinite(value):
        colour = "white" if is_dark else "black"
        axes.text(x, y, text, color=colour, fontsize=_TINY, ha="center", va="center")
