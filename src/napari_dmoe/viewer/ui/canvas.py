"""The canvas's OpenGL context, which napari leaves to chance where a layer goes.

When a layer is removed, napari 0.9 carries out at once whatever the canvas had put off,
in the context that happens to be current: that of Qt, which puts the window together.
What vispy believes to be in use is no longer so in the canvas's own context, and the
next draw may read what was deleted with the layer, which ends the program in
``glDrawArrays``. With the right context made current first, it cannot.
"""

from __future__ import annotations

from typing import Any

from napari.components import ViewerModel
from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_dmoe.viewer.ui.connections import Connections


class CanvasGuard(QObject):
    """Makes the canvas's context current before a layer goes, whoever takes it out.

    The canvas is that of the window that the owner is in, docked or floating.
    """

    def __init__(self, owner: QWidget, viewer: ViewerModel) -> None:
        super().__init__(owner)
        self._owner = owner
        connections, events = Connections(self), viewer.layers.events
        for told in (events.removing, events.begin_batch):  # one layer, and several
            connections.add(told, self.make_current)

    def make_current(self, event: Any = None) -> None:
        """Let what is asked of OpenGL from now on be done where the canvas is drawn."""
        for canvas in _canvases(self._owner):
            if canvas.isValid():
                canvas.makeCurrent()


def _canvases(owner: QWidget) -> list[QOpenGLWidget]:
    """Return what is drawn with OpenGL in the main window around a widget."""
    above: QWidget | None = owner
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parentWidget()
    return [] if above is None else above.findChildren(QOpenGLWidget)
