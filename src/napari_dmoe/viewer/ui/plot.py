"""A plot of matplotlib in a form, made when it is first seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dmoe.viewer.ui.parts import column

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Plot(QWidget):
    """Shows a figure; matplotlib is imported when the first one is seen.

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
        self._paint: Callable[[Figure], None] | None = None
        self._canvas: Any = None
        self._is_stale = False
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._layout = column(self)

    def explain(self, tooltip: str) -> None:
        """Say how to read it."""
        self.setToolTip(tooltip)
        if self._canvas is not None:
            self._canvas.setToolTip(tooltip)

    def show_figure(self, paint: Callable[[Figure], None], *, height: int) -> None:
        """Show what a function draws, at once or as soon as the plot is seen."""
        self._paint, self._is_stale = paint, True
        self.setFixedHeight(height)
        self.setVisible(True)
        if self.isVisible():
            self._draw()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what has not been drawn yet."""
        super().showEvent(event)
        if self._is_stale:
            self._draw()

    def _draw(self) -> None:
        if self._canvas is None:
            self._canvas = self._make()
        if self._paint is not None:
            self._paint(self._canvas.figure)
            self._canvas.draw_idle()
            self._is_stale = False

    def _make(self) -> Any:
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        canvas = FigureCanvasQTAgg(Figure())
        canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        canvas.setMinimumSize(0, 0)
        canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        canvas.setToolTip(self.toolTip())
        canvas.mpl_connect("button_press_event", self._on_click)
        canvas.mpl_connect("resize_event", self._on_resize)
        canvas.installEventFilter(self)
        self._layout.addWidget(canvas)
        return canvas

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the wheel to the form, which scrolls."""
        if event is not None and event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return bool(super().eventFilter(watched, event))

    def _on_resize(self, event: Any) -> None:
        if self._paint is not None:  # the margins are in pixels
            self._paint(self._canvas.figure)

    def _on_click(self, event: Any) -> None:
        self.clicked.emit(event.xdata, event.ydata)
