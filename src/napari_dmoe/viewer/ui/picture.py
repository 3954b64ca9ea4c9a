"""A picture in a window of its own, which can be saved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import QDialog, QSizePolicy, QVBoxLayout, QWidget

from napari_dmoe.viewer.ui.asking import ask_where
from napari_dmoe.viewer.ui.parts import button

_SHARE = 0.85
"""Share of the screen that the window takes at most."""


class PictureDialog(QDialog):
    """Shows an (H, W, 3) uint8 array, which can be saved; `name` is proposed for it."""

    save_requested = Signal(object, object)
    """Where to, and the array."""

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
        self._name, self._picture = name, picture
        height, width = picture.shape[:2]
        rgb = QImage.Format.Format_RGB888
        image = QImage(picture.tobytes(), width, height, 3 * width, rgb)
        self.pixmap = QPixmap.fromImage(image)
        self.view = _Fitted(self.pixmap)
        self.save_button = button("Save as PNG…", "Save this picture.", self._on_save)
        layout = QVBoxLayout(self)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.save_button)
        self._fit_screen()

    def _fit_screen(self) -> None:
        """Open with everything inside; on a small screen the picture is smaller."""
        screen, size = self.screen(), self.pixmap.size()
        around = self.sizeHint() - size
        if screen is not None:
            room = screen.availableSize() * _SHARE - around
            size.scale(size.boundedTo(room), Qt.AspectRatioMode.KeepAspectRatio)
        self.resize(size + around)

    def _on_save(self) -> None:
        proposed = f"{self._name}.png"
        path, _ = ask_where(self, "Save the picture", proposed, "PNG (*.png)")
        if path is not None:
            self.save_requested.emit(path, self._picture)


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
        fitted = self._pixmap.scaled(
            self._pixmap.size().boundedTo(self.size()),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        left = self.size() - fitted.size()
        painter = QPainter(self)
        painter.drawPixmap(left.width() // 2, left.height() // 2, fitted)
        painter.end()
