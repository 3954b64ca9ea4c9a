"""How sure the routing is: how many noise samples to draw, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.inference.pictures.colours import ColourKey
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.colours import ColourBar
from napari_dmoe.viewer.ui.findings import FindingView
from napari_dmoe.viewer.ui.parts import (
    Fold,
    StartButton,
    column,
    offer,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.tables import Facts
from napari_dmoe.viewer.what_if.noise.maps import ABOUT, QUESTION

MOST_SAMPLES = 64
"""As :data:`napari_dmoe.inference.what_if.uncertainty.MOST_SAMPLES`, without torch."""

_SAMPLES = 16
_RUN_HELP = (
    f"{ABOUT} Adds a map of where the runs disagree, and the mask of the most votes."
)
_MAP_HELP = (
    "What is shown of the samples' votes; nothing of it is seen where all agree."
)
NO_MAP = "no map"


class NoiseSection(QWidget):
    """Tells how many samples to draw, and shows what they agree on."""

    run_requested = Signal(int, int)
    """Number of samples, and the seed."""
    map_chosen = Signal(int)
    """Place in the list of maps that was shown; its first entry is none."""

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
        self.map_combo = parts.narrow_combo("Map", _MAP_HELP)
        self.map_combo.activated.connect(self.map_chosen)
        self._map_row = row(QLabel("Map"), self.map_combo, stretch=1)
        self.bar = ColourBar()
        self.table = Facts("The middle 95 % of the runs.")
        self.found = FindingView(
            "noise",
            "the intervals",
            self.table,
            between=(self.layers, self._map_row, self.bar),
            rows=self.table.file_rows,
        )
        seed = row(QLabel("seed"), self.seed, stretch=1)
        self.fold = Fold("Seed", "Which noise is drawn.", seed)
        inputs = row(self.samples, self.run_button), self.fold, self.problem
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
        self._map_row.setVisible(False)
        self.bar.show_key(None)

    def show_found(
        self,
        badge: str,
        summary: str,
        rows: Sequence[TableRow],
        *,
        layers: str,
        maps: Sequence[str],
    ) -> None:
        """Show what the samples agree on.

        That is what the mask of the most votes is, how much the samples disagree, a
        row for each class, where that mask is, and the maps that can be seen.
        """
        say(self.problem, "")
        self.found.say(badge, summary)
        say(self.layers, layers)
        offer(self.map_combo, (NO_MAP, *maps))
        self._map_row.setVisible(True)
        self.table.show_facts(rows)

    def show_map(self, place: int, key: ColourKey | None) -> None:
        """Show which map is seen, and what its colours mean."""
        self.map_combo.setCurrentIndex(place)
        self.bar.show_key(key)

    def show_problem(self, text: str) -> None:
        """Say why nothing was run."""
        say(self.problem, text)

    def _on_run(self) -> None:
        self.run_requested.emit(self.samples.value(), self.seed.value())
