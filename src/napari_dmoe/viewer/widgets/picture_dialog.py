"""A picture in a window of its own, which can be saved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

_AROUND = 60
_LARGEST = 1000, 700


class PictureDialog(QDialog):
    """Shows a picture and saves it as PNG.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        The picture.
    name : str
        Proposed for its file.
    """

    def __init__(
        self, picture: NDArray[np.uint8], name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("All masks side by side")
        self._name = name
        pixels = np.ascontiguousarray(picture)
        height, width = pixels.shape[:2]
        image = QImage(
            pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
        )
        self.pixmap = QPixmap.fromImage(image)
        label = QLabel()
        label.setPixmap(self.pixmap)
        area = QScrollArea()
        area.setWidget(label)
        self.save_button = QPushButton("Save as PNG…")
        self.save_button.setToolTip("Save this picture.")
        self.save_button.clicked.connect(self._on_save)
        layout = QVBoxLayout(self)
        layout.addWidget(area, stretch=1)
        layout.addWidget(self.save_button)
        self.resize(
            min(width + _AROUND, _LARGEST[0]), min(height + 2 * _AROUND, _LARGEST[1])
        )

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the picture", f"{self._name}.png", "PNG (*.png)"
        )
        if path and not self.pixmap.save(path, "PNG"):
            self.setWindowTitle(f"{path} cannot be written: choose another place")
