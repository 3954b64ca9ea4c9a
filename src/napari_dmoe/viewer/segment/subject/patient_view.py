"""The form of an image's patient: what drives the model, and what is only recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_dmoe.patient import Patient, PatientError, Proposal
from napari_dmoe.viewer.segment.subject.patient_fields import PatientField
from napari_dmoe.viewer.ui.parts import (
    Fold,
    button,
    column,
    emphasise,
    line,
    narrow_combo,
    tell,
)

UNKNOWN = "unknown"
_SOURCE = "Where this value came from."
_RECORDED = "What goes into the record of a mask, but does not drive this model."
_DRIVES = "* drives this model: another value may give another mask."
_DRIVES_NOT = "Does not drive this model."
_SAYS = "What the file says in its own words. It is not taken unless you choose it."
_TAKES = "Takes what the file may mean as this patient's value."
_CHARACTERS = 5  # a value such as "glaucoma" is read whole at 250 px


class PatientSection(QWidget):
    """Shows a patient and tells what a person enters."""

    value_entered = Signal(str, object, bool)
    """Name of an attribute, its value (None for unknown), whether it was picked."""
    rerun_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = line(name="patient-title")
        emphasise(self.title)
        self.title.setText("PATIENT")
        self.mixture_label = line(name="patient-mixture")
        self.rerun_box = QCheckBox("Re-run if the driver changes")
        self.rerun_box.setChecked(True)
        self.rerun_box.setToolTip(
            "Segments again by itself, if the last run took less than 2 seconds and "
            "the mask was not painted on. Drivers are the attributes with a *."
        )
        self.rerun_box.toggled.connect(self.rerun_toggled)
        self.inputs: dict[str, AttributeInput] = {}
        self._sources: dict[str, QElidingLabel] = {}
        self.proposed: dict[str, ProposalRow] = {}
        """What a file says of each attribute, below its input."""
        self._rows, self._others = QWidget(), QWidget()
        self._column = column(self, self.title, self._rows, self.mixture_label)
        others = QWidget()
        self._recorded_column = column(others, self._others)
        self.recorded = Fold("Also recorded", _RECORDED, others)
        """What does not drive the model; the tab says where it stands."""

    @property
    def problem(self) -> str:
        """What is wrong with what was typed; empty where nothing is."""
        return " ".join(i.problem for i in self.inputs.values() if i.problem)

    def commit(self) -> None:
        """Take what was typed but not yet finished with Enter or Tab."""
        for attribute in list(self.inputs.values()):
            attribute.commit()

    def show_fields(self, fields: Sequence[PatientField]) -> None:
        """Build the inputs anew, for another model."""
        self.inputs, self._sources, self.proposed = {}, {}, {}
        drivers = [field for field in fields if field.drives]
        others = [field for field in fields if not field.drives]
        self._rows = self._replace(self._column, self._rows, drivers)
        self._others = self._replace(self._recorded_column, self._others, others)
        self._order_for_tab()

    def _replace(
        self, into: QVBoxLayout, old: QWidget, fields: Sequence[PatientField]
    ) -> QWidget:
        """Put rows of other inputs where the old ones were."""
        rows = QWidget()
        grid = QGridLayout(rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.setHorizontalSpacing(6)
        grid.setColumnStretch(1, 3)
        grid.setColumnStretch(2, 2)
        for field in fields:
            self._add_row(grid, field)
        into.replaceWidget(old, rows)
        old.hide()
        old.deleteLater()
        return rows

    def show_patient(
        self,
        title: str,
        patient: Patient,
        *,
        sources: Mapping[str, str],
        notes: Mapping[str, str] | None = None,
        proposals: Mapping[str, Proposal] | None = None,
    ) -> None:
        """Show whose image it is, by its name, and what is known.

        Sources say where each attribute's value came from, notes what a value means to
        the model, such as an age band; proposals what a file says that nobody took yet.
        The title is empty where there is no image.
        """
        tell(self.title, f"PATIENT of “{title}”" if title else "PATIENT")
        self.setEnabled(bool(title))
        for name, attribute in self.inputs.items():
            if not attribute.problem:  # else what was typed stays, to be corrected
                attribute.show_value(attribute.field.value_of(patient))
            is_known = attribute.field.value_of(patient) is not None
            source = sources.get(name, UNKNOWN)
            is_said = is_known or source != UNKNOWN
            said = source if is_said else "", (notes or {}).get(name)
            tell(self._sources[name], " · ".join(filter(None, said)), _SOURCE)
        for name, proposed in self.proposed.items():
            proposed.show_proposal((proposals or {}).get(name))
        self._show_mixtures(patient)

    def enter(self) -> None:
        """Let what is wrong, or what drives the model, be entered."""
        wrong = [each for each in self.inputs.values() if each.problem]
        for attribute in (*wrong, *self.inputs.values())[:1]:
            self.recorded.unfold(not attribute.field.drives)
            attribute.setFocus()

    def forget_problems(self) -> None:
        """Drop what was typed wrongly, because another patient is about to be shown."""
        for attribute in self.inputs.values():
            attribute.problem = ""

    def show_nobody(self) -> None:
        """Show that there is no image, so that there is no patient either."""
        self.show_patient("", Patient(), sources={})

    def _add_row(self, grid: QGridLayout, field: PatientField) -> None:
        label = QLabel(field.label)
        font = label.font()
        font.setBold(field.drives)
        label.setFont(font)
        label.setToolTip(_DRIVES if field.drives else _DRIVES_NOT)
        attribute = AttributeInput(field)
        attribute.entered.connect(self._on_entered)
        label.setBuddy(attribute)
        label.setToolTip(attribute.help)
        source = line()
        row = grid.rowCount()
        for place, widget in enumerate((label, attribute, source)):
            grid.addWidget(widget, row, place)
        proposed = ProposalRow(field)
        proposed.taken.connect(self._on_taken)
        grid.addWidget(proposed, row + 1, 1, 1, 2)
        self.proposed[field.name] = proposed
        self.inputs[field.name], self._sources[field.name] = attribute, source

    def _order_for_tab(self) -> None:
        """Let Tab go through the new inputs where the old ones were."""
        for anchor, drives in ((self.title, True), (self.recorded.button, False)):
            own = (i for i in self.inputs.values() if i.field.drives is drives)
            inputs = [each.focusProxy() or each for each in own]
            for before, after in pairwise((anchor, *inputs)):
                QWidget.setTabOrder(before, after)

    def _show_mixtures(self, patient: Patient) -> None:
        fields = [attribute.field for attribute in self.inputs.values()]
        unknown = [
            field.if_unknown
            for field in fields
            if field.drives and field.value_of(patient) is None
        ]
        tell(self.mixture_label, " ".join(unknown))

    def _on_entered(self, value: object, is_picked: bool) -> None:
        attribute = self.sender()
        if isinstance(attribute, AttributeInput):
            self.value_entered.emit(attribute.field.name, value, is_picked)

    def _on_taken(self, value: str) -> None:
        proposed = self.sender()
        if isinstance(proposed, ProposalRow):
            self.value_entered.emit(proposed.field.name, value, True)


class ProposalRow(QWidget):
    """Shows what a file says of an attribute, and takes it when it is asked to.

    Nothing is chosen by itself: what a file calls an ethnic group is no race that
    anybody stated of themselves. Hidden where there is nothing to say.
    """

    taken = Signal(str)
    """The value that a person takes."""

    def __init__(self, field: PatientField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self._value = ""
        self.said = line(name=f"proposal-{field.name}")
        self.button = button("", _TAKES, self._on_clicked)
        column(self, self.said, self.button, spacing=2)
        self.hide()

    def show_proposal(self, proposal: Proposal | None) -> None:
        """Show what a file says, and offer its value where this model has it."""
        values = {value.casefold(): value for value in self.field.values}
        meant = "" if proposal is None else proposal.value
        self._value = values.get(meant.casefold(), "")
        tell(self.said, f"The file says: {proposal.said}" if proposal else "", _SAYS)
        self.button.setText(f"Use {self._value}?")
        self.button.setVisible(bool(self._value))
        self.setVisible(proposal is not None)

    def _on_clicked(self) -> None:
        self.taken.emit(self._value)


class AttributeInput(QWidget):
    """Lets a person choose or type one attribute.

    A category is chosen from a list, a number typed; the number of a driver that has
    bands is typed, or its band chosen, in the same box.
    """

    entered = Signal(object, bool)
    """A new value (text, years, or None for unknown), and whether it was picked."""

    def __init__(self, field: PatientField, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self.problem = ""
        """What is wrong with what was typed; empty where nothing is."""
        self._shown: str | float | None = None
        role = "Drives this model." if field.drives else _DRIVES_NOT
        self.help = tooltip = f"{field.label}. {role} {field.help}".strip()
        """What it is, and whether it drives the model."""
        self.combo: QComboBox | None = None
        self.edit: QLineEdit | None = None
        if field.values:
            self.combo = narrow_combo(field.label, tooltip, characters=_CHARACTERS)
            self.combo.setEditable(field.kind == "number")
            self.combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            self.combo.activated.connect(self._on_activated)
        if field.kind == "number" or not field.values:
            self.edit = QLineEdit() if self.combo is None else self.combo.lineEdit()
            self.edit.setPlaceholderText(UNKNOWN)
            self.edit.setAccessibleName(field.label)
            self.edit.setToolTip(tooltip)
            self.edit.editingFinished.connect(self.commit)
            self.edit.textEdited.connect(self._on_typed)
        # An empty combo box is false, so this asks for None.
        shown = self.edit if self.combo is None else self.combo
        column(self, shown)
        self.setFocusProxy(shown)
        self.show_value(None)

    def show_value(self, value: str | float | None) -> None:
        """Show a value; this is no entry, so nothing is told."""
        self._shown, self.problem, self._is_typed = value, "", False
        text = f"{value:g}" if isinstance(value, int | float) else (value or "")
        if self.combo is not None:
            self._show_choice(self.combo, text)
        if self.edit is not None:
            self.edit.setText(text)

    def commit(self) -> None:
        """Tell what was typed, if it is new; called when typing ends."""
        self._take(is_picked=False)

    def _take(self, *, is_picked: bool) -> None:
        """Tell what stands in the box, if it is new."""
        if self.edit is None:
            return
        text = self.edit.text().strip()
        value: str | float | None = text or None
        problem = ""
        if self.field.kind == "number":
            try:
                value = self.field.read(text)
            except PatientError as error:
                value, problem = None, str(error)
        self._tell(value, problem, is_picked=is_picked)

    def _tell(
        self, value: str | float | None, problem: str = "", *, is_picked: bool
    ) -> None:
        """Tell a value, if it is new."""
        if (value, problem) != (self._shown, self.problem):
            self._shown, self.problem = value, problem
            self.entered.emit(value, is_picked)

    def _show_choice(self, combo: QComboBox, text: str) -> None:
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

    def _on_typed(self) -> None:
        self._is_typed = True

    def _on_activated(self, index: int) -> None:
        text = "" if self.combo is None or index == 0 else self.combo.itemText(index)
        if self.edit is not None:
            self.edit.setText(text)
            # Of what is typed Qt tells so, too, where it is one of the list.
            self._take(is_picked=not self._is_typed)
        else:
            self._tell(text or None, is_picked=True)
