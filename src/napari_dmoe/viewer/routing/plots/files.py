"""The plots of the routing as pictures, and their numbers as tables. Knows no Qt."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_dmoe.imaging.disk.atomic import atomic_path
from napari_dmoe.imaging.tables import write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
TABLE = ".csv"

_WIDTH, _LINE = 480, 15  # pixels
_DPI = 100
_CHARACTERS = 84
"""Characters that a line of a picture holds."""
_PRINTED_DPI = 200
_SMALL = 8  # points


@dataclass(frozen=True)
class ShownPlot:
    """A plot, ready to be drawn once more; plots that look alike are equal."""

    title: str
    paint: Callable[..., None] = field(compare=False)
    """Draws it on a figure; takes the colours as ``ink``."""
    height: int
    """In pixels."""
    rows: tuple[Mapping[str, str], ...]
    """Its numbers, a row each, by column."""
    marked: int | None = None
    """The block that it marks."""


@dataclass(frozen=True)
class ShownPlots:
    """All plots that are shown of a result."""

    plots: Mapping[str, ShownPlot]
    """The plots by their keys, from top to bottom."""
    whose: str
    """Of which result they are, and for whom it was made."""
    note: str
    """What must be said with them."""
    name: str
    """Proposed for their file."""


def plot_path(path: Path, kind: str = "") -> Path:
    """Return where plots are written; a name without an ending gets one.

    Parameters
    ----------
    path : Path
        What a person chose.
    kind : str
        The kind of file that was chosen, such as ``"SVG (*.svg)"``.

    Raises
    ------
    ValueError
        When it ends like another kind of file.
    """
    known = (*PICTURES, TABLE)
    if path.suffix.lower() in known:
        return path
    if path.suffix:
        raise ValueError(
            f"{path.name} cannot be saved: give a name that ends in "
            f"{', '.join(PICTURES)}, or in {TABLE} for the numbers"
        )
    return path.with_suffix(next((e for e in known if f"*{e}" in kind), PICTURES[0]))


def save_plots(path: Path, shown: ShownPlots) -> None:
    """Write plots as a picture, or their numbers as a table, by the path's ending.

    Raises
    ------
    OSError
        When the file cannot be written; nothing is left half-written.
    """
    if path.suffix.lower() == TABLE:
        said = {"result": shown.whose, "note": shown.note}
        rows = (row for plot in shown.plots.values() for row in plot.rows)
        write_table(path, [{**row, **said} for row in rows])
        return
    figure = drawn(shown)
    with atomic_path(path) as partial_path:
        figure.savefig(partial_path, format=path.suffix.lower()[1:], dpi=_PRINTED_DPI)


def drawn(shown: ShownPlots) -> Figure:
    """Return one figure of all plots, each below its title, on white."""
    from matplotlib.figure import Figure

    from napari_dmoe.viewer.routing.plots.figures import PAPER

    parts: list[tuple[int, Callable[[Any], None]]] = []
    for plot in shown.plots.values():
        parts += [_text(plot.title), (plot.height, partial(plot.paint, ink=PAPER))]
    parts.append(_text(f"{shown.whose[:1].upper()}{shown.whose[1:]}\n{shown.note}"))
    heights = [height for height, _ in parts]
    size = (_WIDTH / _DPI, sum(heights) / _DPI)
    figure = Figure(figsize=size, dpi=_DPI, facecolor=PAPER.background)
    strips = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)
    for strip, (_, paint) in zip(strips[:, 0], parts, strict=True):
        paint(strip)
    return figure


def _text(text: str) -> tuple[int, Callable[[Any], None]]:
    """Return how high a text is, and what writes it."""
    wrapped = "\n".join(textwrap.fill(p, _CHARACTERS) for p in text.splitlines())

    def write(strip: Any) -> None:
        strip.text(0.01, 0.5, wrapped, fontsize=_SMALL, va="center", color="black")

    return _LINE * (wrapped.count("\n") + 1) + 4, write
