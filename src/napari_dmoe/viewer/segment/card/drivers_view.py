"""The attributes that drive a model, each with its values, edges and routers."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.segment.card.fields import DRIVER
from napari_dmoe.viewer.segment.card.inputs_view import CardInput
from napari_dmoe.viewer.ui import parts

_PREFIX = "attributes"
_NONE = "Nothing drives it: everybody gets the same mask."


class DriversView(QWidget):
    """Shows the attributes below each other, and lets more be added."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.drivers: list[dict[str, CardInput]] = []
        """The inputs of each attribute, by the last part of their keys."""
        self.fault = parts.paragraph(name="card-drivers-fault")
        self.nothing = parts.paragraph(_NONE, name="card-no-driver")
        self.add_button = parts.button(
            "Add attribute",
            "Of several attributes the routers stand one after another.",
            self._on_add,
        )
        self.remove_button = parts.button(
            "Remove the last", "The last attribute drives nothing.", self._on_remove
        )
        for each in (self.add_button, self.remove_button):
            each.setAutoDefault(False)
        self._boxes: list[QWidget] = []
        buttons = parts.flow(self.add_button, self.remove_button)
        self._column = parts.column(self, self.nothing, self.fault, buttons)

    def show_drivers(self, texts: Mapping[str, str]) -> None:
        """Show what drives a model, by the keys of the fields."""
        while self.drivers:
            self._take_last()
        n = len({key.split(".")[1] for key in texts if key.startswith(_PREFIX)})
        for number in range(n):
            self._add()
            for name, each in self.drivers[number].items():
                each.set_text(texts.get(f"{_PREFIX}.{number}.{name}", ""))
        self._show_buttons()

    def texts(self) -> dict[str, str]:
        """Return what stands in the fields, by their keys."""
        return {
            f"{_PREFIX}.{number}.{name}": each.text()
            for number, inputs in enumerate(self.drivers)
            for name, each in inputs.items()
        }

    def show_faults(self, faults: Mapping[str, str]) -> None:
        """Say what is wrong beside each field, and with the attributes together."""
        for number, inputs in enumerate(self.drivers):
            for name, each in inputs.items():
                each.show_fault(faults.get(f"{_PREFIX}.{number}.{name}", ""))
        said = faults.get(_PREFIX, "")
        parts.say(self.fault, f"⚠ {said[:1].upper()}{said[1:]}." if said else "")

    def _on_add(self) -> None:
        self._add()
        self._show_buttons()
        self.drivers[-1]["name"].input.setFocus()
        self.changed.emit()

    def _on_remove(self) -> None:
        self._take_last()
        self._show_buttons()
        self.changed.emit()

    def _add(self) -> None:
        inputs = {field.key: CardInput(field) for field in DRIVER}
        for each in inputs.values():
            each.changed.connect(self.changed)
        box = QWidget()
        parts.column(box, *inputs.values(), spacing=6)
        self._column.insertWidget(len(self._boxes) + 1, box)
        self._boxes.append(box)
        self.drivers.append(inputs)

    def _take_last(self) -> None:
        self.drivers.pop()
        box = self._boxes.pop()
        self._column.removeWidget(box)
        box.deleteLater()

    def _show_buttons(self) -> None:
        self.nothing.setVisible(not self.drivers)
        self.remove_button.setEnabled(bool(self.drivers))
