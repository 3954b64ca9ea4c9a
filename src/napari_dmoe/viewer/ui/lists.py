"""Lists in a narrow dock: lines that wrap, and boxes in as many rows as they need."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFrame,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QWidget,
)
from superqt.utils import QFlowLayout

_MOST_SEEN = 5
_PADDING = 8
_SPACING = 6


class WrappingList(QListWidget):
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
        self.show_items([QListWidgetItem(line) for line in lines])

    def show_items(self, items: Sequence[QListWidgetItem]) -> None:
        """Show lines that can do more than to be read."""
        self.clear()
        for item in items:
            self.addItem(item)
        self.setVisible(bool(items))
        self._fit()

    def sizeHint(self) -> QSize:
        """Return a size that asks for no width."""
        return QSize(1, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap the lines for another width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        bar = self.verticalScrollBar().sizeHint().width()
        has_bar = self.count() > _MOST_SEEN
        width = self.width() - 2 * self.frameWidth() - has_bar * bar - 2 * _PADDING
        heights = []
        for item in map(self.item, range(self.count())):
            room = QRect(0, 0, max(width - self._tick_of(item), 1), 10_000)
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

    def _tick_of(self, item: QListWidgetItem) -> int:
        """Return the width of a line's box for a tick; 0 where it has none."""
        if not item.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            return 0
        box = self.style().pixelMetric(QStyle.PixelMetric.PM_IndicatorWidth)
        return int(box) + _PADDING


class BoxFlow(QWidget):
    """Boxes of one width, in as many rows as they need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: Sequence[QCheckBox] = ()
        self._flow = QFlowLayout(self)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self._flow.setHorizontalSpacing(_SPACING)
        self._flow.setVerticalSpacing(_SPACING)

    def show_boxes(self, boxes: Sequence[QCheckBox]) -> None:
        """Show other boxes; those so far are deleted."""
        for box in self._boxes:
            self._flow.removeWidget(box)
            box.hide()
            box.deleteLater()
        self._boxes = tuple(boxes)
        for box in boxes:
            self._flow.addWidget(box)

    def show_texts(self, texts: Sequence[str]) -> None:
        """Write other texts on the boxes; all are as wide as the widest."""
        for box, text in zip(self._boxes, texts, strict=True):
            box.setText(text)
        widest = max((box.sizeHint().width() for box in self._boxes), default=0)
        for box in self._boxes:
            box.setMinimumWidth(widest)
