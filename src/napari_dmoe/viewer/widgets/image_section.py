"""The choice of the image that is worked on."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_dmoe.viewer.widgets._parts import (
    column,
    heading,
    narrow_combo,
    paragraph,
    row,
    say,
)


class ImageSection(QWidget):
    """Shows the images of the viewer and tells which one is chosen."""

    image_chosen = Signal(int)
    """Place in the list that was shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = narrow_combo(
            "Image", "Image to segment. Selecting a layer chooses it, too."
        )
        self.combo.activated.connect(self.image_chosen)
        self.facts = paragraph(name="image-facts")
        column(self, row(heading("IMAGE"), self.combo, stretch=1), self.facts)

    def show_images(self, names: Sequence[str], current: int) -> None:
        """Show the names of the images, and which one is worked on (-1 for none)."""
        self.combo.clear()
        self.combo.addItems(list(names))
        self.combo.setCurrentIndex(current)
        self.combo.setEnabled(bool(names))
        if not names:
            self.combo.setPlaceholderText("no image")

    def show_facts(self, text: str) -> None:
        """Say what the image is, or what to do where there is none."""
        say(self.facts, text)
