"""The input of one attribute of a patient, with "unknown" as its first value."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLineEdit, QVBoxLayout, QWidget

from napari_dmoe.patient import PatientError, age_or_band
from napari_dmoe.viewer.segment.patient_fields import PatientField
from napari_dmoe.viewer.ui.parts import narrow_combo

UNKNOWN = "unknown"
_CHARACTERS = 5  # a value such as "glaucoma" is read whole at 300 px


class AttributeInput(QWidget):
    """Lets a person choose or type one attribute.

    A category is chosen from a list, a number typed; the number of a driver that has
    bands is typed, or its band chosen, in the same box.

    Parameters
    ----------
    field : PatientField
        The attribute.
    """

    entered = Signal(object)
    """A new value: text, years, or None for unknown."""

    def __init__(self, field: PatientField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self.problem = ""
        """What is wrong with what was typed; empty where nothing is."""
        self._shown: str | float | None = None
        role = "Drives this model." if field.drives else "Does not drive this model."
        tooltip = f"{field.label}. {role} {field.help}".strip()
        self.combo: QComboBox | None = None
        self.edit: QLineEdit | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        if field.values:
            self.combo = narrow_combo(field.label, tooltip, characters=_CHARACTERS)
            self.combo.setEditable(field.kind == "number")
            self.combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            self.combo.activated.connect(self._on_activated)
            layout.addWidget(self.combo)
        if field.kind == "number" or not field.values:
            self.edit = QLineEdit() if self.combo is None else self.combo.lineEdit()
            self.edit.setPlaceholderText(UNKNOWN)
            self.edit.setAccessibleName(field.label)
            self.edit.setToolTip(tooltip)
            self.edit.editingFinished.connect(self.commit)
            if self.combo is None:
                layout.addWidget(self.edit)
        # An empty combo box is false, so this asks for None.
        self.setFocusProxy(self.edit if self.combo is None else self.combo)
        self.show_value(None)

    def show_value(self, value: str | float | None) -> None:
        """Show a value; this is no entry, so nothing is told."""
        self._shown, self.problem = value, ""
        text = f"{value:g}" if isinstance(value, int | float) else (value or "")
        if self.combo is not None:
            self._show_choice(text)
        if self.edit is not None:
            self.edit.setText(text)

    def commit(self) -> None:
        """Tell what was typed, if it is new; called when typing ends."""
        if self.edit is None:
            return
        text = self.edit.text().strip()
        value: str | float | None = text or None
        problem = ""
        if self.field.kind == "number":
            try:
                value = self._number(text)
            except PatientError as error:
                value, problem = None, str(error)
        if value != self._shown or problem != self.problem:
            self._shown, self.problem = value, problem
            self.entered.emit(value)

    def _number(self, text: str) -> str | float | None:
        """Read a number, or the name of a band as the card spells it."""
        for band in self.field.values:
            if band.casefold() == text.casefold():
                return band
        return age_or_band(text)

    def _show_choice(self, text: str) -> None:
        combo = self.combo
        if combo is None:
            return
        combo.clear()
        unseen = self.field.unseen
        values = list(dict.fromkeys((*self.field.values, *unseen)))
        combo.addItems([UNKNOWN, *values])
        for place, value in enumerate(values, start=1):
            if value in unseen:
                combo.model().item(place).setEnabled(False)
                reason = f"{value}: {unseen[value]}"
                combo.setItemData(place, reason, Qt.ItemDataRole.ToolTipRole)
        if combo.isEditable():
            # So that the arrow keys go on from there; the number itself follows.
            combo.setCurrentIndex(combo.findText(text or UNKNOWN))
            return
        if text and text not in values:
            combo.addItem(text)  # from elsewhere, and to be seen
        combo.setCurrentText(text or UNKNOWN)

    def _on_activated(self, index: int) -> None:
        text = "" if self.combo is None or index == 0 else self.combo.itemText(index)
        if self.edit is not None:
            self.edit.setText(text)
            self.commit()
            return
        value = text or None
        if value != self._shown:
            self._shown = value
            self.entered.emit(value)
