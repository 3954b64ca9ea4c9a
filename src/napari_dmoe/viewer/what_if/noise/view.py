"""How sure the routing is: how many noise samples to draw, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QSpinBox, QWidget

from napari_dmoe.inference.pictures.colours import ColourKey
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui.asking import Exports
from napari_dmoe.viewer.ui.colours import MapLegend
from napari_dmoe.viewer.ui.parts import column, emphasise, heading, paragraph, row, say
from napari_dmoe.viewer.ui.start_button import StartButton
from napari_dmoe.viewer.ui.table import Table
from napari_dmoe.viewer.what_if.noise.maps import ABOUT

MOST_SAMPLES = 64
"""As :data:`napari_dmoe.inference.what_if.uncertainty.MOST_SAMPLES`, without torch."""

_SAMPLES = 16
_LARGEST_SEED = 2**31 - 1  # what a Qt spin box can hold
_RUN_HELP = (
    "Run the model with each sample's noise. Adds a map of the votes' entropy, the "
    "votes for each class, and the mask of the most votes."
)


class NoiseSection(QWidget):
    """Tells how many samples to draw, and shows what they agree on."""

    run_requested = Signal(int, int)
    """Number of samples, and the seed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.samples = _spin(
            "Noise samples", "How often the noise is drawn: 1 to 64.", _SAMPLES
        )
        self.samples.setRange(1, MOST_SAMPLES)
        self.samples.setValue(_SAMPLES)
        self.seed = _spin(
            "Seed of the noise",
            "The same seed draws the same noise; more samples go on where fewer ended.",
            0,
        )
        self.run_button = StartButton("Draw samples")
        self.run_button.clicked.connect(self._on_run)
        self.problem = paragraph(name="noise-problem")
        self.badge = paragraph(name="noise-badge")
        emphasise(self.badge)
        self.summary = paragraph(name="noise-summary")
        self.layers = paragraph(name="noise-layers")
        self.legend = MapLegend()
        self.table = Table("The middle 95 % of the samples.")
        self._rows: list[TableRow] = []
        self.exports = Exports("the intervals", self.text, self.file_rows)
        self._inputs = QWidget()
        column(
            self._inputs,
            row(QLabel("samples"), self.samples, stretch=1),
            row(QLabel("seed"), self.seed, stretch=1),
            self.run_button,
        )
        column(
            self,
            heading("NOISE"),
            paragraph(ABOUT),
            self._inputs,
            self.problem,
            self.badge,
            self.summary,
            self.layers,
            self.legend,
            self.table,
            self.exports,
        )
        self.allow("")
        self.show_nothing()

    def allow(self, why_not: str) -> None:
        """Let samples be drawn, or say why they cannot be."""
        self.run_button.setEnabled(not why_not)
        self.run_button.setToolTip(why_not or _RUN_HELP)
        say(self.problem, why_not)

    def show_nothing(self) -> None:
        """Show no result."""
        for label in (self.badge, self.summary, self.layers):
            say(label, "")
        self._rows = []
        self.legend.show_keys(())
        self.table.show_rows(())
        self.exports.setVisible(False)

    def show_found(
        self,
        badge: str,
        summary: str,
        rows: Sequence[TableRow],
        *,
        layers: str = "",
        keys: Sequence[ColourKey] = (),
    ) -> None:
        """Show what the samples agree on.

        Parameters
        ----------
        badge, summary : str
            What the mask of the most votes is, and how much the samples disagree.
        rows : sequence of TableRow
            A line for each class.
        layers : str
            Which layers were added.
        keys : sequence of ColourKey
            What the colours of the maps mean.
        """
        say(self.problem, "")
        say(self.badge, badge)
        say(self.summary, summary)
        say(self.layers, layers)
        self._rows = list(rows)
        self.legend.show_keys(keys)
        self.table.show_rows(rows)
        self.exports.setVisible(True)

    def show_problem(self, text: str) -> None:
        """Say why no sample was drawn."""
        say(self.problem, text)

    def text(self) -> str:
        """Return what is shown as text, with tabs between the columns."""
        head = (self.badge.text(), self.summary.text())
        return "\n".join((*head, self.table.text()))

    def file_rows(self) -> list[dict[str, str]]:
        """Return the intervals for a file; every line says that they are of noise."""
        return [dict(row.cells) for row in self._rows]

    def _on_run(self) -> None:
        self.run_requested.emit(self.samples.value(), self.seed.value())


def _spin(name: str, tooltip: str, value: int) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(0, _LARGEST_SEED)
    spin.setValue(value)
    spin.setAccessibleName(name)
    spin.setToolTip(tooltip)
    return spin
