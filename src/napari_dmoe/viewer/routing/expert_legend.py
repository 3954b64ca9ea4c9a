"""The experts with their colours and shares; a click on one singles it out."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_dmoe.inference.pictures.colours import Rgb
from napari_dmoe.viewer.rows import TableRow
from napari_dmoe.viewer.ui.parts import swatch

_COLUMNS = 2
_HELP = (
    "Share of this {unit}'s gates that the expert has. Click, or press Space, to show "
    "where this expert works; again, to show all experts."
)


class ExpertLegend(QWidget):
    """A button for each expert, in two columns."""

    expert_clicked = Signal(int)
    """A person singled out an expert, or let go of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: list[QPushButton] = []
        self._colours: list[Rgb | None] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(3)
        self.setAccessibleName("Experts")

    def show_rows(
        self, rows: Sequence[TableRow], chosen: int | None, *, unit: str
    ) -> None:
        """Show the experts of a block or stage, and which of them is singled out."""
        if len(rows) != len(self.buttons):
            self._make(len(rows))
        for number, (button, line) in enumerate(zip(self.buttons, rows, strict=True)):
            # The heading above says that these are experts: docks are narrow.
            button.setText(f"{number} · {line.value}")
            button.setAccessibleName(f"{line.name} · {line.value}")
            button.setChecked(number == chosen)
            button.setToolTip(_HELP.format(unit=unit))
            if line.colour is not None and line.colour != self._colours[number]:
                self._colours[number] = line.colour
                button.setIcon(QIcon(swatch(line.colour)))

    def _make(self, n: int) -> None:
        for button in self.buttons:
            self._grid.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons = [QPushButton() for _ in range(n)]
        self._colours = [None] * n
        for number, button in enumerate(self.buttons):
            button.setCheckable(True)
            policy = QSizePolicy.Policy
            button.setSizePolicy(policy.Expanding, policy.Fixed)
            button.clicked.connect(self._on_clicked)
            self._grid.addWidget(button, *divmod(number, _COLUMNS))

    def _on_clicked(self) -> None:
        sender = self.sender()
        if sender in self.buttons:
            self.expert_clicked.emit(self.buttons.index(sender))
