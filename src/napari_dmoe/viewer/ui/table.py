"""A small table of names, values and spans, with a swatch of colour before each."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_dmoe.viewer.rows import TableRow, as_text

_SWATCH = 12
_DASH_THAT_MAY_BREAK = "–\u200b"  # with a space of no width, for narrow docks


class Table(QWidget):
    """Shows lines below each other; none take no room."""

    def __init__(
        self,
        span_help: str = "From the least to the most over the driver's values.",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._span_help = span_help
        self._rows: list[TableRow] = []
        self._labels: list[QLabel] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setColumnStretch(3, 1)

    def show_rows(self, rows: Sequence[TableRow]) -> None:
        """Show other lines."""
        self._rows = list(rows)
        for label in self._labels:
            self._grid.removeWidget(label)
            label.hide()
            label.deleteLater()
        self._labels = []
        for number, entry in enumerate(rows):
            value = QLabel(entry.value)
            value.setAlignment(
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            )
            span = QLabel(entry.span.replace("–", _DASH_THAT_MAY_BREAK))
            span.setWordWrap(True)
            span.setToolTip(self._span_help)
            parts = (swatch(entry.colour), QLabel(entry.name), value, span)
            for place, label in enumerate(parts):
                self._grid.addWidget(label, number, place)
                self._labels.append(label)
        self.setVisible(bool(rows))

    def text(self) -> str:
        """Return the lines as text, with tabs between the columns."""
        return as_text(self._rows)


def swatch(colour: tuple[int, int, int] | None) -> QLabel:
    """Return a small square of a colour; an empty label without one."""
    label = QLabel()
    if colour is not None:
        label.setPixmap(coloured(colour))
    return label


def coloured(colour: tuple[int, int, int]) -> QPixmap:
    """Return a small square of a colour as a picture."""
    pixmap = QPixmap(_SWATCH, _SWATCH)
    pixmap.fill(QColor(*colour))
    return pixmap
