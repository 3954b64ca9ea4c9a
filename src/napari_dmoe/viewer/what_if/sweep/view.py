"""What another patient would have got: which driver to sweep, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QPushButton, QWidget

from napari_dmoe.viewer.ui.parts import (
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
)
from napari_dmoe.viewer.ui.start_button import StartButton
from napari_dmoe.viewer.widgets.sweep_found import SweepFound, SweepView

_HELP = (
    "Segments the image for every value of what drives the model, and shows what "
    "changes. It says how this model behaves, not how patients differ."
)
NOTHING = (
    "Runs the image for every value of a driver. Other drivers keep the patient's "
    "values; unknown ones stay mixed."
)
REMOVED = "The layer with the masks of all values was removed."


class SweepSection(QWidget):
    """Tells what is to be swept, and shows what came of it."""

    sweep_requested = Signal(int, bool)
    """Place in the list of drivers, and whether to go between trained values, too."""
    layer_requested = Signal()
    """The masks, whose layer was removed, are wanted again."""
    picture_requested = Signal()
    save_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo: QComboBox = narrow_combo("Driver", _HELP)
        self.combo.currentIndexChanged.connect(self._on_driver)
        self.button = StartButton("Sweep")
        self.button.clicked.connect(self._on_sweep)
        self.between_box = QCheckBox("Also between trained values")
        self.between_box.setToolTip(
            "Adds steps between neighbouring values, with routers between theirs. They "
            "were never trained, and are marked."
        )
        self._between: tuple[bool, ...] = ()
        self.notice = paragraph(name="sweep-notice")
        self.summary = paragraph(NOTHING, name="sweep-summary")
        self.removed = paragraph(REMOVED, name="sweep-removed")
        self.again_button = _button("Show again", "Put the masks into a layer again.")
        self.again_button.clicked.connect(self.layer_requested)
        self.found = SweepFound()
        self.copy_button = _button("Copy", "Copy the table as text, with tabs.")
        self.copy_button.clicked.connect(self._on_copy)
        self.grid_button = StartButton("Grid…")
        self.grid_button.setToolTip("Show all masks side by side.")
        self.grid_button.clicked.connect(self.picture_requested)
        self.save_button = StartButton("Save…")
        self.save_button.setToolTip(
            "Save masks, maps, table, picture and records into a folder."
        )
        self.save_button.clicked.connect(self.save_requested)
        self._lay_out()
        self.offer((), between=(), why_not="")
        self.show_sweep(SweepView())

    def _lay_out(self) -> None:
        column(
            self.found.buttons,
            row(self.copy_button, self.grid_button, self.save_button),
        )
        self._removed = QWidget()
        column(self._removed, self.removed, self.again_button)
        column(
            self,
            heading("ANOTHER PATIENT"),
            row(self.combo, self.button),
            self.between_box,
            self.notice,
            self.summary,
            self._removed,
            self.found,
        )

    def offer(
        self,
        drivers: Sequence[str],
        *,
        between: Sequence[bool],
        why_not: str,
        notice: str = "",
    ) -> None:
        """Offer what can be swept, or say why nothing can be.

        Parameters
        ----------
        drivers : sequence of str
            Drivers, and pairs of them.
        between : sequence of bool
            Whether the values of each have an order, so that there is a between.
        why_not : str
            Why nothing can be swept; empty where something can.
        notice : str
            What must be said of the model.
        """
        chosen = self.combo.currentText()
        self._between = tuple(between)
        self.combo.clear()
        self.combo.addItems(list(drivers))
        self.combo.setCurrentIndex(max(self.combo.findText(chosen), 0))
        self.button.setEnabled(bool(drivers) and not why_not)
        self.button.setToolTip(why_not or _HELP)
        say(self.notice, notice)
        self._on_driver(self.combo.currentIndex())

    def show_sweep(self, view: SweepView) -> None:
        """Show a sweep; nothing of one without steps."""
        say(self.summary, view.summary or NOTHING)
        self._removed.setVisible(False)
        self.found.show_sweep(view)

    def show_removed(self) -> None:
        """Say that the masks are no longer there, and offer to show them again."""
        self.found.stop()
        self.found.setVisible(False)
        self._removed.setVisible(True)

    def show_there(self) -> None:
        """Show what came of the sweep again: its masks are back."""
        self._removed.setVisible(False)
        self.found.setVisible(True)

    def _on_driver(self, place: int) -> None:
        is_ordered = 0 <= place < len(self._between) and self._between[place]
        self.between_box.setVisible(is_ordered)

    def _on_sweep(self) -> None:
        between = self.between_box.isChecked() and self.between_box.isVisibleTo(self)
        self.sweep_requested.emit(self.combo.currentIndex(), between)

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.summary.text()}\n{self.found.text()}")


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
