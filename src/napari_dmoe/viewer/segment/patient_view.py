"""The form of an image's patient: what drives the model, and what is only recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget

from napari_dmoe.patient import Patient
from napari_dmoe.viewer.segment.patient_fields import PatientField
from napari_dmoe.viewer.ui.parts import column, heading, paragraph, say
from napari_dmoe.viewer.widgets.attribute_input import AttributeInput

_TITLE_LENGTH = 24


class PatientSection(QWidget):
    """Shows a patient and tells what a person enters."""

    value_entered = Signal(str, object)
    """Name of an attribute, and its value; None for unknown."""
    rerun_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = heading("PATIENT")
        self.problem_label = paragraph(name="patient-problem")
        self.mixture_label = paragraph(name="patient-mixture")
        self.rerun_box = QCheckBox("Re-run when the driver changes")
        self.rerun_box.setChecked(True)
        self.rerun_box.setToolTip(
            "Segments again by itself, if the last run took less than 2 seconds and "
            "the mask was not painted on."
        )
        self.rerun_box.toggled.connect(self.rerun_toggled)
        self.inputs: dict[str, AttributeInput] = {}
        self._sources: dict[str, QLabel] = {}
        self._rows = QWidget()
        self._column = column(
            self,
            self.title,
            self._rows,
            self.mixture_label,
            self.problem_label,
            self.rerun_box,
        )

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
        old = self._rows
        self.inputs, self._sources = {}, {}
        self._rows = QWidget()
        grid = QGridLayout(self._rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        grid.setHorizontalSpacing(6)
        grid.setColumnStretch(1, 3)
        grid.setColumnStretch(2, 2)
        drivers = [field for field in fields if field.drives]
        others = [field for field in fields if not field.drives]
        for field in drivers:
            self._add_row(grid, field)
        if drivers:
            text = "Recorded, does not drive this model:"
            grid.addWidget(QLabel(text), grid.rowCount(), 0, 1, 3)
        for field in others:
            self._add_row(grid, field)
        self._column.replaceWidget(old, self._rows)
        old.hide()
        old.deleteLater()
        self._order_for_tab()

    def show_patient(
        self,
        title: str,
        patient: Patient,
        *,
        sources: Mapping[str, str],
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Show whose image it is and what is known.

        Parameters
        ----------
        title : str
            Name of the image; empty where there is none.
        patient : Patient
            Values to show.
        sources : mapping of str to str
            Where each attribute's value came from.
        notes : mapping of str to str
            What a value means to the model, such as an age band.
        """
        short = title if len(title) <= _TITLE_LENGTH else f"{title[:_TITLE_LENGTH]}…"
        self.title.setText(f"PATIENT of “{short}”" if title else "PATIENT")
        self.title.setToolTip(title)
        self.setEnabled(bool(title))
        for name, attribute in self.inputs.items():
            if not attribute.problem:  # else what was typed stays, to be corrected
                attribute.show_value(patient.value(name))
            parts = [sources.get(name, ""), (notes or {}).get(name, "")]
            label = self._sources[name]
            label.setText(" · ".join(part for part in parts if part))
            label.setToolTip("Where this value came from.")
        self._show_mixtures(patient)

    def forget_problems(self) -> None:
        """Drop what was typed wrongly, because another patient is about to be shown."""
        for attribute in self.inputs.values():
            attribute.problem = ""

    def show_nobody(self) -> None:
        """Show that there is no image, so that there is no patient either."""
        self.show_patient("", Patient(), sources={})
        self.show_problem("")

    def show_problem(self, text: str) -> None:
        """Say what is wrong with the patient; nothing for an empty text."""
        say(self.problem_label, text)

    def _add_row(self, grid: QGridLayout, field: PatientField) -> None:
        label = QLabel(f"{field.label} *" if field.drives else field.label)
        font = label.font()
        font.setBold(field.drives)
        label.setFont(font)
        attribute = AttributeInput(field)
        attribute.entered.connect(self._on_entered)
        label.setBuddy(attribute)
        source = QLabel()
        source.setWordWrap(True)
        row = grid.rowCount()
        for place, widget in enumerate((label, attribute, source)):
            grid.addWidget(widget, row, place)
        self.inputs[field.name], self._sources[field.name] = attribute, source

    def _order_for_tab(self) -> None:
        """Let Tab go through the new inputs where the old ones were."""
        last: QWidget = self.rerun_box
        for attribute in self.inputs.values():
            following = attribute.focusProxy() or attribute
            QWidget.setTabOrder(last, following)
            last = following
        QWidget.setTabOrder(last, self.rerun_box)

    def _show_mixtures(self, patient: Patient) -> None:
        unknown = [
            attribute.field.if_unknown
            for name, attribute in self.inputs.items()
            if attribute.field.drives and patient.value(name) is None
        ]
        say(self.mixture_label, " ".join(unknown))

    def _on_entered(self, value: object) -> None:
        attribute = self.sender()
        if isinstance(attribute, AttributeInput):
            self.value_entered.emit(attribute.field.name, value)
