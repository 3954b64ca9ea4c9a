"""The plot of the groups: what is drawn, and what a click in it is on. Knows no Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dmoe.evaluation.reporting.figures import (
    DARK,
    GroupMark,
    Kind,
    Look,
    Series,
    draw_groups,
    groups_drawn,
    height_of,
)
from napari_dmoe.viewer.fairness.results.rows import score_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_dmoe.viewer.fairness.results.figures import Figures, ModelFigures

_SMALL = 8
"""Points of the letters: the dock's own are no larger."""

_PIXELS = 84
"""Of an inch of :func:`height_of`, whose rows are made for larger letters."""

_SPREAD = 0.62
"""How far the models of a group lie apart, as a share of its row."""

_MARKED = 0.14
_LEGEND, _DPI = 190, 100
"""Pixels that a model's name needs, of a screen of so many in an inch."""
_ON_DARK = 0.55
"""How strong single cases are drawn on a dark ground, where the usual is too faint."""


@dataclass(frozen=True)
class GroupPlot:
    """What is drawn of figures."""

    series: tuple[Series, ...]
    score: str
    kind: Kind
    marked: tuple[int, str] | None = None
    """The model and the group whose cases are listed."""

    @classmethod
    def of(
        cls,
        figures: Figures,
        *,
        kind: Kind,
        unit: str = "",
        marked: tuple[int, str] | None = None,
    ) -> GroupPlot:
        """Return what is drawn of figures, every group named, also an empty one."""
        series = tuple(_series(each, figures.groups) for each in figures.models)
        return cls(series, score_name(figures.asked, unit), kind, marked)

    @property
    def rows(self) -> tuple[int, tuple[str, ...]]:
        """How many models there are, and which groups from the top."""
        return len(self.series), groups_drawn(self.series)

    @property
    def height(self) -> int:
        """How many pixels high it should be."""
        return round(height_of(self.series) * _PIXELS)

    def paint(self, figure: Figure, look: Look) -> None:
        """Draw it."""
        axes = draw_groups(
            figure, self.series, score=self.score, kind=self.kind, look=look
        )
        axes.tick_params(labelsize=_SMALL)
        axes.xaxis.label.set_fontsize(_SMALL)
        legend = axes.get_legend()
        if legend is not None:
            width = figure.get_size_inches()[0] * figure.dpi
            n_beside = int(width // (_LEGEND * figure.dpi / _DPI))
            legend.set_ncols(max(1, min(n_beside, len(self.series))))
        for text in [] if legend is None else legend.get_texts():
            text.set_fontsize(_SMALL)
        if look.grid == DARK.grid:
            for drawn in axes.collections:
                drawn.set_alpha(_ON_DARK)
        names = groups_drawn(self.series)
        if self.marked is not None and self.marked[1] in names:
            row = names.index(self.marked[1])
            axes.axhspan(row - 0.5, row + 0.5, color=look.faint, alpha=_MARKED, lw=0)

    def at(self, y: float | None) -> tuple[int, str] | None:
        """Return on which model and group a click at a height is; None beside all."""
        names = groups_drawn(self.series)
        if y is None or not names or not -0.6 <= y <= len(names) - 0.4:
            return None
        row = min(max(round(y), 0), len(names) - 1)
        n = len(self.series)
        if n == 1:
            return 0, names[row]
        apart = ((y - row) / _SPREAD + 0.5) * (n - 1)
        return min(max(round(apart), 0), n - 1), names[row]


def _series(model: ModelFigures, groups: tuple[str, ...]) -> Series:
    rows = {row.name: (row, interval) for row, interval in model.summary.rows}
    marks = []
    for name in groups:
        if name not in rows:
            marks.append(GroupMark(name, 0, math.nan))
            continue
        row, interval = rows[name]
        marks.append(
            GroupMark(
                name,
                row.n_counted,
                row.mean,
                interval.low,
                interval.high,
                model.values_of(name),
            )
        )
    overall = model.summary.table.statistics["mean"]
    return Series(model.title, tuple(marks), overall)
