"""Which map of the routing: its kind, what it is of, and the run that it may need."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QIcon, QStandardItemModel
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget
from superqt.utils import signals_blocked

from napari_dmoe.inference.maps.overlays import OVERLAYS
from napari_dmoe.viewer.routing.overlay import Overlay
from napari_dmoe.viewer.routing.state import RoutingState
from napari_dmoe.viewer.ui import parts
from napari_dmoe.viewer.ui.parts import column, narrow_combo, offer, row, say

_MOST_SAMPLES = 64
_LARGEST_SEED = 99_999
_FEW = 2  # characters of a value that are always seen: two lists stand in a row
_COMPUTE_HELP = (
    "Runs the model in the background for what this map needs. What it finds is kept "
    "for as long as the result is, for the whole network."
)


class MapSection(QWidget):
    """Lets a person choose a map."""

    changed = Signal()
    """A person chose another map, or what it is of."""
    compute_wanted = Signal()
    """The run that the map needs is to begin."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names = tuple(OVERLAYS)
        self._busiest, self._is_expert_chosen = 0, False
        self._drivers: dict[str, tuple[str, ...]] = {}
        self.map_combo = narrow_combo("Map", "What is shown of the routing.")
        for place, kind in enumerate(OVERLAYS.values()):
            self.map_combo.addItem(kind.title)
            self.map_combo.setItemData(place, kind.help, Qt.ItemDataRole.ToolTipRole)
        self.map_combo.activated.connect(self._on_map)
        self.help = parts.paragraph(name="map-help")
        self.expert_combo = narrow_combo("Expert", "Expert that the map is of.")
        self.expert_combo.activated.connect(self._on_expert)
        self._make_values()
        self._make_samples()
        self.compute_button = parts.button(
            "Compute", _COMPUTE_HELP, self.compute_wanted, parts.StartButton
        )
        self.missing = parts.paragraph(name="map-missing")
        self.note = parts.paragraph(name="routing-note")
        self._expert_row = row(QLabel("Expert"), self.expert_combo, stretch=1)
        column(
            self,
            row(QLabel("Map"), self.map_combo, stretch=1),
            self.help,
            self._expert_row,
            self.attribute_combo,
            self._values_row,
            self._samples_row,
            self.missing,
            self.compute_button,
            self.note,
        )

    def _make_values(self) -> None:
        self.attribute_combo = narrow_combo(
            "Attribute", "Attribute whose values are compared."
        )
        self.attribute_combo.activated.connect(self._on_attribute)
        self.first_combo = narrow_combo(
            "First value", "One of the two values.", characters=_FEW
        )
        self.second_combo = narrow_combo(
            "Second value", "The other of the two values.", characters=_FEW
        )
        for combo in (self.first_combo, self.second_combo):
            combo.activated.connect(self.changed)
        self._values_row = row(self.first_combo, QLabel("and"), self.second_combo)
        layout = self._values_row.layout()
        if isinstance(layout, QHBoxLayout):
            layout.setStretch(2, 1)

    def _make_samples(self) -> None:
        what = "How often the model is run with the published noise: 1 to 64."
        self.samples_spin = parts.spin_box("Runs with noise", what, 1, _MOST_SAMPLES)
        what = "The same seed draws the same noise."
        self.seed_spin = parts.spin_box("Seed", what, 0, _LARGEST_SEED)
        for spin in (self.samples_spin, self.seed_spin):
            spin.setKeyboardTracking(False)
            spin.valueChanged.connect(self.changed)
        self._samples_row = QWidget()
        column(
            self._samples_row,
            row(QLabel("Runs"), self.samples_spin, stretch=1),
            row(QLabel("Seed"), self.seed_spin, stretch=1),
        )

    def overlay(self) -> Overlay:
        """Return the map that is chosen, without its block."""
        return Overlay(
            name=self._names[max(self.map_combo.currentIndex(), 0)],
            expert=max(self.expert_combo.currentIndex(), 0),
            attribute=self.attribute_combo.currentData() or "",
            values=(self.first_combo.currentText(), self.second_combo.currentText()),
            samples=self.samples_spin.value(),
            seed=self.seed_spin.value(),
        )

    def choose(self, overlay: Overlay) -> None:
        """Choose a map and an expert, as if a person had; nothing is told."""
        self.map_combo.setCurrentIndex(self._names.index(overlay.name))
        self.expert_combo.setCurrentIndex(overlay.expert)
        self._is_expert_chosen = True

    def show_state(self, state: RoutingState) -> None:
        """Show which map is chosen; nothing is told."""
        overlay, kind = state.overlay, state.overlay.kind
        self._busiest = state.busiest
        self._bar(state)
        self.map_combo.setCurrentIndex(self._names.index(overlay.name))
        say(self.help, kind.help)
        offer(self.expert_combo, [str(e) for e in range(state.n_experts)])
        for expert, line in enumerate(state.legend):
            icon = QIcon(parts.swatch(line.colour or (0, 0, 0)))
            self.expert_combo.setItemIcon(expert, icon)
        self.expert_combo.setCurrentIndex(overlay.expert)
        self._expert_row.setVisible(kind.is_of_one_expert)
        self._show_values(state)
        with signals_blocked(self.samples_spin), signals_blocked(self.seed_spin):
            self.samples_spin.setValue(overlay.samples)
            self.seed_spin.setValue(overlay.seed)
        self._samples_row.setVisible(kind.needs == "samples")
        say(self.missing, " ".join(filter(None, (state.missing, state.why_no_run))))
        self.compute_button.setVisible(bool(state.missing))
        parts.allow(self.compute_button, state.why_no_run, _COMPUTE_HELP)
        say(self.note, state.note)

    def _bar(self, state: RoutingState) -> None:
        """Make maps that the result cannot have impossible to choose, and say why."""
        model = self.map_combo.model()
        for place, (name, kind) in enumerate(OVERLAYS.items()):
            why = state.barred.get(name, "")
            item = model.item(place) if isinstance(model, QStandardItemModel) else None
            if item is not None:
                item.setEnabled(not why)
                item.setToolTip(why or kind.help)

    def _show_values(self, state: RoutingState) -> None:
        overlay = state.overlay
        self._drivers = {each.name: each.values for each in state.drivers}
        labels = [each.label for each in state.drivers]
        offer(self.attribute_combo, labels, list(self._drivers))
        place = self.attribute_combo.findData(overlay.attribute)
        self.attribute_combo.setCurrentIndex(place)
        values = self._drivers.get(overlay.attribute, ())
        self._offer(values, overlay.values)
        are_shown = overlay.kind.needs == "two values" and bool(values)
        self._values_row.setVisible(are_shown)
        self.attribute_combo.setVisible(are_shown and len(labels) > 1)

    def _offer(self, values: Sequence[str], chosen: Sequence[str]) -> None:
        """Offer the values of an attribute, of which two are chosen."""
        for combo, value in zip(
            (self.first_combo, self.second_combo), chosen, strict=True
        ):
            offer(combo, values)
            combo.setCurrentIndex(combo.findText(value))

    def _on_map(self, place: int) -> None:
        if OVERLAYS[self._names[place]].is_of_one_expert and not self._is_expert_chosen:
            self.expert_combo.setCurrentIndex(self._busiest)  # others may be empty
        self.changed.emit()

    def _on_expert(self) -> None:
        self._is_expert_chosen = True
        self.changed.emit()

    def _on_attribute(self) -> None:
        values = self._drivers.get(self.attribute_combo.currentData() or "", ())
        self._offer(values, (values[0], values[-1]) if values else ("", ""))
        self.changed.emit()
