"""Tick boxes beside each other: as many in a row as the width has room for."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QGridLayout, QWidget

_LEAST_IN_A_ROW = 2
_SPACING = 6


class BoxGrid(QWidget):
    """Lays boxes out in rows, anew whenever its width changes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: list[QWidget] = []
        self._in_a_row = _LEAST_IN_A_ROW
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_SPACING)

    def show_boxes(self, boxes: Sequence[QWidget]) -> None:
        """Show other boxes; those so far are deleted."""
        for box in self._boxes:
            self._grid.removeWidget(box)
            box.hide()
            box.deleteLater()
        self._boxes = list(boxes)
        self._in_a_row = 0
        self.fit()

    def fit(self) -> None:
        """Lay the boxes out for the width that there is."""
        in_a_row = max(_LEAST_IN_A_ROW, (self.width() + _SPACING) // self._step())
        if in_a_row == self._in_a_row:
            return
        self._in_a_row = in_a_row
        for box in self._boxes:
            self._grid.removeWidget(box)
        for place, box in enumerate(self._boxes):
            self._grid.addWidget(box, *divmod(place, in_a_row))
        self.updateGeometry()

    def _step(self) -> int:
        widest = max((box.sizeHint().width() for box in self._boxes), default=1)
        return widest + _SPACING

    def minimumSizeHint(self) -> QSize:
        """Return the size with the fewest boxes in a row."""
        height = super().minimumSizeHint().height()
        return QSize(_LEAST_IN_A_ROW * self._step() - _SPACING, height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the boxes out for the new width."""
        super().resizeEvent(event)
        self.fit()
