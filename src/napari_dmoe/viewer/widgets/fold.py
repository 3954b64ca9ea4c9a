"""A part of a form that is folded away until it is asked for."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon, QPixmap
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


class Fold(QCollapsible):
    """Unfolds at a click on its title.

    Parameters
    ----------
    title : str
        What is folded away.
    tooltip : str
        What it is about.
    """

    def __init__(self, title: str, tooltip: str, parent: QWidget | None = None) -> None:
        # The arrows stand in the text: superqt would paint them once, in the colour of
        # the theme of that moment. The icons are blank, not empty: under PySide6
        # superqt takes an empty one for none.
        super().__init__(title, parent)
        blank = QPixmap(1, 1)
        blank.fill(Qt.GlobalColor.transparent)
        self.setExpandedIcon(QIcon(blank))
        self.setCollapsedIcon(QIcon(blank))
        self.toggleButton().setIconSize(blank.size())
        self._title = title
        self.setDuration(0)  # an animation would make the layout jump
        self.toggleButton().setToolTip(tooltip)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(0)
        self.toggled.connect(self._show_arrow)
        self.collapse(animate=False)
        self._show_arrow(is_open=False)

    def _show_arrow(self, is_open: bool) -> None:
        self.setText(f"{'▾' if is_open else '▸'} {self._title}")
