"""What the colours of some maps mean: a bar for each, with its ends and unit."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_dmoe.viewer.ui.colours import ColourBar
from napari_dmoe.viewer.ui.parts import paragraph
from napari_dmoe.viewer.what_if.noise.maps import MapColours


class MapLegend(QWidget):
    """A name and a bar of colours for each map; hidden without maps."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars: list[ColourBar] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        self.setVisible(False)

    def show_maps(self, maps: Sequence[MapColours]) -> None:
        """Show other maps."""
        while (item := self._layout.takeAt(0)) is not None:
            part = item.widget()
            if part is not None:
                part.hide()
                part.deleteLater()
        self.bars = []
        for each in maps:
            bar = ColourBar()
            bar.show_ramp(each.ramp, each.ends)
            bar.setAccessibleName(f"Colours of {each.title}")
            self._layout.addWidget(paragraph(each.title))
            self._layout.addWidget(bar)
            self.bars.append(bar)
        self.setVisible(bool(maps))
