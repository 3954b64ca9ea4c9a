"""A picture in a window of its own, which can be saved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

_SHARE = 0.85
"""Share of the screen that the window takes at most."""


class PictureDialog(QDialog):
    """Shows a picture and saves it as PNG.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        The picture.
    name : str
        Proposed for its file.
    title : str
        Of the window.
    """

    def __init__(
        self,
        picture: NDArray[np.uint8],
        name: str,
        title: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self._name = name
        pixels = np.ascontiguousarray(picture)
        height, width = pixels.shape[:2]
        image = QImage(
            pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        self.pixmap = QPixmap.fromImage(image)
        self.view = _Fitted(self.pixmap)
        self.save_button = QPushButton("Save as PNG…")
        self.save_button.setToolTip("Save this picture.")
        self.save_button.clicked.connect(self._on_save)
        layout = QVBoxLayout(self)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.save_button)
        self._fit_screen()

    def _fit_screen(self) -> None:
        """Open with everything inside; on a small screen the picture is smaller."""
        screen = self.screen()
        wanted = self.sizeHint()
        if screen is not None:
            room = screen.availableSize() * _SHARE
            around = wanted - self.pixmap.size()
            picture = self.pixmap.size().boundedTo(room - around)
            fitted = self.pixmap.size().scaled(
                picture, Qt.AspectRatioMode.KeepAspectRatio
            )
            wanted = fitted + around
        self.resize(wanted)

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the picture", f"{self._name}.png", "PNG (*.png)"
        )
        if path and not self.pixmap.save(path, "PNG"):
            self.setWindowTitle(f"{path} cannot be written: choose another place")


class _Fitted(QWidget):
    """Paints a picture as large as there is room, in its proportions."""

    def __init__(self, pixmap: QPixmap) -> None:
        super().__init__()
        self._pixmap = pixmap
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """Return the picture's own size."""
        return self._pixmap.size()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture in the middle, never larger than it is."""
        size = self._pixmap.size().boundedTo(self.size())
        fitted = self._pixmap.scaled(
            size,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        painter = QPainter(self)
        painter.drawPixmap(
            (self.width() - fitted.width()) // 2,
            (self.height() - fitted.height()) // 2,
            fitted,
        )
        painter.end()
