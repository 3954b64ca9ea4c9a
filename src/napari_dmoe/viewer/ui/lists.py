"""A list of regions in a narrow dock: each wraps its text, a few are seen at once."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QFrame, QListWidget, QWidget

_MOST_SEEN = 5
_PADDING = 8


class RegionList(QListWidget):
    """Shows lines of text, as high as the first few of them; none take no room."""

    def __init__(self, name: str, tooltip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(tooltip)
        self.setWordWrap(True)
        self.setAlternatingRowColors(False)
        self.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMinimumWidth(1)

    def show_lines(self, lines: Sequence[str]) -> None:
        """Show other lines."""
        self.clear()
        self.addItems(list(lines))
        self.setVisible(bool(lines))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap the lines for another width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        bar = self.verticalScrollBar().sizeHint().width()
        has_bar = self.count() > _MOST_SEEN
        width = max(self.width() - 2 * self.frameWidth() - has_bar * bar, 1)
        room = QRect(0, 0, max(width - 2 * _PADDING, 1), 10_000)
        heights = []
        for place in range(self.count()):
            item = self.item(place)
            wrapped = self.fontMetrics().boundingRect(
                room, int(Qt.TextFlag.TextWordWrap), item.text()
            )
            heights.append(wrapped.height() + _PADDING)
            size = QSize(1, heights[-1])  # as wide as the list
            if item.sizeHint() != size:
                item.setSizeHint(size)
        height = sum(heights[:_MOST_SEEN]) + 2 * self.frameWidth() + 2
        if self.height() != height:
            self.setFixedHeight(height)
