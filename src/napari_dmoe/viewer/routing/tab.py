"""The tab that shows the routing: which map, of which block, and what its colours mean.

It knows neither the viewer nor the results; it ends in signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QWidget
from superqt import QLabeledSlider
from superqt.utils import signals_blocked

from napari_dmoe.inference.pictures.colours import hex_of
from napari_dmoe.viewer.routing.expert_legend import ExpertLegend
from napari_dmoe.viewer.routing.map_view import MapSection
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.routing.plots.view import PlotsSection
from napari_dmoe.viewer.routing.state import RoutingState
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.colours import ColourBar
from napari_dmoe.viewer.ui.parts import column, heading, paragraph, row, say

NOTHING = "No routing yet: segment an image with a model that has experts."
_HOVER = "Point at the image: the status bar names the experts there, and their gates."
_BETWEEN = 8


class RoutingTab(parts.ScrollColumn):
    """Lets a person choose a map of the routing, and shows how the work is shared."""

    overlay_wanted = Signal(object, bool)
    """An :class:`Overlay`, and whether it is to be seen."""
    run_wanted = Signal(object)
    """An :class:`Overlay` that needs a run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = paragraph(NOTHING, name="routing-title")
        self.departures = paragraph(name="routing-departures")
        parts.emphasise(self.departures)
        self.shown_box = QCheckBox("Show on the image")
        self.shown_box.setToolTip(
            "Shows the map below the mask, which becomes an outline meanwhile."
        )
        self.shown_box.clicked.connect(self._tell)
        self.hidden = paragraph(name="routing-hidden")
        self.block_label = QLabel()
        self.block_slider = QLabeledSlider(Qt.Orientation.Horizontal)
        self.block_slider.valueChanged.connect(self._tell)
        self.maps = MapSection()
        self.maps.changed.connect(self._tell)
        self.maps.compute_wanted.connect(self._on_compute)
        self.bar = ColourBar()
        self.legend = ExpertLegend()
        self.legend.expert_clicked.connect(self._on_expert)
        self.pairs = paragraph(name="pairs")
        self.plots = PlotsSection()
        self.plots.cell_clicked.connect(self._on_cell)
        self._lay_out()
        self.show_state(RoutingState())

    def _lay_out(self) -> None:
        self._body = QWidget()
        column(
            self._body,
            self.shown_box,
            self.hidden,
            row(self.block_label, self.block_slider, stretch=1),
            self.maps,
            self.bar,
            self.pairs,
            heading("EXPERTS · share of gates"),
            self.legend,
            paragraph(_HOVER),
            self.plots,
            spacing=_BETWEEN,
        )
        head = (heading("ROUTING"), self.title, self.departures)
        self.stack(*head, self._body, spacing=_BETWEEN)

    def overlay(self) -> Overlay:
        """Return the map that is chosen."""
        return replace(self.maps.overlay(), block=self.block_slider.value())

    def show_state(self, state: RoutingState) -> None:
        """Show another result's routing, or another map of it; nothing is told."""
        has_routing = state.n_blocks > 0
        say(self.title, state.title or NOTHING)
        say(self.departures, state.departures)
        self._body.setVisible(has_routing)
        if not has_routing:
            return
        self.shown_box.setChecked(state.is_shown)
        say(self.hidden, state.hidden)
        self._name_blocks(state.unit)
        with signals_blocked(self.block_slider):
            self.block_slider.setRange(0, state.n_blocks - 1)
            self.block_slider.setValue(state.overlay.block)
        self.block_slider.setEnabled(state.n_blocks > 1)
        self.maps.show_state(state)
        self.bar.show_key(state.key)
        say(self.pairs, _as_lines(state.pairs))
        is_of_one = state.overlay.kind.is_of_one_expert and state.is_shown
        chosen = state.overlay.expert if is_of_one else None
        self.legend.show_rows(state.legend, chosen, unit=state.unit)

    def _name_blocks(self, unit: str) -> None:
        """Call the blocks of a U-Net stages."""
        name = unit.capitalize()
        self.block_label.setText(name)
        self.block_slider.setAccessibleName(name)
        self.block_slider.setToolTip(f"{name} of the network, counted from 0.")
        self.pairs.setToolTip(
            f"In how much of the image each pair works, in this {unit}."
        )

    def _on_expert(self, expert: int) -> None:
        """Single an expert out; where it is already, show all again."""
        now = self.overlay()
        is_of_one = now.kind.is_of_one_expert
        if is_of_one and now.expert == expert and self.shown_box.isChecked():
            self._choose(replace(now, name="dominant"))
        else:
            name = now.name if is_of_one else "gate"
            self._choose(replace(now, name=name, expert=expert))

    def _on_cell(self, x: float | None, y: float | None) -> None:
        """Show the gate of the expert, in the block, whose cell was clicked."""
        experts = range(len(self.legend.buttons))
        blocks = range(self.block_slider.maximum() + 1)
        if x is None or y is None or round(x) not in experts or round(y) not in blocks:
            return
        now = replace(self.overlay(), name="gate")
        self._choose(replace(now, expert=round(x), block=round(y)))

    def _choose(self, overlay: Overlay) -> None:
        self.maps.choose(overlay)
        with signals_blocked(self.block_slider):
            self.block_slider.setValue(overlay.block)
        self.overlay_wanted.emit(overlay, True)

    def _on_compute(self) -> None:
        self.run_wanted.emit(self.overlay())

    def _tell(self, *_: object) -> None:
        # Choosing a map or a block is the wish to see it; the tick alone can hide it.
        is_wanted = self.shown_box.isChecked() or self.sender() is not self.shown_box
        self.overlay_wanted.emit(self.overlay(), is_wanted)


def _as_lines(rows: Sequence[TableRow]) -> str:
    """Return lines with a square of their colour; quicker than a widget for each."""
    lines = []
    for line in rows:
        square = f'<font color="{hex_of(line.colour)}">■</font> ' if line.colour else ""
        lines.append(f"{square}{line.name} · {line.value}")
    return "<br>".join(lines)
