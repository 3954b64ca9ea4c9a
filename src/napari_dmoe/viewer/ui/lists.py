"""A list of regions in a narrow dock: each wraps its text, a few are seen at once."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QRect, QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGridLayout,
    QListWidget,
    QWidget,
)

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


class _WrappingList(QListWidget):
    """A list whose lines wrap, as high as they need up to a limit."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMinimumWidth(1)
        self._timer = QTimer(self)  # lines wrap only once they are laid out
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._fit)

    def fit(self) -> None:
        """Be as high as the lines, once they are laid out."""
        self._fit()
        self._timer.start()

    def _fit(self) -> None:
        heights = (self.sizeHintForRow(i) for i in range(self.count()))
        self.setFixedHeight(min(_HEIGHT, sum(heights) + 2 * self.frameWidth() + 4))

    def sizeHint(self) -> QSize:
        """Return a size that asks for no width."""
        return QSize(1, self.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit again: narrower lines are higher."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.fit()


_HEIGHT = 190


_LEAST_IN_A_ROW = 2
_SPACING = 6


class BoxGrid(QWidget):
    """Lays boxes out in rows, anew whenever its width changes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: list[QWidget] = []
        self._in_a_row = _LEAST_IN_A_ROW
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_SPACING)

    def show_boxes(self, boxes: Sequence[QWidget]) -> None:
        """Show other boxes; those so far are deleted."""
        for box in self._boxes:
            self._grid.removeWidget(box)
            box.hide()
            box.deleteLater()
        self._boxes = list(boxes)
        self._in_a_row = 0
        self.fit()

    def fit(self) -> None:
        """Lay the boxes out for the width that there is."""
        in_a_row = max(_LEAST_IN_A_ROW, (self.width() + _SPACING) // self._step())
        if in_a_row == self._in_a_row:
            return
        self._in_a_row = in_a_row
        for box in self._boxes:
            self._grid.removeWidget(box)
        for place, box in enumerate(self._boxes):
            self._grid.addWidget(box, *divmod(place, in_a_row))
        self.updateGeometry()

    def _step(self) -> int:
        widest = max((box.sizeHint().width() for box in self._boxes), default=1)
        return widest + _SPACING

    def minimumSizeHint(self) -> QSize:
        """Return the size with the fewest boxes in a row."""
        height = super().minimumSizeHint().height()
        return QSize(_LEAST_IN_A_ROW * self._step() - _SPACING, height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the boxes out for the new width."""
        super().resizeEvent(event)
        self.fit()
