"""Loss and Dice of every group, epoch by epoch, while a tuning goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_dmoe.evaluation.groups.membership import EVERYBODY, values_in
from napari_dmoe.evaluation.groups.table import counted_mean
from napari_dmoe.viewer.ui.parts import column, paragraph, say
from napari_dmoe.viewer.ui.plot import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_dmoe.training.loop.history import Epoch

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442"),
)
"""Okabe and Ito's, which most people can tell apart."""

_DASHES = ("-", "--", "-.", ":")
_HEIGHT = 230
_SMALL = 7
_MOST_GROUPS, _LEGEND_COLUMNS = 8, 2


class CurvesSection(QWidget):
    """Draws the curves; takes no room before there is an epoch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.note = paragraph(name="curves-note")
        self.plot = Plot("Loss and Dice by round")
        column(self, self.note, self.plot)
        self._ink, self._paper = "#000000", "#ffffff"
        self._epochs: Sequence[Epoch] = ()
        self.setVisible(False)

    def show_theme(self, ink: str, paper: str) -> None:
        """Draw in other colours of text and background."""
        self._ink, self._paper = ink, paper
        self._draw()

    def show_epochs(self, epochs: Sequence[Epoch], note: str) -> None:
        """Draw some epochs, and say what they were measured on."""
        self._epochs = list(epochs)
        say(self.note, note if epochs else "")
        self.setVisible(bool(epochs))
        self._draw()

    def _draw(self) -> None:
        if self._epochs:
            self.plot.show_figure(self._paint, height=_HEIGHT)

    def _paint(self, figure: Figure) -> None:
        figure.clear()
        figure.set_layout_engine("constrained")
        figure.set_facecolor(self._paper)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
        for axes in (above, below):
            self._dress(axes)
        rounds = [epoch.number + 1 for epoch in self._epochs]
        above.plot(rounds, [e.loss for e in self._epochs], color=self._ink, marker=".")
        above.set_ylabel("loss", fontsize=_SMALL)
        for place, (group, dice) in enumerate(dice_by_group(self._epochs).items()):
            below.plot(
                rounds,
                dice,
                marker=".",
                color=COLOURS[place % len(COLOURS)],
                linestyle=_DASHES[place % len(_DASHES)],
                label=_with_n(group, self._epochs[-1]),
            )
        below.set_ylabel("Dice", fontsize=_SMALL)
        below.set_xlabel("round", fontsize=_SMALL)
        below.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        figure.legend(
            loc="outside lower center",
            ncols=_LEGEND_COLUMNS,
            fontsize=_SMALL,
            labelcolor=self._ink,
            frameon=False,
        )

    def _dress(self, axes: Any) -> None:
        axes.set_facecolor(self._paper)
        axes.tick_params(colors=self._ink, labelsize=_SMALL)
        axes.xaxis.label.set_color(self._ink)
        axes.yaxis.label.set_color(self._ink)
        for side, spine in axes.spines.items():
            spine.set_color(self._ink)
            spine.set_visible(side in ("left", "bottom"))


def _with_n(group: str, epoch: Epoch) -> str:
    """Name a group, with how many cases its curve is the mean of, if that is known."""
    n = epoch.n if group == EVERYBODY else epoch.n_groups.get(group, 0)
    return f"{values_in(group)} (n {n})" if n else values_in(group)


def dice_by_group(epochs: Sequence[Epoch]) -> Mapping[str, list[float]]:
    """Return the mean Dice over the classes, by group and epoch.

    One curve for everybody where there are no groups, or too many to be told apart.
    """
    groups = list(dict.fromkeys(name for epoch in epochs for name in epoch.groups))
    if not 1 < len(groups) <= _MOST_GROUPS:
        return {EVERYBODY: [counted_mean(epoch.dice.values()) for epoch in epochs]}
    return {
        group: [counted_mean(epoch.groups.get(group, {}).values()) for epoch in epochs]
        for group in groups
    }
