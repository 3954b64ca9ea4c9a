"""How sure the routing is: how many noise samples to draw, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.inference.pictures.colours import ColourKey
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.colours import MapLegend
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.parts import Fold, StartButton, column, paragraph, row, say
from napari_dmoe.viewer.ui.tables import Facts
from napari_dmoe.viewer.what_if.noise.maps import ABOUT, QUESTION

MOST_SAMPLES = 64
"""As :data:`napari_dmoe.inference.what_if.uncertainty.MOST_SAMPLES`, without torch."""

_SAMPLES = 16
_RUN_HELP = (
    f"{ABOUT} Adds a map of where the runs disagree, how many runs give each class, "
    "and the mask of the most votes."
)


class NoiseSection(QWidget):
    """Tells how many samples to draw, and shows what they agree on."""

    run_requested = Signal(int, int)
    """Number of samples, and the seed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.samples = parts.spin_box(
            "Runs with noise", "How often the model is run: 1 to 64.", 1, MOST_SAMPLES
        )
        self.samples.setSuffix(" runs")
        self.samples.setValue(_SAMPLES)
        self.seed = parts.spin_box(
            "Seed of the noise",
            "The same seed draws the same noise; more runs go on where fewer ended.",
            0,
        )
        self.run_button = parts.button("Add noise", "", self._on_run, StartButton)
        self.problem = paragraph(name="noise-problem")
        self.layers = paragraph(name="noise-layers")
        self.legend = MapLegend()
        self.table = Facts("The middle 95 % of the runs.")
        self.found = FindingView(
            "noise",
            "the intervals",
            self.table,
            between=(self.layers, self.legend),
            rows=self.table.file_rows,
        )
        seed = row(QLabel("seed"), self.seed, stretch=1)
        fold = Fold("Seed", "Which noise is drawn.", seed)
        inputs = row(self.samples, self.run_button), fold, self.problem
        column(self, parts.heading("NOISE"), paragraph(QUESTION), *inputs, self.found)
        self.allow("")
        self.show_nothing()

    def allow(self, why_not: str) -> None:
        """Let samples be drawn, or say why they cannot be."""
        parts.allow(self.run_button, why_not, _RUN_HELP)
        say(self.problem, why_not)

    def show_nothing(self) -> None:
        """Show no result."""
        self.found.show_nothing()
        say(self.layers, "")
        self.legend.show_keys(())

    def show_found(
        self,
        badge: str,
        summary: str,
        rows: Sequence[TableRow],
        *,
        layers: str,
        keys: Sequence[ColourKey],
    ) -> None:
        """Show what the samples agree on.

        That is what the mask of the most votes is, how much the samples disagree, a
        row for each class, which layers were added, and what their colours mean.
        """
        say(self.problem, "")
        self.found.say(badge, summary)
        say(self.layers, layers)
        self.legend.show_keys(keys)
        self.table.show_facts(rows)

    def show_problem(self, text: str) -> None:
        """Say why nothing was run."""
        say(self.problem, text)

    def _on_run(self) -> None:
        self.run_requested.emit(self.samples.value(), self.seed.value())
