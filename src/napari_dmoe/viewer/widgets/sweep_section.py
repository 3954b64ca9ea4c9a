"""What another patient would have got: which driver to sweep, and what came of it."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.widgets._parts import column, heading


class SweepSection(QWidget):
    """Tells what is to be swept, and shows what came of it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column(self, heading("ANOTHER PATIENT"))
