"""A plot of matplotlib in a form, drawn when it is seen and when it is its turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import (
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100


class Plot(QWidget):
    """Shows a figure; matplotlib is imported when the first one is seen.

    Drawing takes a while, so that of all plots one is drawn in a turn of the event
    loop. Until it is its turn a plot shows what it showed before.

    Parameters
    ----------
    name : str
        What it shows, for those who cannot see it.
    tooltip : str
        How to read it.
    """

    clicked = Signal(object, object)
    """Where a person clicked, in the units of the axes; None beside them."""

    def __init__(
        self, name: str, tooltip: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.figure: Figure | None = None
        """What was drawn last."""
        self.is_stale = False
        """Whether something else is to be drawn, or at another size."""
        self._paint: Callable[[Figure], None] | None = None
        self._key: object = None
        self._image = QImage()
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_figure(
        self, paint: Callable[[Figure], None], *, height: int, key: object = None
    ) -> None:
        """Show what a function draws, soon or as soon as the plot is seen.

        What has the same key as what is shown looks alike, and is not drawn again.
        """
        if key is None or key != self._key:
            self._paint, self._key, self.is_stale = paint, key, True
        self.setFixedHeight(height)
        self.setVisible(True)
        self._wait()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has not been drawn yet."""
        super().showEvent(event)
        self._wait()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw it at another size; the margins are in pixels."""
        super().resizeEvent(event)
        self.is_stale = self._paint is not None
        self._wait()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show what was drawn last."""
        painter = QPainter(self)
        painter.drawImage(self.rect(), self._image)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Tell where it was clicked."""
        for axes in [] if self.figure is None else self.figure.axes:
            place, ratio = event.position(), self._image.devicePixelRatio()
            point = (place.x() * ratio, (self.height() - place.y()) * ratio)
            x, y = axes.transData.inverted().transform(point)
            is_inside = axes.patch.contains_point(point)
            self.clicked.emit(*((x, y) if is_inside else (None, None)))

    def _wait(self) -> None:
        """Wait for a turn."""
        if self.is_stale and self.isVisible() and self not in _WAITING:
            _WAITING.append(self)
            if len(_WAITING) == 1:
                QTimer.singleShot(0, _draw_next)

    def draw(self) -> None:
        """Draw what is to be shown."""
        if self._paint is None or not (self.width() and self.height()):
            return
        self.is_stale = False
        size, ratio = (self.width(), self.height()), self.devicePixelRatioF()
        made = drawn(self._paint, size, ratio)
        # The first drawing takes a while, in which the window may have been closed.
        if isalive(self):
            self.show_picture(*made)

    def show_picture(self, figure: Figure, image: QImage) -> None:
        """Show what was drawn."""
        self.figure, self._image = figure, image
        self.update()


def drawn(
    paint: Callable[[Figure], None], size: tuple[int, int], ratio: float
) -> tuple[Figure, QImage]:
    """Draw a figure of so many pixels, of which the screen has some for each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = size
    figure = Figure((width / _DPI, height / _DPI), dpi=_DPI * ratio)
    canvas = FigureCanvasAgg(figure)
    paint(figure)
    with warnings.catch_warnings():
        # A dock that is dragged small has no room for axes: nobody need be told.
        warnings.filterwarnings("ignore", ".*layout not applied", UserWarning)
        canvas.draw()
    samples, form = bytes(canvas.buffer_rgba()), QImage.Format.Format_RGBA8888
    image = QImage(samples, *canvas.get_width_height(), form).copy()
    image.setDevicePixelRatio(ratio)
    return figure, image


_WAITING: list[Plot] = []
"""Plots that are to be drawn, each in a turn of its own."""


def _draw_next() -> None:
    plot = _WAITING.pop(0)
    if _WAITING:
        QTimer.singleShot(0, _draw_next)
    if isalive(plot) and plot.isVisible() and plot.is_stale:
        plot.draw()
