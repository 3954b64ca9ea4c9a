"""Colour keys as widgets: a bar of colours with the values at its ends."""

from __future__ import annotations

from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QLabel, QWidget

from napari_dmoe.inference.pictures.colours import ColourKey, Rgb
from napari_dmoe.viewer.ui.parts import column, row

_BAR_HEIGHT = 14


class ColourBar(QWidget):
    """A bar of colours with the values at its ends; hidden where there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ends = QLabel(), QLabel()
        self._strip = _Strip(self)
        self._strip.setFixedHeight(_BAR_HEIGHT)
        column(self, row(self._ends[0], self._strip, self._ends[1], stretch=1))
        self.setAccessibleName("Colours of the map")

    @property
    def ends(self) -> tuple[str, str]:
        """What stands at the ends."""
        return self._ends[0].text(), self._ends[1].text()

    def show_key(self, key: ColourKey | None) -> None:
        """Show colours from the least to the largest value; nothing without a key."""
        self.setVisible(key is not None)
        ends = ("", "") if key is None else key.ends
        for label, text in zip(self._ends, ends, strict=True):
            label.setText(text)
        self._strip.ramp = () if key is None else key.ramp
        self._strip.update()


class _Strip(QWidget):
    """Paints a gradient."""

    ramp: tuple[Rgb, ...] = ()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the colours from left to right."""
        if not self.ramp:
            return
        gradient = QLinearGradient(0, 0, self.width(), 0)
        for place, colour in enumerate(self.ramp):
            gradient.setColorAt(place / max(len(self.ramp) - 1, 1), QColor(*colour))
        painter = QPainter(self)
        painter.fillRect(self.rect(), gradient)
        painter.end()
