"""Shares of the values of an unknown driver, which a person may state instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QWidget
from superqt.utils import signals_blocked

from napari_dmoe.viewer.bench import Bench, Control
from napari_dmoe.viewer.session.shares import restated
from napari_dmoe.viewer.ui.connections import Connections
from napari_dmoe.viewer.ui.parts import Fold, button, column, heading, paragraph, say

ABOUT = "How much does each value count where the attribute is unknown?"
_HELP = (
    "Where an attribute is unknown, the model runs every value and averages their "
    "probabilities, each weighted by how often it was trained, or as you state here."
)
_STEP = 5.0


@dataclass(frozen=True)
class DriverShares:
    """A driver and the shares of its values, which a person may have stated."""

    attribute: str
    label: str
    values: tuple[str, ...]
    shares: tuple[float, ...]
    """They sum to 1."""
    is_stated: bool


class PriorsSection(QWidget):
    """Shows the shares of every driver's values, and takes others."""

    share_entered = Signal(str, int, float)
    """A driver, the place of one of its values, and that value's new share."""
    reset_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, tuple[str, ...]] = {}
        self.boxes: dict[str, tuple[QDoubleSpinBox, ...]] = {}
        self._rows = QWidget()
        self.total = paragraph(name="priors-total")
        self.note = paragraph(name="priors-note")
        self.reset_button = button(
            "As in training",
            "Drop your weights, and take those of the training again.",
            self.reset_requested,
        )
        content, texts = QWidget(), (self.total, self.note)
        self._column = column(content, self._rows, *texts, self.reset_button)
        self.fold = Fold("Weights of the values", _HELP, content)
        title = heading("UNKNOWN VALUES")
        column(self, title, paragraph(ABOUT), self.fold)

    def show_drivers(self, drivers: Sequence[DriverShares]) -> None:
        """Show other drivers, or other shares; nothing is told."""
        before, self._values = self._values, {d.attribute: d.values for d in drivers}
        if self._values != before:
            self._build(drivers)
        for driver in drivers:
            boxes = self.boxes[driver.attribute]
            for box, share in zip(boxes, driver.shares, strict=True):
                with signals_blocked(box):
                    box.setValue(100 * share)
        stated = [d.label.lower() for d in drivers if d.is_stated]
        totals = (f"{d.label}: {100 * sum(d.shares):.0f} % in all" for d in drivers)
        say(self.total, "; ".join(totals))
        used = f"Your weights of {' and '.join(stated)} are used." if stated else ""
        say(self.note, used)
        self.reset_button.setEnabled(bool(stated))
        self.setVisible(bool(drivers))

    def _build(self, drivers: Sequence[DriverShares]) -> None:
        old, self._rows = self._rows, QWidget()
        form = QFormLayout(self._rows)
        form.setContentsMargins(4, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.boxes = {}
        for driver in drivers:
            boxes = tuple(self._box(driver, i) for i in range(len(driver.values)))
            for value, box in zip(driver.values, boxes, strict=True):
                name = f"{driver.label}: {value}" if len(drivers) > 1 else value
                form.addRow(name, box)
            self.boxes[driver.attribute] = boxes
        self._column.replaceWidget(old, self._rows)
        old.hide()
        old.deleteLater()

    def _box(self, driver: DriverShares, place: int) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(0.0, 100.0)
        box.setDecimals(1)
        box.setSingleStep(_STEP)
        box.setSuffix(" %")
        box.setKeyboardTracking(False)
        box.setProperty("attribute", driver.attribute)
        box.setProperty("place", place)
        box.setAccessibleName(
            f"Weight of {driver.label.lower()} {driver.values[place]}"
        )
        box.setToolTip(f"{_HELP} The other values share the rest as before.")
        box.valueChanged.connect(self._on_changed)
        return box

    def _on_changed(self, value: float) -> None:
        sender = self.sender()
        if sender is not None:
            attribute, place = (sender.property(key) for key in ("attribute", "place"))
            self.share_entered.emit(str(attribute), int(place), value / 100)


class PriorsControl(Control):
    """Connects the section of shares with the session."""

    def __init__(self, bench: Bench, section: PriorsSection) -> None:
        super().__init__(bench, section)
        session = bench.session
        self._section = section
        connections = Connections(self)
        connections.add(session.model_changed, self.show)
        connections.add(session.shares.changed, self.show)
        section.share_entered.connect(self._on_entered)
        section.reset_requested.connect(session.shares.reset)
        self.show()

    def show(self) -> None:
        """Show the shares of the model's drivers."""
        self._section.show_drivers(self._drivers())

    def _drivers(self) -> list[DriverShares]:
        model, stated = self._session.model, self._session.shares.by_driver
        if model is None:
            return []
        card = model.card
        return [
            DriverShares(
                attribute=each.name,
                label=each.label,
                values=each.values,
                shares=stated.get(each.name, card.shares(each.name)),
                is_stated=each.name in stated,
            )
            for each in card.attributes
        ]

    def _on_entered(self, attribute: str, place: int, share: float) -> None:
        for driver in self._drivers():
            if driver.attribute == attribute:
                shares = restated(driver.shares, place, share)
                self._session.shares.state(attribute, shares)
